#!/usr/bin/env bash
# What cargo runs instead of rustc when hack/fuzz.sh builds: the code of this project and the parsers that it takes from others tell
# libFuzzer what they reach. All else is built as usual, which is most of the time.
set -euo pipefail
coverage=()
# What is built for the compiler itself, such as what macros use, has no libFuzzer to tell.
if [[ " $* " == *" --target "* && " $* " =~ \ --crate-name\ (dialtone|dialtone_fuzz|serde_saphyr|granit_parser|serde_json|ipnet|hex)\  ]]; then
  # What cargo-fuzz passes too, but for the address sanitizer: there is no unsafe code to watch, and it wants a nightly compiler.
  coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)
fi
exec "$@" "${coverage[@]}"
