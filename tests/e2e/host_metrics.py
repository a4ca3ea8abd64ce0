#!/usr/bin/env python3
"""Every collector of the running daemon against Debian's prometheus-node-exporter."""
# timeout: 90
import os
import re
import subprocess
import sys

from _daemon import ROOT, Daemon, run, wait
from _peers import needs

sys.path.insert(0, os.path.join(ROOT, "tests", "collect"))
from compare_node_exporter import TURNED_ON  # noqa: E402


def metrics_are_those_of_node_exporter_on_the_same_machine():
    needs("prometheus-node-exporter")
    # Some are collected less often than every second, as they hardly move.
    slow = ["arp", "entropy", "powersupply", "processes", "schedstat", "timex", "dmi", "selinux",
            "textfile"]
    # Some are off by default, there and here; under confinement they have to work too.
    slow += [x for x in TURNED_ON if x != "sysctl"] + ["cpuinfo", "softirqs"]
    with Daemon(settings=[f"collect.interval_ms.{name}=1000" for name in slow]) as d:
        d.start()
        wait("collected", lambda: d.query("node_load1"))
        script = os.path.join(ROOT, "tests", "collect", "compare_node_exporter.py")
        done = subprocess.run([sys.executable, script, d.url + "/metrics"], capture_output=True,
                              text=True, timeout=60)
        closing = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) excluded$", done.stdout, re.M)
        faults = [x for x in done.stdout.splitlines() if not x.startswith("excluded")]
        assert done.returncode == 0 and closing, "\n".join(faults[:20]) + done.stderr[-2000:]
        passed, failed, excluded = map(int, closing[-1])
        print(f"  {passed} series and types agree, {excluded} are on one side for a reason")
        assert failed == 0 and passed > 200, closing


run(globals())
