#!/usr/bin/env bash
# `make try`: the main job without a cluster, as an ordinary user: a site from manifests, phones that boot from it over UDP, and a phone
# that takes a change by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh
began=$SECONDS
step() { printf '\n== %s\n' "$*"; }

step "1/4 Building dialtone (about 3 minutes on two cores the first time)"
cargo build --locked
dialtone=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/dialtone
dialtone=${dialtone#"$PWD/"}

step "2/4 Serving a copy of examples/ to phones: target/try/site.yaml, phones.yaml"
folder=target/try log=target/try.log
rm -rf "$folder"
mkdir -p "$folder"
cp examples/{site,phones,rings}.yaml "$folder/"
# Phones take a change at once instead of at night.
sed -i '/^    window:/d' "$folder/site.yaml"
port=6969
while [[ $(ss -Hnlu "sport = :$port" 2>/dev/null) ]]; do port=$((port + 1)); done
running=()
end() { ((!${#running[@]})) || kill "${running[@]}" 2>/dev/null || true; }
trap end EXIT
"$dialtone" standalone -f "$folder" --listen "127.0.0.1:$port" >"$log" 2>&1 &
running+=($!)
wait_for 20 "the server (see $log)" grep -q '^serving on' "$log" || { cat "$log" >&2; exit 1; }
sed '/^serving on/!d' "$log"

step "3/4 Phones boot from it, as the real ones do: same files, same order, over UDP"
phone() { "$dialtone" phone --server "127.0.0.1:$port" "$@"; }
phone --mac 000A8A007101 --bind 127.1.0.1
phone --mac 000A8A007102 --model 7940 --bind 127.1.0.2 >/dev/null
echo "workshop: booted, too"
phone --mac 000A8A007103 --model 7940 --bind 127.1.0.3 --stay --idle 1 --for 300 >/dev/null 2>&1 &
running+=($!)
lobby() { sed -n 's/^[^ ]*  lobby  *//p' "$log"; }
in_sync() { [[ $(lobby | grep -c '^InSync') -ge $1 ]]; }
wait_for 30 "the phone in the lobby (see $log)" in_sync 1
echo "lobby: booted, and stays on"

step "4/4 Somebody edits phones.yaml: the phone in the lobby gets another label"
sed -i 's/label: Lobby/label: Foyer/' "$folder/phones.yaml"
wait_for 60 "the phone to take the change (see $log)" in_sync 2
echo "dialtone told the phone by SIP NOTIFY, it restarted and fetched its file. What dialtone standalone wrote of it:"
echo
sed -n '/^20/p' "$log"

step "Done after $((SECONDS - began)) s. What to try next:"
cat <<EOF
# the same on a screen that stays up to date, and a phone in another terminal
  $dialtone standalone -f $folder --listen 127.0.0.1:$port
  $dialtone phone --server 127.0.0.1:$port --mac 000A8A007101
# exactly the files that phones fetch
  $dialtone render -f $folder -o target/try-files
# the TFTP folder that you have, as manifests
  $dialtone import DIR --site hq --check
# all of this in a cluster: a throwaway one, or yours
  make demo
EOF
