#!/usr/bin/env bash
# Loads an image into a node, under its own name and, if it is said, one more.
#
#   hack/node/load.sh [--name NAME] IMAGE.tar [TAG]
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
parse_name "$@"
[[ -S $STATE/run/containerd.sock ]] || die "node $NAME is not up"
ctr=(ctr --address "$STATE/run/containerd.sock" -n k8s.io images)
image=${ARGS[0]:?which image?} tag=${ARGS[1]:-}
[[ -z $tag || -z $("${ctr[@]}" ls -q "name==$tag") ]] || exit 0
"${ctr[@]}" import "$image" >/dev/null
if [[ $tag ]]; then
  own=$(tar -xOf "$image" manifest.json | sed 's/.*"RepoTags": *\["\([^"]*\)".*/\1/')
  [[ $own == "$tag" ]] || "${ctr[@]}" tag --force "$own" "$tag" >/dev/null
fi
