#!/usr/bin/env bash
# Runs every fuzz target, or those in TARGETS, for SECONDS_EACH (600) seconds, JOBS (2) at a time, and fails on a finding.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${SECONDS_EACH:-600}
jobs=${JOBS:-2}
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$HOME/.cache/trueline-fuzz}

cargo +nightly fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
cargo +nightly run --quiet --bin seeds
cargo +nightly fuzz build --fuzz-dir .
targets=${TARGETS:-$(cargo +nightly fuzz list --fuzz-dir . | grep -v '^seeds$')}
logs=$(mktemp -d)
export logs seconds
run_one() {
    if cargo +nightly fuzz run --fuzz-dir . "$1" -- -max_total_time="$seconds" -rss_limit_mb=2048 >"$logs/$1" 2>&1; then
        echo "$1: $(grep -c . "$logs/$1") lines, $(tail -n 1 "$logs/$1"), no finding"
    else
        echo "$1: a finding"
        tail -n 40 "$logs/$1"
        return 1
    fi
}
export -f run_one
# shellcheck disable=SC2086
printf '%s\n' $targets | xargs -P "$jobs" -I{} bash -c 'run_one {}'
