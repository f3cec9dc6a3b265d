#!/bin/sh
# Prints a C file with the given SQL files as schema_files[] (schema_files.h), in the order given by the schema:
# roles, migrations by number, functions, then api.sql.
set -eu
printf '#include "schema_files.h"\n'
i=0
table=
emit() {
    [ -f "$1" ] || return 0
    i=$((i + 1))
    printf 'static const unsigned char text_%d[] = {' "$i"
    od -An -v -tu1 "$1" | tr -s ' \n' ',' | sed 's/^,//;s/,$//'
    printf ',0};\n'
    table="$table    {\"${1#schema/}\", (const char *)text_$i},
"
}
emit schema/roles.sql
for f in $(printf '%s\n' "$@" | grep '^schema/migrations/' | sort); do emit "$f"; done
for f in $(printf '%s\n' "$@" | grep '^schema/functions/' | sort); do emit "$f"; done
emit schema/api.sql
printf 'const struct schema_file schema_files[] = {\n%s    {0, 0},\n};\n' "$table"
