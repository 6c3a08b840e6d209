# shellcheck shell=bash
# What every script here shares: where things are kept, what a node is called, how to talk to the person at the screen.
# Sourced, never run. Only functions and the paths below; no side effects.

NODE_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${DIALTONE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dialtone}

# Progress goes to stderr: stdout carries only the one line that a caller wants to read.
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

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
