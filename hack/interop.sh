#!/usr/bin/env bash
# `make interop`: dialtone against programs that others wrote. Fetches them, runs the suite, and writes docs/interop.md.
#
#   hack/interop.sh [--only WORD,…]     with words it shows what came out, and writes nothing
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
only=''
[[ ${1:-} == --only ]] && only=${2:?--only needs words}

peers=$(hack/interop/peers.sh)
say "building dialtone and the suite"
suite=$(cargo test --locked --features interop-tests --test interop --no-run --message-format=json-render-diagnostics |
  sed -n 's/.*"executable":"\([^"]*\/deps\/interop-[^"]*\)".*/\1/p' | tail -n 1)
[[ -x $suite ]] || die "the suite was not built"
# In a process group of its own, so that no server and no client outlives it if it is broken off.
set -m
"$suite" "$peers" "$only" &
pid=$!
set +m
broken_off() {
  trap '' INT TERM HUP
  kill -KILL -- "-$pid" 2>/dev/null || true
  exit "$1"
}
trap 'broken_off 130' INT
trap 'broken_off 143' TERM
trap 'broken_off 129' HUP
wait "$pid"
