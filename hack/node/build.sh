#!/usr/bin/env bash
# Builds the cluster's own programs from the modules pinned in go.mod, once, into a cache outside the tree.
#
#   hack/node/build.sh [--control-plane | --helm | --without-helm]
#
# Progress on stderr; the last line on stdout is the folder that holds the binaries. A second call returns at once.
# --control-plane builds only what an API server alone needs, --helm only helm, --without-helm all but helm. KUBEBUILDER_ASSETS, if set, lends
# its etcd,
# kube-apiserver and kubectl, so that nothing is compiled that is there already.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

want=(etcd kube-apiserver kube-controller-manager kubectl)
case ${1:-} in
  --control-plane) ;;
  --helm) want=(helm) ;;
  --without-helm) want+=(kube-scheduler kubelet kube-proxy pause) ;;
  '') want+=(kube-scheduler kubelet kube-proxy pause helm) ;;
  *) die "usage: build.sh [--control-plane | --helm | --without-helm]" ;;
esac

# One folder for each set of pinned versions: a branch with other versions never runs this one's binaries.
key=$(cat "$NODE_SCRIPTS"/{go.mod,go.sum,helm/go.mod,helm/go.sum,pause/main.go} | sha256sum | cut -c1-12)
if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
  key+=-$(printf '%s' "$KUBEBUILDER_ASSETS" | sha256sum | cut -c1-6)
fi
bin=$CACHE/bin/$key

missing() {
  local tool
  todo=()
  for tool in "${want[@]}"; do [[ -x $bin/$tool ]] || todo+=("$tool"); done
  ((${#todo[@]}))
}

borrow() { # what KUBEBUILDER_ASSETS already has
  local tool
  for tool in etcd kube-apiserver kubectl; do
    [[ -x $KUBEBUILDER_ASSETS/$tool ]] && ln -sfn "$(realpath "$KUBEBUILDER_ASSETS/$tool")" "$bin/$tool"
  done
  return 0
}

# version MODULE: the version pinned for it, so that it is written down in go.mod and nowhere else
version() { go list -m -f '{{.Version}}' "$1"; }

# compile LABEL DIRECTORY TOOL=PACKAGE…: all in one call of the compiler, which works on several at once. Into a folder of its own first,
# so that no half-written binary is ever found in $bin.
compile() {
  local label=$1 dir=$2 flags='-s -w' kube log part began=$EPOCHREALTIME beat=$SECONDS pid pair
  shift 2
  log=$bin/.build.log part=$bin/.part
  case $dir in
    "$NODE_SCRIPTS"/helm) flags+=" -X helm.sh/helm/v4/internal/version.version=$(cd "$dir" && version helm.sh/helm/v4)" ;;
    *)
      # Without a version clients cannot parse what the server says it is.
      kube=$(cd "$dir" && version k8s.io/kubernetes)
      flags+=" -X k8s.io/component-base/version.gitVersion=$kube"
      flags+=" -X k8s.io/component-base/version.gitMajor=$(cut -d. -f1 <<<"${kube#v}")"
      flags+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$kube")" ;;
  esac
  rm -rf "$part"
  mkdir -p "$part"
  (cd "$dir" && CGO_ENABLED=0 exec go build -v -trimpath -ldflags="$flags" -o "$part/" "${@#*=}") >"$log" 2>&1 9>&- &
  pid=$!
  # An interrupted build leaves no compiler running behind.
  trap 'kill "$pid" 2>/dev/null || true; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    if [[ -t 2 ]]; then
      printf '\r\033[K%s … %s, %s packages' "$label" "$(elapsed "$began")" "$(wc -l <"$log")" >&2
    elif ((SECONDS - beat >= 15)); then
      beat=$SECONDS
      say "$label … $(elapsed "$began"), $(wc -l <"$log") packages"
    fi
    sleep 0.5
  done
  [[ -t 2 ]] && printf '\r\033[K' >&2
  wait "$pid" || { tail -n 30 "$log" >&2; die "$label: it does not build (the whole log: $log)"; }
  trap - INT TERM
  # Go names a program by the last part of its package that is no version.
  for pair in "$@"; do
    mv "$part/$(basename "${pair#*=}" | sed 's/^v[0-9]*$/'"$(basename "$(dirname "${pair#*=}")")"'/')" "$bin/${pair%%=*}"
  done
  rm -rf "$log" "$part"
  say "$label: $(elapsed "$began")"
}

if missing; then
  mkdir -p "$bin"
  # Of two calls at once the second waits, and then finds everything there.
  exec 9>"$CACHE/bin/$key.lock"
  flock -n 9 || { say "another build is running; waiting for it"; flock 9; }
  [[ -z ${KUBEBUILDER_ASSETS:-} ]] || borrow
  if missing; then
    command -v go >/dev/null || die "go is needed to build ${todo[*]}"
    began=$EPOCHREALTIME cluster=() helm=()
    for tool in "${todo[@]}"; do
      case $tool in
        helm) helm+=(helm=helm.sh/helm/v4/cmd/helm) ;;
        etcd) cluster+=(etcd=go.etcd.io/etcd/server/v3) ;;
        pause) cluster+=(pause=./pause) ;;
        *) cluster+=("$tool=k8s.io/kubernetes/cmd/$tool") ;;
      esac
    done
    say "building ${#todo[@]} programs into $bin (about 5 minutes on two cores the first time)"
    ((!${#cluster[@]})) || compile "${#cluster[@]} programs of Kubernetes" "$NODE_SCRIPTS" "${cluster[@]}"
    ((!${#helm[@]})) || compile helm "$NODE_SCRIPTS/helm" "${helm[@]}"
    say "built in $(elapsed "$began")"
  fi
fi
printf '%s\n' "$bin"
