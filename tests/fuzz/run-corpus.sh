#!/bin/sh
# Every fuzzer over its corpus and a fixed number of further inputs, the same each time. TAP, one line a fuzzer.
# FUZZ_DIR: where the fuzzers are (build/fuzz). FUZZ_RUNS: inputs each (20000).
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=${FUZZ_DIR:-build/fuzz}
runs=${FUZZ_RUNS:-20000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

set -- "$dir"/*_fuzz
[ -x "$1" ] || set --
echo "1..$#"
number=0
failed=0
for fuzzer in "$@"; do
    name=$(basename "$fuzzer" _fuzz)
    number=$((number + 1))
    mkdir -p "$scratch/$name" "tests/fuzz/corpus/$name"
    # new finds go into the first folder: the scratch one, so that the tree stays as it is
    if timeout 120 "$fuzzer" -seed=1 -runs="$runs" -timeout=10 -artifact_prefix="$dir/$name-" -print_final_stats=0 \
        "$scratch/$name" "tests/fuzz/corpus/$name" >"$scratch/$name.log" 2>&1; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        sed 's/^/# /' "$scratch/$name.log" | tail -n 60
        failed=1
    fi
done
exit $failed
