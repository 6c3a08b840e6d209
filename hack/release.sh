#!/usr/bin/env bash
# `make release REPOSITORY=registry.example.com/dialtone`: everything of a release that can be made on this machine, in target/release-VERSION.
# The version is the one in Cargo.toml. The same source makes the same bytes.
#
#   program, for people and as kubectl-dialtone    dialtone-VERSION-linux-ARCH.tar.gz
#   image                                          dialtone-VERSION-linux-ARCH-image.tar
#   chart, whose default image is REPOSITORY       dialtone-VERSION.tgz
#   the same without helm, the definitions alone   dialtone-VERSION.yaml, dialtone-VERSION-crds.yaml
#   what is in the program (CycloneDX)             dialtone-VERSION.cdx.json
#   what changed                                   CHANGELOG-VERSION.md
#   SHA-256 of all of them                         SHA256SUMS
#
# For another architecture run it on a machine of that, and put both images into one index: docs/release.md.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
repository=${REPOSITORY:-}
[[ $repository =~ ^[a-z0-9.:/_-]+$ ]] || die "say where the image will be: make release REPOSITORY=registry.example.com/dialtone"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
notes=$(awk -v head="## [$version]" 'index($0, head) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md)
[[ ${notes//[[:space:]]/} ]] || die "CHANGELOG.md has nothing for $version"
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || true)
when=$(git log -1 --format=%cI 2>/dev/null || true)
target=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
triple=$(rustc -vV | sed -n 's/^host: //p')
out=${OUT:-$target/release-$version}
rm -rf "$out"
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steady=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar)

say "1/5 program and image, both static (minutes the first time)"
LABELS="\"org.opencontainers.image.title\": \"dialtone\", \"org.opencontainers.image.version\": \"$version\", \
\"org.opencontainers.image.revision\": \"$commit\", \"org.opencontainers.image.created\": \"$when\", \
\"org.opencontainers.image.licenses\": \"Apache-2.0\", \
\"org.opencontainers.image.description\": \"Provisions Cisco 7940 and 7960 SIP phones\"" \
  hack/image.sh "$repository:$version" "$out/dialtone-$version-linux-$arch-image.tar" >/dev/null
name=dialtone-$version-linux-$arch
mkdir "$work/$name"
install -m 0755 "$target/$triple/image/dialtone" "$work/$name/dialtone"
ln -s dialtone "$work/$name/kubectl-dialtone"
cp LICENSE README.md CHANGELOG.md "$work/$name/"
tar -C "$work" "${steady[@]}" -cf - "$name" | gzip -n -9 >"$out/$name.tar.gz"
cp "$target/dialtone.cdx.json" "$out/dialtone-$version.cdx.json"

say "2/5 chart"
cp -r charts/dialtone "$work/chart"
sed -i "s/^version: .*/version: $version/; s/^appVersion: .*/appVersion: $version/" "$work/chart/Chart.yaml"
sed -i "/^image:/,/^[a-z]/ s|^  repository: .*|  repository: $repository|" "$work/chart/values.yaml"
helm package "$work/chart" --destination "$work" >/dev/null
# helm writes times into it.
mkdir "$work/packed"
tar -C "$work/packed" -xzf "$work/dialtone-$version.tgz"
tar -C "$work/packed" "${steady[@]}" -cf - dialtone | gzip -n -9 >"$out/dialtone-$version.tgz"

say "3/5 definitions and plain manifests"
"$target/$triple/image/dialtone" crds >"$out/dialtone-$version-crds.yaml"
mkdir "$work/kustomize"
cp -r kustomize crds "$work/kustomize/"
sed -i "s|newName: .*|newName: $repository|; s|newTag: .*|newTag: \"$version\"|" "$work/kustomize/kustomize/kustomization.yaml"
kubectl kustomize "$work/kustomize/kustomize" --load-restrictor=LoadRestrictionsNone >"$out/dialtone-$version.yaml"

say "4/5 what changed"
printf '# dialtone %s\n%s\n' "$version" "$notes" >"$out/CHANGELOG-$version.md"

say "5/5 checksums, and a look at all of it"
(cd "$out" && sha256sum -- * >SHA256SUMS)
helm template dialtone "$out/dialtone-$version.tgz" | grep -q "image: *\"\?$repository:$version" || die "the chart does not name $repository:$version"
grep -q "image: *$repository:$version" "$out/dialtone-$version.yaml" || die "the manifests do not name $repository:$version"
[[ $(tar -xzOf "$out/$name.tar.gz" "$name/dialtone" | sha256sum) == $(sha256sum <"$target/$triple/image/dialtone") ]] || die "the archive holds another program"
cat "$out/SHA256SUMS" >&2
echo "$out"
