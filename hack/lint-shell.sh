#!/usr/bin/env bash
# Looks over all shell scripts with shellcheck, which it installs if it can.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh

if ! command -v shellcheck >/dev/null; then
  can_install || { say "skipped: shellcheck is missing, and only root on a Debian-like machine can install it here"; exit 0; }
  apt_install shellcheck
fi
mapfile -t scripts < <(grep -rIlE '^#!.*\b(ba)?sh$|^# shellcheck shell=' .ci hack)
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
