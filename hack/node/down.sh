#!/usr/bin/env bash
# Takes a node down and leaves nothing behind: no process, mount, interface, rule, cgroup or folder. Safe after any failure.
#
#   hack/node/down.sh [--name NAME]
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
parse_name "$@"

for what in kubelet kube-proxy kube-scheduler kube-controller-manager; do halt "$what"; done
if [[ -S $STATE/run/containerd.sock ]]; then
  ctr=(ctr --address "$STATE/run/containerd.sock" -n k8s.io)
  for task in $("${ctr[@]}" tasks ls -q 2>/dev/null); do "${ctr[@]}" tasks kill -s KILL "$task" >/dev/null 2>&1; done
  for task in $("${ctr[@]}" tasks ls -q 2>/dev/null); do "${ctr[@]}" tasks rm -f "$task" >/dev/null 2>&1; done
  for box in $("${ctr[@]}" containers ls -q 2>/dev/null); do "${ctr[@]}" containers rm "$box" >/dev/null 2>&1; done
fi
halt containerd
halt kube-apiserver
halt etcd
# Shims, and whatever else was started from the node's folders, outlive their parents.
pkill -KILL -f -- "$STATE/" 2>/dev/null
if [[ -e /run/netns/$NETNS ]]; then
  for pid in $(ip netns pids "$NETNS" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
fi
for ((i = 0; i < 20; i++)); do
  pgrep -f -- "$STATE/" >/dev/null 2>&1 || break
  sleep 0.1
done
# The namespaces of this node's pods: those with an address of its pod network.
for ns in /run/netns/cni-*; do
  [[ -e $ns ]] || continue
  if nsenter "--net=$ns" ip -4 addr 2>/dev/null | grep -q "${POD_NET%.0/24}\." || ! nsenter "--net=$ns" true 2>/dev/null; then
    umount "$ns" 2>/dev/null
    rm -f "$ns"
  fi
done
awk -v state="$STATE/" 'index($5, state) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
  umount -l "$mount" 2>/dev/null
done
ip link del "dt-$NAME" 2>/dev/null
ip netns del "$NETNS" 2>/dev/null
for cgroup in $(cgroups); do
  [[ -d $cgroup ]] && find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
done
rm -rf -- "$STATE"
rmdir -- "$(dirname "$STATE")" 2>/dev/null
say "node $NAME is gone"
exit 0
