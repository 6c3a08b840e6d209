#!/usr/bin/env bash
# Builds the image: one static binary and nothing else. Prints the tarball's path; the tag is dialtone:dev.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
# Static by the C runtime's own means, so that no other target has to be installed.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --profile image --target "$target" >&2
hack/node/image.sh "target/$target/image/dialtone" docker.io/library/dialtone:dev target/dialtone.tar
echo "$PWD/target/dialtone.tar"
