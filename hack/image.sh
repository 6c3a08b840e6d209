#!/usr/bin/env bash
# Builds the image: one static binary and nothing else. Prints the tarball's path. In dialtone.cdx.json, in Cargo's folder, is what
# the binary is made of, as the binary itself says (CycloneDX).
#
#   hack/image.sh [TAG] [OUTPUT.tar]     default: dialtone:dev, dialtone.tar in Cargo's folder; LABELS as hack/node/image.sh takes them
#
# The same source makes the same bytes wherever it is built: `hack/supply.sh reproducible` holds that.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=hack/supply/tools.sh
. hack/supply/tools.sh
target=$(rustc -vV | sed -n 's/^host: //p')
# Wherever Cargo puts what it builds: people share a folder between checkouts.
out=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# It writes the names and versions of all dependencies into the binary.
built cargo-auditable 0.7.7
built auditable2cdx 0.1.0
# What `dialtone version` says; where there is no history, as in a release's archive, who builds sets it.
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || true)
[[ ! $commit ]] || git diff --quiet HEAD 2>/dev/null || commit+=-changed
export DIALTONE_COMMIT=${DIALTONE_COMMIT-$commit}
# Static by the C runtime's own means, so that no other target has to be installed. Paths of this machine stand nowhere in it.
flags=(-C target-feature=+crt-static "--remap-path-prefix=$out=/target" "--remap-path-prefix=$PWD=/dialtone"
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
encoded=$(IFS=$'\x1f'; echo "${flags[*]}")
CARGO_ENCODED_RUSTFLAGS=$encoded PATH=$TOOLS/bin:$PATH cargo auditable build --quiet --locked --profile image --target "$target" >&2
binary=$out/$target/image/dialtone
"$TOOLS/bin/auditable2cdx" "$binary" >"$out/dialtone.cdx.json"
tarball=${2:-$out/dialtone.tar}
hack/node/image.sh "$binary" "${1:-docker.io/library/dialtone:dev}" "$tarball"
echo "$tarball"
