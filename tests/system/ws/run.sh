#!/usr/bin/env bash
# run.sh FILE: runs one file of node's tests and prints TAP. What it needs from npm is installed as the lock file says.
set -euo pipefail
cd "$(dirname "$0")"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    install() { npm ci --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error >&2; }
    install || install
    touch node_modules/.package-lock.json
fi
exec node --test-reporter=tap "$1"
