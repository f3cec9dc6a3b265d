#!/usr/bin/env bash
# run.sh FILE: runs one file of node's tests and prints TAP.
set -euo pipefail
cd "$(dirname "$0")"
../../lib/npm.sh .
exec node --test-reporter=tap "$1"
