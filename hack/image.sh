#!/usr/bin/env bash
# Builds the image: one static binary and nothing else. Prints the tarball's path; the tag is dialtone:dev.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
# Wherever Cargo puts what it builds: people share a folder between checkouts.
out=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# Static by the C runtime's own means, so that no other target has to be installed.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --profile image --target "$target" >&2
hack/node/image.sh "$out/$target/image/dialtone" docker.io/library/dialtone:dev "$out/dialtone.tar"
echo "$out/dialtone.tar"
