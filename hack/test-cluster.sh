#!/usr/bin/env bash
# Runs the tests that need a cluster.
#
#   hack/test-cluster.sh                              all of them in order, each kind on a cluster of its own that is taken down
#                                                     whatever happens
#   hack/test-cluster.sh --only STEP,… [--name NAME]  some of them, on a node that stays; it is started if it is not there
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
only='' kept=main
while (($#)); do
  case $1 in
    --only) only=${2:?--only needs the names of steps}; shift 2 ;;
    --name) kept=${2:?--name needs a value}; shift 2 ;;
    *) die "usage: test-cluster.sh [--only STEP,… [--name NAME]]" ;;
  esac
done

steps() { # the path of the program that knows the steps
  cargo test --locked --features cluster-tests --test node --no-run --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\/deps\/node-[^"]*\)".*/\1/p' | tail -n 1
}

mine=() # the clusters that go when this ends
take_down() {
  local name
  for name in "${mine[@]}"; do hack/node/down.sh --name "$name" || true; done
  mine=()
}
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

part_control() { # part_control PART…: those that need an API server and no node
  say "the API server's part: $*"
  local bin part tests
  if ((EUID == 0)); then bin=$(hack/node/build.sh); else bin=$(hack/node/build.sh --control-plane); fi
  export PATH=$bin:$PATH
  mine+=("$api")
  config=$(hack/node/up.sh --name "$api" --control-plane)
  for part in "$@"; do
    case $part in
      api)
        # Those that mostly wait do so side by side, whatever the number of processors; each has namespaces of its own.
        tests=(cargo test --quiet --locked --features cluster-tests --test api --)
        KUBECONFIG=$config "${tests[@]}" heal:: --test-threads=16
        KUBECONFIG=$config "${tests[@]}" --skip heal::
        ;;
      faults) KUBECONFIG=$config cargo test --quiet --locked --features cluster-tests --test faults -- "${FAULTS-}" ;;
    esac
  done
  take_down
}

part_node() { # part_node NAME STEP…: all steps if none is named
  local node=$1 release image tag bin config
  shift
  bin=$(hack/node/build.sh)
  export PATH=$bin:$PATH
  # The image of a release, and with it all the rest of one, which looks at itself.
  release=$(REPOSITORY=docker.io/library/dialtone hack/release.sh)
  image=$(ls "$release"/*-image.tar)
  # By its content: a node that has another one takes this one everywhere.
  tag=dev-$(sha256sum "$image" | cut -c1-12)
  config=$(hack/node/up.sh --name "$node")
  hack/node/load.sh --name "$node" "$image" "docker.io/library/dialtone:$tag"
  DIALTONE_NODE=$node DIALTONE_IMAGE_TAG=$tag KUBECONFIG=$config "$steps" "$@"
}

steps=$(steps)
api=t$((RANDOM % 9000 + 1000))a
real=t$((RANDOM % 9000 + 1000))n

if [[ $only ]]; then
  mapfile -t control < <(tr , '\n' <<<"$only" | grep -xE 'api|faults')
  rest=$(tr , '\n' <<<"$only" | sed '/^api$/d;/^faults$/d;/^$/d' | paste -sd,)
  [[ ! $rest ]] || "$steps" --check "$rest" || exit
  [[ ! $rest || $EUID -eq 0 ]] || die "$rest: a node needs root, for a kubelet and a network namespace"
  ((!${#control[@]})) || part_control "${control[@]}"
  if [[ $rest ]]; then
    say "$rest, on the node \"$kept\", which stays (make node-down takes it down)"
    part_node "$kept" "$rest"
  fi
  exit
fi

part_control api faults
if ((EUID != 0)); then
  say "skipped: the node's part needs root, for a kubelet and a network namespace"
  exit 0
fi
say "the node's part: helm install, phones that boot, everything that can fail meanwhile"
mine+=("$real")
part_node "$real"
