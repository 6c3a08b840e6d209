# shellcheck shell=bash
# What every script here shares: where things are kept, what a node is called, how to talk to the person at the screen.
# Sourced, never run. Only functions and the paths below; no side effects.
# shellcheck disable=SC2034 # whoever sources it uses them

NODE_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${DIALTONE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dialtone}

# Progress goes to stderr: stdout carries only the one line that a caller wants to read.
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# can_install: whether apt_install can do anything here
can_install() { ((EUID == 0)) && command -v apt-get >/dev/null; }

# apt_install PACKAGE…: from the distribution; its lists of packages are fetched only if they are missing or too old
apt_install() {
  local install=(apt-get install -y -qq --no-install-recommends "$@")
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq >/dev/null && "${install[@]}" >/dev/null; }
}

# seconds since the epoch with a fraction, for elapsed times
now() { printf '%s' "$EPOCHREALTIME"; }
elapsed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

# wait_for SECONDS WHAT COMMAND…: asks again and again until COMMAND succeeds, and says what it waited for if it never does.
wait_for() {
  local limit=$1 what=$2 deadline
  shift 2
  deadline=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { say "gave up after ${limit} s waiting for $what"; return 1; }
    sleep 0.1
  done
}

# node NAME: the paths and addresses of one node. All of them follow from the name, so that several nodes live side by side.
node() {
  NAME=$1
  [[ $NAME =~ ^[a-z][a-z0-9]{0,7}$ ]] || die "--name $NAME: at most 8 lower-case letters and digits, beginning with a letter"
  STATE=${DIALTONE_STATE:-/tmp/dialtone-node}/$NAME
  local n=$(($(printf '%s' "$NAME" | cksum | cut -d' ' -f1) % 250 + 1))
  NETNS=dialtone-$NAME
  HOST_IP=10.253.$n.1 NODE_IP=10.253.$n.2 POD_NET=10.254.$n.0/24 SERVICE_NET=10.255.$n.0/24
  KUBECONFIG_FILE=$STATE/kubeconfig
  # Of the node's own: a kubelet ends every process in a pod's group that it does not know.
  CGROUP=dialtone-$NAME
}

# cgroups: the node's control groups, one for each hierarchy of the machine
cgroups() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    printf '%s\n' "/sys/fs/cgroup/$CGROUP"
  else
    local hierarchy
    for hierarchy in /sys/fs/cgroup/*/; do printf '%s\n' "$hierarchy$CGROUP"; done
  fi
}

# plugins: the folder with the network plugins that pods need
plugins() {
  local dir
  for dir in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    [[ -x $dir/bridge && -x $dir/host-local && -x $dir/loopback ]] && { printf '%s' "$dir"; return; }
  done
  return 0
}

# launch NAME COMMAND…: in the background, with its output in a log and its process id in a file
launch() {
  local what=$1
  shift
  printf '%q ' "$@" >"$STATE/run/$what.cmd"
  # The lock of whoever calls, and its terminal, are not this program's business.
  setsid "$@" >>"$STATE/log/$what.log" 2>&1 </dev/null 9>&- &
  echo $! >"$STATE/run/$what.pid"
}

alive() { # alive NAME: whether a program of the node runs
  local pid
  pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# halt NAME [SIGNAL]: ends a program and waits until it is gone
halt() {
  local pid i
  pid=$(cat "$STATE/run/$1.pid" 2>/dev/null) || return 0
  kill "-${2:-TERM}" "$pid" 2>/dev/null || true
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$STATE/run/$1.pid"
}

parse_name() { # parse_name "$@": reads --name, and leaves the rest in ARGS
  local name=main
  ARGS=()
  while (($#)); do
    case $1 in
      --name) name=${2:?--name needs a value}; shift 2 ;;
      *) ARGS+=("$1"); shift ;;
    esac
  done
  node "$name"
}
