#!/usr/bin/env python3
# timeout: 300
# suites: plain
"""The page in a real browser: hands the daemon to tests/browser/overview_test.mjs."""
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
node = shutil.which("node")
if not node:
    print("node is missing\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
binary = os.environ.get("SONDE", os.path.join(ROOT, "build", "sonde"))
script = os.path.join(ROOT, "tests", "browser", "overview_test.mjs")
sys.exit(subprocess.run([node, script, binary], check=False).returncode)
