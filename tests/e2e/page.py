#!/usr/bin/env python3
# timeout: 480
# suites: plain
"""The page in a real browser: hands the daemon to each of tests/browser/*_test.mjs."""
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
node = shutil.which("node")
if not node:
    print("node is missing\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
binary = os.environ.get("SONDE", os.path.join(ROOT, "build", "sonde"))
total = [0, 0, 0]
for script in sorted(glob.glob(os.path.join(ROOT, "tests", "browser", "*_test.mjs"))):
    done = subprocess.run([node, script, binary], check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    counts = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout, re.M)
    found = [int(n) for n in counts[-1]] if counts else [0, 1, 0]
    if done.returncode and not found[1]:
        found[1] = 1
    total = [a + b for a, b in zip(total, found)]
print("%d passed, %d failed, %d skipped" % tuple(total))
sys.exit(1 if total[1] else 0)
