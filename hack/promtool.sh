#!/usr/bin/env bash
# Makes Debian's promtool be there: unpacked under target/tools, nothing is installed. The last line on stdout is its path.
#
# Where it cannot be had it says why and ends well: what needs it is skipped then, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*" >&2; }

if command -v promtool; then exit; fi
tool=$PWD/target/tools/prometheus/usr/bin/promtool
if [[ ! -x $tool ]]; then
  for needed in apt-get dpkg-deb; do
    if ! command -v "$needed" >/dev/null; then
      say "no promtool: it is taken from Debian's package prometheus, and there is no $needed; put promtool into PATH"
      exit 0
    fi
  done
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  fetch() { (cd "$work" && apt-get download -qq prometheus >/dev/null 2>&1); }
  if ! fetch && ! { ((EUID == 0)) && apt-get update -qq >/dev/null 2>&1 && fetch; }; then
    say "no promtool: Debian's package prometheus cannot be had (as root, apt-get update may help); or put promtool into PATH"
    exit 0
  fi
  mkdir -p target/tools
  dpkg-deb -x "$work"/prometheus_*.deb "$work/root"
  rm -rf target/tools/prometheus
  mkdir -p target/tools/prometheus/usr/bin
  mv "$work/root/usr/bin/promtool" "$tool"
fi
printf '%s\n' "$tool"
