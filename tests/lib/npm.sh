#!/usr/bin/env bash
# npm.sh FOLDER: what the folder's tests need from npm, as its lock file says. Suites that share a folder run side by
# side: the first installs, the others wait for it.
set -euo pipefail
cd "$1"
exec 9<package-lock.json
flock 9
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    install() { npm ci --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error 9<&- </dev/null >&2; }
    install || install
    touch node_modules/.package-lock.json
fi
