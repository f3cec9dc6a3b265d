#!/bin/sh
# Runs the schema's tests on a temporary PostgreSQL cluster and prints TAP.
# run.sh               everything
# run.sh FILE ...      these tests (.sql: pgTAP, .py: prints TAP itself)
# run.sh --shell       the cluster with the schema, and psql on it
# run.sh --exec CMD .. the same with a command, which finds it by PGHOST, PGPORT, PGUSER, PGDATABASE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(pg_config --bindir)
case ${1:-} in
'' | --*) ;;
*) for file in "$@"; do
    shift
    set -- "$@" "$(realpath "$file")"
done ;;
esac
dir=$(mktemp -d /tmp/gnatter-schema.XXXXXX)
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
    chown postgres "$dir"
    as() { setpriv --reuid=postgres --regid=postgres --init-groups env HOME="$dir" "$@"; }
else
    as() { "$@"; }
fi
stop() {
    trap - EXIT INT TERM
    as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM

cd "$dir"
as "$bin/initdb" -D "$dir/data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; exit 1; }
# What the planner knows of the tables is what the tests have told it, however long they take.
options="-c autovacuum=off -c listen_addresses= -k $dir -p 5432 ${GNATTER_PG_OPTIONS:-}"
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "$options" start >/dev/null ||
    { cat "$dir/log" >&2; exit 1; }
export PGHOST="$dir" PGPORT=5432 PGUSER=postgres PGDATABASE=gnatter PGOPTIONS='-c client_min_messages=warning'
"$bin/createdb" gnatter

run() { "$bin/psql" -qXbAt -v ON_ERROR_STOP=1 "$@"; }
# In the order of tools/embed-schema.sh; a file is one transaction, as in gnatterctl.
load() {
    run -1 -f "$top/schema/roles.sql"
    for file in "$top"/schema/migrations/*.sql; do
        version=$(basename "$file" | sed 's/^0*\([0-9]*\)_.*/\1/')
        name=$(basename "$file")
        [ -z "$(run -c "select to_regclass('gnatter.migration')")" ] ||
            [ -z "$(run -c "select 1 from gnatter.migration where version = $version")" ] || continue
        run -1 -f "$file" -c "insert into gnatter.migration (version, name) values ($version, '$name')"
    done
    for file in "$top"/schema/functions/*.sql; do run -1 -f "$file"; done
    run -1 -f "$top/schema/api.sql"
}
load
load # all but the migrations can be run again
run -c 'create schema tap; create extension pgtap schema tap; grant usage on schema tap to public'
run -c "alter database gnatter set search_path = public, tap"

case ${1:-} in
--shell) "$bin/psql" ;;
--exec) shift; cd "$top"; "$@" ;;
*)
    cd "$top"
    [ $# != 0 ] || set -- "$here"/*.sql "$here"/test_*.py
    # One stream of TAP out of many: points are numbered through and named after their file. pgTAP's own comments tell
    # what was wanted; a file that ends before its plan is one more failed point.
    for file in "$@"; do
        name=$(basename "$file")
        case $name in
        fixture.sql) ;;
        *.sql) "$bin/psql" -qXAtb -v ON_ERROR_STOP=1 -f "$file" 2>&1 || echo "not ok ended by an error" ;;
        *.py) /usr/bin/python3 -B "$file" 2>&1 || true ;;
        esac | sed "s|^|$name |"
    done | awk '
        { file = $1; line = substr($0, length(file) + 2) }
        file != before { if (before != "") closing(before); before = file; plan = -1; points = 0 }
        line ~ /^1\.\.[0-9]+/ { plan = substr(line, 4) + 0; next }
        line ~ /^ok( |$)/ { sub(/^ok *[0-9]* *-? */, "", line); points++; print "ok " ++n " - " file ": " line; next }
        line ~ /^not ok/ {
            sub(/^not ok *[0-9]* *-? */, "", line); points++; failed++; print "not ok " ++n " - " file ": " line; next
        }
        line != "" { print (line ~ /^#/ ? "" : "# ") line }
        function closing(name) {
            if (plan != points) { failed++; print "not ok " ++n " - " name ": planned " plan ", ran " points }
        }
        END { if (before != "") closing(before); print "1.." n + 0; exit failed > 0 || n == 0 }'
    ;;
esac
