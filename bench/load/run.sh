#!/usr/bin/env bash
# Compares the CPU cost per request of our generator with wrk's, interleaved, against nginx on the other core.
# Needs nginx and wrk (`apt-get install nginx-light wrk`), two cores, and a quiet machine. See README.md.
#
#   bench/load/run.sh [rounds] [seconds] [connections…]      default: 5 rounds of 4 s at 50 and 1000 connections
set -euo pipefail

rounds=${1:-5}
seconds=${2:-4}
shift $(($# < 2 ? $# : 2))
connections=("${@:-50}")
[ $# -gt 0 ] || connections=(50 1000)
server_core=0
generator_core=1
port=18080
here=$(cd "$(dirname "$0")" && pwd)
target_dir=${CARGO_TARGET_DIR:-$here/../../target}

(cd "$here/../.." && cargo build --quiet --release -p slowpath-load --example load)
load=$target_dir/release/examples/load

work=$(mktemp -d)
cat >"$work/nginx.conf" <<CONF
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
worker_processes 1;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
  server { listen 127.0.0.1:$port backlog=4096; location / { default_type application/json; return 200 '{"ok":true,"text":"hello"}'; } }
}
CONF
nginx=$(command -v nginx || echo /usr/sbin/nginx)
taskset -c $server_core "$nginx" -p "$work" -c "$work/nginx.conf" &
server_pid=$!
trap 'kill $server_pid; wait $server_pid 2>/dev/null || true; rm -rf "$work"' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.1; done

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = string.rep("x", 60)
LUA
body=$(printf 'x%.0s' {1..60})

# measure NAME CONNECTIONS COMMAND…: one line with user, sys and total µs per request, requests/s, peak RSS.
measure() {
  local name=$1 n=$2 user system rss requests
  shift 2
  /usr/bin/env python3 - "$work/out" "$@" >"$work/cost" <<'PY'
import pathlib, resource, subprocess, sys, time
peak_kb = 0
with open(sys.argv[1], "w") as out:
    process = subprocess.Popen(sys.argv[2:], stdout=out, stderr=subprocess.DEVNULL)
    # Not ru_maxrss: that includes this interpreter, which the child was before its exec.
    while process.poll() is None:
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                peak_kb = int(line.split()[1])
        time.sleep(0.2)
if process.returncode != 0:
    sys.exit(f"{sys.argv[2:]} failed")
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime, usage.ru_stime, peak_kb)
PY
  read -r user system rss <"$work/cost"
  requests=$(grep -oE '^requests [0-9]+|[0-9]+ requests in' "$work/out" | grep -oE '[0-9]+')
  awk -v name="$name" -v n="$n" -v u="$user" -v s="$system" -v r="$requests" -v t="$seconds" -v m="$rss" \
    'BEGIN { printf "%s %d %.2f %.2f %.2f %.0f %.1f\n", name, n, u*1e6/r, s*1e6/r, (u+s)*1e6/r, r/t, m/1024 }' |
    tee -a "$work/all"
}

echo "tool connections user_us sys_us total_us requests_per_s rss_mb"
for ((round = 0; round < rounds; round++)); do
  for n in "${connections[@]}"; do
    measure slowpath "$n" taskset -c $generator_core "$load" "http://127.0.0.1:$port/" "$n" "$seconds" POST "$body"
    measure wrk "$n" taskset -c $generator_core wrk -t1 -c"$n" -d"${seconds}s" -s "$work/post.lua" "http://127.0.0.1:$port/"
  done
done

echo
echo "medians of $rounds rounds"
python3 - "$work/all" <<'PY'
import collections, statistics, sys
rows = collections.defaultdict(list)
for line in open(sys.argv[1]):
    tool, n, *numbers = line.split()
    rows[tool, int(n)].append([float(number) for number in numbers])
for (tool, n), runs in sorted(rows.items(), key=lambda item: (item[0][1], item[0][0])):
    user, system, total, rate, rss = (statistics.median(column) for column in zip(*runs))
    low, high = min(run[2] for run in runs), max(run[2] for run in runs)
    print(f"{tool:9} {n:5} connections: {total:.2f} µs CPU/request ({low:.2f} to {high:.2f}; user {user:.2f}, "
          f"sys {system:.2f}), {rate:.0f} requests/s, RSS {rss:.1f} MB")
PY
