#!/usr/bin/env bash
# Starts a throwaway Kubernetes node, if it is not there, and prints the path of its kubeconfig as the last line on stdout.
#
#   hack/node/up.sh [--name NAME] [--control-plane]
#
# As root on Linux everything runs in a network namespace of its own: API server, controllers, scheduler, kube-proxy, containerd
# and kubelet. With --control-plane, or without root, only etcd, the API server and the controllers run, on 127.0.0.1.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
parse_name "$@"
full=1
for arg in "${ARGS[@]}"; do
  case $arg in
    --control-plane) full= ;;
    *) die "usage: up.sh [--name NAME] [--control-plane]" ;;
  esac
done
if [[ $full && $EUID -ne 0 ]]; then
  say "not root: starting the control plane alone, without a kubelet"
  full=
fi
if alive etcd && [[ -f $STATE/ready ]]; then
  # It stayed from before; what a test stopped and did not start again is started.
  for command in "$STATE"/run/*.cmd; do
    what=$(basename "$command" .cmd)
    alive "$what" || "$NODE_SCRIPTS/component.sh" --name "$NAME" start "$what"
  done
  echo "$KUBECONFIG_FILE"
  exit 0
fi

only=()
[[ $full ]] || only=(--control-plane)
"$NODE_SCRIPTS/packages.sh" "${only[@]}"
cni=$(plugins)
[[ ! $full || $cni ]] || die "the network plugins bridge, host-local and loopback are in none of the usual folders"
bin=$("$NODE_SCRIPTS/build.sh" "${only[@]:---without-helm}")
"$NODE_SCRIPTS/down.sh" --name "$NAME" >/dev/null 2>&1 || true
mkdir -p "$STATE"/{run,log,pki,etcd}
chmod 700 "$STATE/pki"
began=$EPOCHREALTIME

if [[ $full ]]; then
  listen=0.0.0.0 address=$NODE_IP port=6443 etcd_port=2379 peer_port=2380
  ip netns add "$NETNS"
  ip link add "dt-$NAME" type veth peer name eth0 netns "$NETNS"
  ip addr add "$HOST_IP/24" dev "dt-$NAME"
  ip link set "dt-$NAME" up
  inside=(nsenter "--net=/run/netns/$NETNS")
  "${inside[@]}" ip addr add "$NODE_IP/24" dev eth0
  "${inside[@]}" ip link set lo up
  "${inside[@]}" ip link set eth0 up
  "${inside[@]}" ip route add default via "$HOST_IP"
  "${inside[@]}" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  # Pods and Services are reached from this machine by way of the node.
  ip route add "$POD_NET" via "$NODE_IP"
  ip route add "$SERVICE_NET" via "$NODE_IP"
else
  inside=() listen=127.0.0.1 address=127.0.0.1
  free() { # ports that nobody listens on; the node's number spreads nodes apart
    local p=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do p=$((p + 1)); done
    echo "$p"
  }
  base=$((20000 + $(printf '%s' "$NAME" | cksum | cut -d' ' -f1) % 10000 * 3))
  port=$(free "$base") etcd_port=$(free $((base + 1))) peer_port=$(free $((base + 2)))
fi

openssl genrsa -out "$STATE/pki/sa.key" 2048 2>/dev/null
token() { openssl rand -hex 16; }
admin=$(token) manager=$(token) scheduler=$(token) kubelet=$(token) proxy=$(token)
cat >"$STATE/pki/tokens.csv" <<EOF
$admin,admin,admin,"system:masters"
$manager,system:kube-controller-manager,manager
$scheduler,system:kube-scheduler,scheduler
$kubelet,system:node:$NAME,kubelet,"system:nodes"
$proxy,system:kube-proxy,proxy
EOF
# Who wrote what, and all that operators of the chart ask: the tests count writes with it, and compare what was asked with the rights
# that the chart gives.
cat >"$STATE/audit.yaml" <<EOF
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
  users: ["system:serviceaccount:dialtone:dialtone", "system:serviceaccount:dialtone:tenant"]
- level: None
EOF

say "starting etcd and kube-apiserver"
launch etcd "${inside[@]}" "$bin/etcd" --data-dir="$STATE/etcd" --unsafe-no-fsync --log-level=warn \
  --listen-client-urls="http://127.0.0.1:$etcd_port" --advertise-client-urls="http://127.0.0.1:$etcd_port" \
  --listen-peer-urls="http://127.0.0.1:$peer_port" --initial-advertise-peer-urls="http://127.0.0.1:$peer_port" \
  --initial-cluster="default=http://127.0.0.1:$peer_port"
launch kube-apiserver "${inside[@]}" "$bin/kube-apiserver" \
  --etcd-servers="http://127.0.0.1:$etcd_port" --cert-dir="$STATE/pki" \
  --bind-address="$listen" --advertise-address="$address" --secure-port="$port" \
  --service-cluster-ip-range="$SERVICE_NET" --allow-privileged --authorization-mode=Node,RBAC \
  --token-auth-file="$STATE/pki/tokens.csv" --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file="$STATE/pki/sa.key" --service-account-signing-key-file="$STATE/pki/sa.key" \
  --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority= \
  --enable-admission-plugins=OwnerReferencesPermissionEnforcement \
  --audit-policy-file="$STATE/audit.yaml" --audit-log-path="$STATE/audit.log" --audit-log-maxsize=100000

config() { # config FILE TOKEN: a kubeconfig; the certificate is the API server's own
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: $NAME, cluster: {server: "https://$address:$port", certificate-authority: $STATE/pki/apiserver.crt}}]
users: [{name: user, user: {token: "$2"}}]
contexts: [{name: $NAME, context: {cluster: $NAME, user: user}}]
current-context: $NAME
EOF
  chmod 600 "$1"
}
config "$KUBECONFIG_FILE" "$admin"
config "$STATE/pki/manager" "$manager"
config "$STATE/pki/scheduler" "$scheduler"
config "$STATE/pki/kubelet" "$kubelet"
config "$STATE/pki/proxy" "$proxy"
kubectl=("$bin/kubectl" "--kubeconfig=$KUBECONFIG_FILE")
wait_for 60 "kube-apiserver (see $STATE/log/kube-apiserver.log)" "${kubectl[@]}" get --raw /readyz

say "starting the controllers"
launch kube-controller-manager "${inside[@]}" "$bin/kube-controller-manager" --kubeconfig="$STATE/pki/manager" \
  --use-service-account-credentials --root-ca-file="$STATE/pki/apiserver.crt" --leader-elect=false \
  --service-account-private-key-file="$STATE/pki/sa.key" --secure-port=0 --kube-api-qps=200 --kube-api-burst=400 \
  --node-monitor-grace-period=5m
wait_for 30 "the default service account" "${kubectl[@]}" get serviceaccount default

if [[ $full ]]; then
  say "starting scheduler, containerd, kubelet and kube-proxy"
  launch kube-scheduler "${inside[@]}" "$bin/kube-scheduler" --kubeconfig="$STATE/pki/scheduler" --leader-elect=false --secure-port=0

  mkdir -p "$STATE"/{cni,containerd,kubelet}
  cat >"$STATE/cni/10-bridge.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$STATE/ipam", "ranges": [[{"subnet": "$POD_NET"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
]}
EOF
  cat >"$STATE/containerd.toml" <<EOF
version = 2
root = "$STATE/containerd/root"
state = "$STATE/containerd/state"
[grpc]
  address = "$STATE/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "dialtone.dev/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cni"
    conf_dir = "$STATE/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
EOF
  launch containerd "${inside[@]}" containerd --config "$STATE/containerd.toml"
  ctr=(ctr --address "$STATE/run/containerd.sock" -n k8s.io)
  wait_for 30 "containerd" "${ctr[@]}" version
  "$NODE_SCRIPTS/image.sh" "$bin/pause" dialtone.dev/pause:1 "$STATE/pause.tar" /pause
  "${ctr[@]}" images import "$STATE/pause.tar" >/dev/null
  for cgroup in $(cgroups); do
    mkdir -p "$cgroup"
    # In the first version of control groups nothing runs in a group that has not been told where.
    for set in cpuset.cpus cpuset.mems; do
      [[ ! -e $cgroup/$set || $(stat -fc %T "$cgroup") == cgroup2fs ]] || cat "${cgroup%/*}/$set" >"$cgroup/$set"
    done
  done
  cat >"$STATE/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
# Nobody but this node can reach it.
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
containerRuntimeEndpoint: unix://$STATE/run/containerd.sock
registerNode: true
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "50Mi"}
maxPods: 60
EOF
  launch kubelet "${inside[@]}" "$bin/kubelet" --config="$STATE/kubelet.yaml" --kubeconfig="$STATE/pki/kubelet" \
    --root-dir="$STATE/kubelet" --cert-dir="$STATE/kubelet/pki" --hostname-override="$NAME" --node-ip="$NODE_IP"
  wait_for 90 "the node to appear (see $STATE/log/kubelet.log)" "${kubectl[@]}" get node "$NAME"
  # Only now: kube-proxy waits for its node, has no rules meanwhile, and ends if the node comes after more than 30 s.
  cat >"$STATE/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $STATE/pki/proxy}
conntrack: {maxPerCore: 0, min: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s}
EOF
  launch kube-proxy "${inside[@]}" "$bin/kube-proxy" --config="$STATE/proxy.yaml" --hostname-override="$NAME"
  "${kubectl[@]}" create clusterrolebinding kube-proxy --clusterrole=system:node-proxier --user=system:kube-proxy >/dev/null
  wait_for 90 "the node to be Ready (see $STATE/log/kubelet.log)" "${kubectl[@]}" wait --for=condition=Ready "node/$NAME" --timeout=5s
  # A node counts as Ready before pods on it can reach the API server.
  # shellcheck disable=SC2016 # expanded inside
  wait_for 60 "kube-proxy (see $STATE/log/kube-proxy.log)" "${inside[@]}" timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/443"' "${SERVICE_NET%.0/24}.1"
fi
touch "$STATE/ready"
say "ready after $(elapsed "$began")"
echo "$KUBECONFIG_FILE"
