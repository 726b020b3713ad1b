#!/usr/bin/env bash
# Measures what the mock upstream carries on one core: whole answers and streamed events per second, the CPU time of
# each, and how exact its times are. Needs wrk (`apt-get install wrk`), Python 3, two cores, and a quiet machine.
#
#   bench/mock/run.sh [rounds] [seconds]      default: 5 rounds of 4 s for each arm
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
target_dir=${CARGO_TARGET_DIR:-$here/../../target}
(cd "$here/../.." && cargo build --quiet --release -p slowpath-load --example upstream --example load)
exec python3 "$here/measure.py" "$target_dir/release/examples" "${1:-5}" "${2:-4}"
