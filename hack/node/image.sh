#!/usr/bin/env bash
# Makes an image of one static binary: nothing else is in it. A dynamic one gets the libraries that it needs beside it; that is for trying
# things out. The same binary makes the same bytes.
#
#   hack/node/image.sh BINARY TAG OUTPUT.tar [NAME-IN-IMAGE]
#
# LABELS='"key": "value", …' gives it OCI labels.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
(($# >= 3)) || die "usage: image.sh BINARY TAG OUTPUT.tar [NAME-IN-IMAGE]"
binary=$1 tag=$2 output=$3 name=${4:-/dialtone}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root$(dirname "$name")"
install -m 0755 "$binary" "$work/root$name"
for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*'); do
  mkdir -p "$work/root$(dirname "$library")"
  install -m 0755 "$library" "$work/root$library"
done
steady=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar)
tar -C "$work/root" "${steady[@]}" -cf "$work/layer.tar" .
layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
cat >"$work/config.json" <<EOF
{"architecture": "$arch", "os": "linux", "config": {"Entrypoint": ["$name"], "User": "65532:65532", "Labels": {${LABELS:-}}}, "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
EOF
cat >"$work/manifest.json" <<EOF
[{"Config": "config.json", "RepoTags": ["$tag"], "Layers": ["layer.tar"]}]
EOF
tar -C "$work" "${steady[@]}" -cf "$output.part" manifest.json config.json layer.tar
mv "$output.part" "$output"
