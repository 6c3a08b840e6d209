#!/usr/bin/env bash
# Installs what a node needs from the distribution: the container runtime, its network plugins, and nftables for kube-proxy.
#
#   hack/node/packages.sh [--control-plane]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

missing=()
need() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]] || missing+=("$2"); }
need openssl openssl
if [[ ${1:-} != --control-plane ]]; then
  need containerd containerd
  need runc runc
  # By their folder: iproute2 has a program named bridge, too.
  [[ $(plugins) ]] || missing+=(containernetworking-plugins)
  need nft nftables
  need conntrack conntrack
  need ip iproute2
  # For the tests of docs/operations.md.
  need jq jq
fi
((${#missing[@]})) || exit 0
((EUID == 0)) || die "these packages are missing and only root can install them: ${missing[*]}"
command -v apt-get >/dev/null || die "install these by the means of your distribution: ${missing[*]}"
apt_install "${missing[@]}"
