#!/usr/bin/env bash
# Fetches the programs that dialtone is tried against, each in one version, and unpacks them below target/interop: nothing is
# installed. The last line on stdout is that folder; `versions` in it says what is there. A second call returns at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Debian's, with the libraries that they ask for and this machine lacks.
DEBIAN=(
  tftp-hpa=5.2+20150808-1.4
  tftpd-hpa=5.2+20150808-1.4
  atftp=0.8.0-3
  atftpd=0.8.0-3
  curl=7.88.1-10+deb12u15
  busybox=1:1.35.0-4+deb12u1+b1
  libnet-tftp-perl=0.1901-3
  ipxe=1.0.0+git-20190125.36a4c85-5.1
  u-boot-qemu=2023.01+dfsg-2+deb12u3
  qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
  sip-tester=1:3.6.1-1+b2
  kamailio=5.6.3-2
  inetutils-telnetd=2:2.4-2+deb12u3
)
# Python's, by digest.
TFTPY=tftpy==0.8.7
TFTPY_DIGEST=59289b269ed6e0a7c8762301f99b56814026758b3137a90c9c3e677881efc853
# Node's, by digest.
NPM_TFTP=tftp@0.1.2
NPM_TFTP_DIGEST=cd2a55931dbbac32dce84de5112ba5559d1c7b11112a70c5973bc0b5a4786ff4

out=$PWD/target/interop
# Another list is another folder's content.
key=$(printf '%s\n' "${DEBIAN[@]}" "$TFTPY_DIGEST" "$NPM_TFTP_DIGEST" | sha256sum | cut -c1-16)
if [[ $(cat "$out/key" 2>/dev/null) == "$key" ]]; then
  printf '%s\n' "$out"
  exit
fi
work=$out/new
rm -rf "$out" && mkdir -p "$work/deb" "$work/root"

debian() {
  local tool
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || die "the peers are Debian's: $tool is needed"
  done
  local pinned name version wanted=() all=()
  ((EUID != 0)) || apt-get update -qq >/dev/null
  for pinned in "${DEBIAN[@]}"; do
    name=${pinned%%=*} version=${pinned#*=}
    if ! apt-cache show "$pinned" >/dev/null 2>&1; then
      # A mirror keeps a release's newest version only.
      version=$(apt-cache policy "$name" | sed -n 's/^  Candidate: //p')
      [[ $version && $version != '(none)' ]] || die "this distribution has no $name"
      say "warning: $pinned is no longer there; $version is taken: write it into $0"
    fi
    wanted+=("$name=$version")
    printf '%s %s\n' "$name" "$version" >>"$work/versions"
  done
  # One by one: what is installed already is fetched all the same, in this version.
  mapfile -t all < <(for pinned in "${wanted[@]}"; do
    printf '%s\n' "$pinned"
    apt-get -s install --no-install-recommends "$pinned" 2>/dev/null |
      sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\?(\([^ ]*\) .*/\1=\3/p'
  done | sort -u)
  say "fetching ${#all[@]} packages (unpacked under target/interop, not installed)"
  # Where _apt may not write, apt says so, and fetches them anyway.
  (cd "$work/deb" && apt-get download -qq "${all[@]}" 2> >(grep -v unsandboxed >&2))
  local deb
  for deb in "$work"/deb/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  rm -rf "$work/deb"
}

python() {
  printf '%s --hash=sha256:%s\n' "$TFTPY" "$TFTPY_DIGEST" >"$work/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes -r "$work/requirements.txt" -d "$work" >&2
  python3 -m zipfile -e "$work"/tftpy-*.whl "$work/python"
  rm "$work"/tftpy-*.whl "$work/requirements.txt"
  printf '%s %s\n' tftpy "${TFTPY#*==}" >>"$work/versions"
}

node() {
  local file
  file=$(cd "$work" && npm pack --silent "$NPM_TFTP")
  sha256sum --quiet -c <<<"$NPM_TFTP_DIGEST  $work/$file" >&2
  mkdir "$work/node"
  tar -xzf "$work/$file" -C "$work/node" --strip-components=1
  rm "$work/$file"
  printf '%s %s\n' npm-tftp "${NPM_TFTP#*@}" >>"$work/versions"
}

debian
if command -v python3 >/dev/null; then python; else say "warning: no python3: tftpy is left out"; fi
if command -v npm >/dev/null; then node; else say "warning: no npm: its tftp is left out"; fi
mv "$work"/* "$out"
rmdir "$work"
echo "$key" >"$out/key"
printf '%s\n' "$out"
