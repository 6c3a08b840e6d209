#!/usr/bin/env bash
# `make bench`: how fast and how small dialtone is, side by side with the alternatives, all in one run. Provides what the
# measurement needs: the other servers (unpacked beside the build, never installed), a control plane and a node.
#
#   hack/bench.sh [--only core,storm,operator,wire] [--seconds N]
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
((EUID == 0)) || die "root is needed: for port 69, which dnsmasq serves alone, and for a kubelet"

only=core,storm,operator,wire
[[ ${1:-} == --only ]] && only=${2:?--only needs parts}
wanted() { [[ ,$only, == *,$1,* ]]; }
out=$PWD/target/bench
mkdir -p "$out/others/bin"

others() { # the other servers, as their makers ship them
  local bin=$out/others/bin packages=(tftpd-hpa atftpd dnsmasq-base) package
  if [[ ! -x $bin/dnsmasq || ! -x $bin/atftpd || ! -x $bin/in.tftpd ]]; then
    say "fetching ${packages[*]} (unpacked under target/bench, not installed)"
    command -v apt-get >/dev/null || die "the other servers are Debian's: apt-get is needed"
    # Their libraries are installed; the servers themselves are only unpacked, so that none of them starts.
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends dnsmasq-base libwrap0 libpcre2-8-0 >/dev/null
    rm -rf "$out/others/deb" && mkdir -p "$out/others/deb"
    (cd "$out/others/deb" && apt-get download -qq "${packages[@]}" && for deb in *.deb; do dpkg-deb -x "$deb" unpacked; done)
    for program in in.tftpd atftpd dnsmasq; do
      install -m 0755 "$out/others/deb/unpacked/usr/sbin/$program" "$bin/$program"
    done
  fi
  if [[ ! -x $bin/tftpd ]]; then
    say "building tftpd, a server in Rust"
    cargo install --quiet --locked --root "$out/others" tftpd
  fi
  {
    for package in "${packages[@]}"; do
      printf '%s %s\n' "$package" "$(dpkg-deb -f "$out/others/deb/${package}"_*.deb Version)"
    done
    printf 'tftpd (Rust) %s\n' "$(cargo install --root "$out/others" --list | sed -n 's/^tftpd v\([^ :]*\).*/\1/p')"
  } | sed 's/^tftpd (Rust) /tftpd-rust /' >"$bin/versions"
}

say "building dialtone and what measures it"
image=$(hack/image.sh)
target=$(rustc -vV | sed -n 's/^host: //p')
# With the image's own flags, so that nothing is compiled twice.
bench=$(RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --profile image --target "$target" --bench bench \
  --message-format=json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\/deps\/bench-[^"]*\)".*/\1/p' | tail -n 1)
[[ -x $bench ]] || die "the measurement was not built"
dialtone=$(dirname "$(dirname "$bench")")/dialtone

args=(--only "$only" --dialtone "$dialtone" --others "$out/others/bin" --image "$image")
! wanted storm || others
if wanted operator || wanted wire; then
  # The measurement starts a control plane and a node itself, and takes them down: nothing else runs during a storm.
  hack/node/packages.sh
  PATH=$(hack/node/build.sh):$PATH
  export PATH
fi
say "measuring: nothing else should run meanwhile"
# In a process group of its own, so that no server outlives it if it is broken off.
set -m
"$bench" "${args[@]}" "${@:3}" &
pid=$!
set +m
broken_off() {
  trap '' INT TERM
  say "broken off: taking down what runs"
  kill -TERM -- "-$pid" 2>/dev/null || true
  sleep 1
  kill -KILL -- "-$pid" 2>/dev/null || true
  local node
  for node in benchcp bench; do hack/node/down.sh --name "$node" 2>/dev/null; done
  exit "$1"
}
trap 'broken_off 130' INT
trap 'broken_off 143' TERM
trap 'broken_off 129' HUP
wait "$pid"
