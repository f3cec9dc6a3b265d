#!/bin/sh
# Runs the schema's tests on a temporary PostgreSQL cluster and prints TAP.
# run.sh               everything
# run.sh FILE ...      these tests (.sql: pgTAP, .py: unittest)
# run.sh --shell       the cluster with the schema, and psql on it
# run.sh --exec CMD .. the same with a command, which finds it by PGHOST, PGPORT, PGUSER, PGDATABASE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(pg_config --bindir)
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
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-c listen_addresses= -k $dir -p 5432 ${GNATTER_PG_OPTIONS:-}" start >/dev/null ||
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
    sql=
    py=
    if [ $# = 0 ]; then set -- "$here"/*.sql "$here"/test_*.py; fi
    cd "$top"
    for file in "$@"; do
        case $file in
        */fixture.sql) ;;
        *.sql) sql="$sql $file" ;;
        *.py) py="$py $file" ;;
        esac
    done
    failed=0
    # shellcheck disable=SC2086
    [ -z "$sql" ] || pg_prove --quiet --failures --comments --dbname gnatter $sql || failed=1
    for file in $py; do /usr/bin/python3 "$file" || failed=1; done
    exit $failed
    ;;
esac
