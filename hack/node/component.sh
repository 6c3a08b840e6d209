#!/usr/bin/env bash
# Stops or starts one program of a node: tests do, to see what goes on without it.
#
#   hack/node/component.sh [--name NAME] stop|start|restart kube-apiserver|kubelet|etcd|…
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
parse_name "$@"
action=${ARGS[0]:?stop, start or restart} what=${ARGS[1]:?which program?}
[[ -f $STATE/run/$what.cmd ]] || die "node $NAME has no program $what"
case $action in stop | restart) halt "$what" ;; esac
case $action in
  start | restart)
    if ! alive "$what"; then
      command=()
      eval "command=($(cat "$STATE/run/$what.cmd"))"
      launch "$what" "${command[@]}"
    fi
    if [[ $what == kube-apiserver ]]; then
      bin=$("$NODE_SCRIPTS/build.sh" --control-plane)
      wait_for 60 "kube-apiserver" "$bin/kubectl" "--kubeconfig=$KUBECONFIG_FILE" get --raw /readyz
    fi
    ;;
esac
