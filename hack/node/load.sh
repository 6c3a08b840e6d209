#!/usr/bin/env bash
# Loads an image into a node.
#
#   hack/node/load.sh [--name NAME] IMAGE.tar
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
parse_name "$@"
[[ -S $STATE/run/containerd.sock ]] || die "node $NAME is not up"
ctr --address "$STATE/run/containerd.sock" -n k8s.io images import "${ARGS[0]:?which image?}" >/dev/null
