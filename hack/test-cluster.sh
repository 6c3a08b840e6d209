#!/usr/bin/env bash
# Runs the tests that need a cluster, each kind on a cluster of its own, and takes the clusters down whatever happens.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*" >&2; }

api=t$((RANDOM % 9000 + 1000))a
real=t$((RANDOM % 9000 + 1000))n
trap 'hack/node/down.sh --name "$api" || true; [[ $EUID -ne 0 ]] || hack/node/down.sh --name "$real" || true' EXIT

say "the API server's part: CustomResourceDefinitions, refusals, the chart"
if ((EUID == 0)); then bin=$(hack/node/build.sh); else bin=$(hack/node/build.sh --control-plane); fi
export PATH=$bin:$PATH
KUBECONFIG=$(hack/node/up.sh --name "$api" --control-plane)
KUBECONFIG=$KUBECONFIG cargo test --features cluster-tests --test api -- --test-threads=1
hack/node/down.sh --name "$api"

if ((EUID != 0)); then
  say "skipped: the node's part needs root, for a kubelet and a network namespace"
  exit 0
fi
say "the node's part: helm install, phones that boot, everything that can fail meanwhile"
image=$(hack/image.sh)
KUBECONFIG=$(hack/node/up.sh --name "$real")
hack/node/load.sh --name "$real" "$image"
export DIALTONE_NODE=$real
KUBECONFIG=$KUBECONFIG cargo test --features cluster-tests --test node -- --test-threads=1 --nocapture
