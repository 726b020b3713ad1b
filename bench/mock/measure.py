"""Runs the arms of run.sh in turn and prints medians.

The mock runs on core 0 and the generator on core 1. What the mock did and what CPU time it took is read from the mock's
own counters; what a client sees of its times is measured here, by a client that does nothing else.
"""

import collections
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Why is my service slow?"}]
SERVER_CORE, CLIENT_CORE = "0", "1"
ITL_MS = 10


def main():
    examples, rounds, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    mock = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, f"{examples}/upstream"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        address = mock.stdout.readline().strip().removeprefix("http://")
        results = measure(examples, address, rounds, seconds)
    finally:
        mock.stdin.close()
        mock.wait()
    report(results, rounds, seconds)


def measure(examples, address, rounds, seconds):
    """Returns for each arm its results, one dictionary a round."""
    unary = {"ttft": "0", "itl": "0", "tokens": 20}
    stream = {"ttft": f"{ITL_MS}ms", "itl": f"{ITL_MS}ms", "tokens": 100}
    # 1,000 streams with a token each 10 ms are 100,000 tokens a second; 2,000 ask for more than may be had.
    arms = [("whole answers", unary, 50), ("whole answers", unary, 1000), ("streams", stream, 1000), ("streams", stream, 2000)]
    results = collections.defaultdict(list)
    for round in range(rounds):
        for kind, settings, connections in arms:
            for tool in ("slowpath", "wrk"):
                ask(address, "PATCH", "/_mock", settings)
                body = json.dumps({"model": "m", "messages": MESSAGES, "stream": kind == "streams"})
                row = drive(tool, examples, address, connections, seconds, body)
                results[kind, connections, tool].append(row)
                print(round, kind, connections, tool, row, file=sys.stderr)
        ask(address, "PATCH", "/_mock", {**stream, "tokens": 300})
        results["times", 1, "reader"].append(times(address))
        print(round, "times", results["times", 1, "reader"][-1], file=sys.stderr)
    return results


def drive(tool, examples, address, connections, seconds, body):
    """Loads the mock and returns what it counted in the middle of the load, without its beginning and end."""
    url = f"http://{address}{PATH}"
    whole = seconds + 1.5
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = [[{body}]]\n")
        script.flush()
        command = {
            "slowpath": [f"{examples}/load", url, str(connections), str(whole), "POST", body],
            "wrk": ["wrk", "-t1", f"-c{connections}", f"-d{int(whole + 0.5)}s", "-s", script.name, url],
        }[tool]
        generator = subprocess.Popen(
            ["taskset", "-c", CLIENT_CORE, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(1)
        ask(address, "POST", "/_mock/reset")
        time.sleep(seconds)
        seen = ask(address, "GET", "/_mock")["counters"]
        generator.wait()
    n = seen["tokens_sent"] if '"stream": true' in body else seen["requests"]
    return {
        "per_s": n / seen["seconds"],
        "cpu_us": seen["cpu_seconds"] * 1e6 / n,
        "core": seen["cpu_seconds"] / seen["seconds"],
        "late_p50_us": seen["lateness_us"]["p50"],
        "late_p99_us": seen["lateness_us"]["p99"],
    }


def times(address):
    """Reads one stream on an idle mock; returns how far the gaps between its tokens are from what was asked, in µs."""
    host, port = address.split(":")
    body = json.dumps({"messages": MESSAGES, "stream": True})
    os.sched_setaffinity(0, {int(CLIENT_CORE)})
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        arrivals = []
        while client.recv(65536):
            arrivals.append(time.monotonic_ns())
    # The last read is the end of the stream, which comes with the last token or right after it.
    gaps = [b - a for a, b in zip(arrivals, arrivals[1:])]
    errors = sorted(abs(gap - ITL_MS * 1_000_000) / 1000 for gap in gaps if gap > ITL_MS * 500_000)
    return {"n": len(errors), "p50_us": at(errors, 0.5), "p99_us": at(errors, 0.99), "max_us": errors[-1]}


def at(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ask(address, method, path, body=None):
    connection = http.client.HTTPConnection(address)
    connection.request(method, path, json.dumps(body) if body is not None else None, {"connection": "close"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return json.loads(text)


def report(results, rounds, seconds):
    print(f"medians of {rounds} rounds of {seconds:g} s (lowest to highest)\n")
    for (kind, connections, tool), rows in results.items():
        def column(name, digits):
            values = [row[name] for row in rows]
            return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"

        if kind == "times":
            print(f"gaps between tokens, idle: off by p50 {column('p50_us', 0)}, p99 {column('p99_us', 0)}, "
                  f"max {column('max_us', 0)} µs; {rows[0]['n']} gaps a round")
        else:
            unit = "tokens" if kind == "streams" else "requests"
            print(f"{kind}, {connections} connections of {tool}: {column('per_s', 0)} {unit}/s, "
                  f"{column('cpu_us', 2)} µs CPU each, {column('core', 2)} of a core, late p50 "
                  f"{column('late_p50_us', 0)} p99 {column('late_p99_us', 0)} µs")


main()
