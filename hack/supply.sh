#!/usr/bin/env bash
# Looks at what the program is made of.
#
#   hack/supply.sh deny              licences, bans, sources and known faults of all dependencies, by deny.toml
#   hack/supply.sh reproducible      builds the image twice, in two folders: they have one digest
#   hack/supply.sh advisories CLONE  takes what concerns our dependencies from a clone of RustSec's database
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=hack/supply/tools.sh
. hack/supply/tools.sh
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

kept=hack/supply/advisories
# Where cargo-deny looks for the database of its usual address.
database=advisory-db-3157b0e258782691

crates() { sed -n 's/^name = "\(.*\)"/\1/p' Cargo.lock | sort -u; }

part_deny() {
  if ! cargo_deny; then
    [[ ${CI:-} != true ]] || die "cargo-deny cannot be installed"
    say "skipped: cargo-deny cannot be installed; is there a network?"
    return
  fi
  cargo fetch --locked --quiet
  "$TOOLS/bin/cargo-deny" --offline --log-level warn check bans licenses sources
  if timeout 60 "$TOOLS/bin/cargo-deny" --log-level off fetch db >/dev/null 2>&1; then
    "$TOOLS/bin/cargo-deny" --offline --log-level warn check advisories
    return
  fi
  say "RustSec's database cannot be reached: what was kept of it $(cat "$kept/date") is checked instead"
  local work unknown
  unknown=$(comm -13 "$kept/crates" <(crates) | paste -sd' ')
  [[ ! $unknown ]] || say "warning: nothing was kept of $unknown: see hack/supply.sh advisories"
  work=$(mktemp -d)
  mkdir "$work/$database"
  cp -r "$kept/advisories" "$work/$database/crates"
  git -C "$work/$database" init --quiet
  git -C "$work/$database" add .
  git -C "$work/$database" -c user.name=dialtone -c user.email=dialtone@localhost commit --quiet --message kept
  touch "$work/$database/.git/FETCH_HEAD"
  sed "s|^\[advisories\]|&\ndb-path = \"$work\"|" deny.toml >"$work/deny.toml"
  "$TOOLS/bin/cargo-deny" --offline --log-level warn --config "$work/deny.toml" check advisories
  rm -rf "$work"
}

part_advisories() {
  local clone=$1 name
  rm -rf "$kept"
  mkdir -p "$kept/advisories"
  crates >"$kept/crates"
  git -C "$clone" show -s --format=%cs HEAD >"$kept/date"
  while read -r name; do
    git -C "$clone" archive HEAD "crates/$name" 2>/dev/null | tar -x -C "$kept/advisories" --strip-components=1 2>/dev/null || true
  done <"$kept/crates"
  find "$kept/advisories" -type f -exec sed -i -f hack/supply/facts.sed {} +
  say "$(find "$kept/advisories" -type f | wc -l) advisories of $(cat "$kept/date")"
}

part_reproducible() {
  local work digest first='' folder
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Of different lengths, and neither the one that people build in.
  for folder in one another/and/deeper; do
    mkdir -p "$work/$folder/target" "$TOOLS"
    git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C "$work/$folder"
    ln -s "$TOOLS" "$work/$folder/target/tools"
    digest=$(cd "$work/$folder" && env -u CARGO_TARGET_DIR hack/image.sh | xargs sha256sum | cut -d' ' -f1)
    say "$digest in $folder"
    [[ ! $first || $digest == "$first" ]] || die "the same source makes two images: compare $work; see hack/image.sh"
    first=$digest
  done
}

case ${1:-} in
  deny) part_deny ;;
  reproducible) part_reproducible ;;
  advisories) part_advisories "${2:?which clone?}" ;;
  *) die "usage: supply.sh deny|reproducible|advisories CLONE" ;;
esac
