#!/usr/bin/env bash
# Runs all fault tests whole, again and again with other seeds, for so many minutes at least. Every failure names its seed.
#
#   hack/soak.sh [MINUTES]
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-20}
say() { printf '\n== %s\n' "$*" >&2; }
began=$SECONDS round=0

while ((SECONDS - began < minutes * 60)); do
  round=$((round + 1))
  seed=$((RANDOM * 32768 + RANDOM))
  say "round $round, DIALTONE_SEED=$seed, after $(((SECONDS - began) / 60)) minutes"
  say "histories in virtual time"
  DIALTONE_HISTORIES=5000 cargo test --quiet --locked --test suite -- simulation::
  say "the operator among faults: every kill, every field"
  DIALTONE_SEED=$seed DIALTONE_KILL_EVERY=1 DIALTONE_FIELDS_EVERY=1 hack/test-cluster.sh --only faults
  if ((EUID == 0)); then
    say "a real node: everything that can die, with somebody who fetches every file meanwhile"
    hack/test-cluster.sh --only recovery,outage,mend --name soak
  else
    say "skipped: the node's part needs root"
  fi
done
((EUID != 0)) || hack/node/down.sh --name soak
say "$round rounds in $(((SECONDS - began) / 60)) minutes, without a violation"
