"""Runs a command; prints its user and system CPU seconds and its peak RSS in kB: `cost.py COMMAND…`.

The peak is VmHWM, sampled: ru_maxrss includes this interpreter, which the child was before its exec.
"""
import pathlib
import resource
import subprocess
import sys
import time

peak_kb = 0
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None:
    try:
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                peak_kb = int(line.split()[1])
    except OSError:
        pass
    time.sleep(0.2)
if process.returncode != 0:
    sys.exit(f"{' '.join(sys.argv[1:])} ended with {process.returncode}")
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime, usage.ru_stime, peak_kb)
