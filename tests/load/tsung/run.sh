#!/bin/sh
# Loads a node with tsung (Debian: apt-get install tsung).
#
#   gnatterctl bulk-add --count 400 --out devices.tsv      the first half sends, the second half are their friends
#   tests/load/tsung/run.sh devices.tsv [PORT]             USERS, RATE, MESSAGES from the environment
#
# Prints what tsung measured: "publish" is the time to the first answer (PUBACK, and `sent` with it when it is there).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
devices=${1:?usage: run.sh devices.tsv [PORT]}
port=${2:-1883}
for tool in tsung erlc; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install tsung" >&2; exit 1; }
done
half=$(($(grep -c . "$devices") / 2))
: "${USERS:=$half}" "${RATE:=50}" "${MESSAGES:=20}"
# They come at random: the time is such that all do, and ends with the last of them.
dtd=/usr/share/tsung/tsung-1.0.dtd
dir=$(mktemp -d /tmp/gnatter-tsung-XXXXXX)
trap 'rm -rf "$dir"' EXIT INT TERM
head -n "$half" "$devices" | tr '\t' ';' >"$dir/devices.csv"
tail -n "+$((half + 1))" "$devices" | cut -f2 >"$dir/friends.csv"
sed -e "s|@DTD@|$dtd|; s|@PORT@|$port|; s|@DIR@|$dir|; s|@USERS@|$USERS|; s|@RATE@|$RATE|; s|@MESSAGES@|$MESSAGES|" \
    -e "s|@SECONDS@|$((2 * USERS / RATE + 10))|" "$here/chat.xml.in" >"$dir/chat.xml"
erlc -o "$dir" "$here/gnatter_mqtt.erl"
HOME=$dir tsung -X "$dir" -f "$dir/chat.xml" -l "$dir/log" start >"$dir/out" 2>&1 || { cat "$dir/out" >&2; exit 1; }
log=$(find "$dir/log" -name tsung.log)
echo "name            count     mean ms      max ms"
awk '/^stats: (tr_connect|tr_subscribe|tr_publish) / {name = $2; sub(/^tr_/, "", name); count[name] += $3
         if ($4 + 0 > 0) { sum[name] += $3 * $4; if ($6 + 0 > max[name]) max[name] = $6 } }
     /^stats: error/ {errors[$2] += $3}
     END { for (name in count) printf "%-12s %8d %11.3f %11.3f\n", name, count[name],
                                      count[name] ? sum[name] / count[name] : 0, max[name]
           for (name in errors) { printf "%-12s %8d\n", name, errors[name]; bad = 1 }
           exit bad }' "$log"
