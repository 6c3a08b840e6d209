#!/usr/bin/env bash
# Searches inputs for the parsers, guided by coverage: one target after the other, each for TIME seconds or RUNS inputs.
#
#   hack/fuzz.sh [--time SECONDS] [--runs N] [--only TARGET,…] [--keep]
#
# Works with the stable toolchain and a C++ compiler. What was found on the way stays in target/fuzz/corpus and is gone on from;
# --keep adds the inputs that reach something new to fuzz/corpus, which the tests replay.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=60 runs=-1 only='' keep=''
while (($#)); do
  case $1 in
    --time) seconds=${2:?--time needs seconds}; shift 2 ;;
    --runs) runs=${2:?--runs needs a number} seconds=0; shift 2 ;;
    --only) only=${2:?--only needs names}; shift 2 ;;
    --keep) keep=1; shift ;;
    *) echo "usage: fuzz.sh [--time SECONDS] [--runs N] [--only TARGET,…] [--keep]" >&2; exit 2 ;;
  esac
done

target=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_WRAPPER=$PWD/hack/fuzz-rustc.sh cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$target" --target-dir target/fuzz/build

all=(fuzz/fuzz_targets/*.rs)
all=("${all[@]##*/}")
all=("${all[@]%.rs}")
[[ ! $only ]] || IFS=, read -ra all <<<"$only"
failed=()
printf '%-12s %12s %8s %8s %8s %s\n' target executions exec/s edges inputs result
for one in "${all[@]}"; do
  program=target/fuzz/build/$target/release/$one found=target/fuzz/corpus/$one log=target/fuzz/$one.log artifacts=target/fuzz/artifacts/$one/
  [[ -x $program ]] || { echo "error: there is no target $one" >&2; exit 2; }
  mkdir -p "$found" "$artifacts"
  result=ok
  # First what is known, whatever its length.
  "$program" "fuzz/corpus/$one"/* >"$log" 2>&1 || { result="FAILS: $log" failed+=("$one"); }
  [[ $result != ok ]] || "$program" "$found" "fuzz/corpus/$one" -dict=fuzz/dialtone.dict -artifact_prefix="$artifacts" -print_final_stats=1 \
    -max_len=4096 -timeout=5 -rss_limit_mb=1024 -max_total_time="$seconds" -runs="$runs" >"$log" 2>&1 || { result="FAILS: $log" failed+=("$one"); }
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  printf '%-12s %12s %8s %8s %8s %s\n' "$one" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" "$edges" "$(find "$found" -type f | wc -l)" "$result"
  if [[ $keep && $result == ok ]]; then
    "$program" -merge=1 "fuzz/corpus/$one" "$found" -max_len=4096 >>"$log" 2>&1
  fi
done
((${#failed[@]} == 0)) || { echo "error: ${failed[*]}: the inputs are in target/fuzz/artifacts; put them into fuzz/corpus and mend the fault" >&2; exit 1; }
