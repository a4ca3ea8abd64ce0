#!/usr/bin/env python3
"""Devices that this machine has not: a made-up one that has them all, text files and a stand-in for
systemd, read by Debian's prometheus-node-exporter and by our collectors."""
# timeout: 120
import os
import re
import shutil
import subprocess
import sys
import tempfile

from _daemon import ROOT, SONDE, Daemon, Skip, run, wait


def every_device_is_as_node_exporter_sees_it():
    bench = os.path.join(os.path.dirname(SONDE), "bench.collect.collect")
    if not os.path.exists(bench):
        raise Skip("bench.collect.collect is not built")
    script = os.path.join(ROOT, "tests", "collect", "compare_devices.py")
    done = subprocess.run([sys.executable, script, bench], capture_output=True, text=True,
                          timeout=110)
    closing = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout, re.M)
    faults = [x for x in done.stdout.splitlines() if not x.startswith("excluded")]
    assert done.returncode == 0 and closing, "\n".join(faults[:20]) + done.stderr[-2000:]
    passed, failed, skipped = map(int, closing[-1])
    print(f"  {passed} series and types agree")
    if skipped:
        raise Skip("there is no prometheus-node-exporter or no published output")
    assert failed == 0 and passed > 2000, closing


def a_confined_daemon_reads_the_text_files_of_its_folders():
    folder = tempfile.mkdtemp(prefix="sonde-texts-")
    with open(os.path.join(folder, "a.prom"), "w", encoding="utf-8") as f:
        f.write("# TYPE backup_age_seconds gauge\nbackup_age_seconds{disk=\"a\"} 7\n")
    try:
        with Daemon(config="[collect]\ntextfile_directory = [\"%s\"]\n"
                           "[collect.interval_ms]\ntextfile = 1000\n" % folder) as d:
            d.start()
            wait("the file's sample", lambda: d.query("backup_age_seconds"))
            with open(os.path.join(folder, "b.prom"), "w", encoding="utf-8") as f:
                f.write("late 1 1700000000000\n")
            wait("the error", lambda: d.query("node_textfile_scrape_error == 1"))
            assert d.query("backup_age_seconds") and not d.query("late")
    finally:
        shutil.rmtree(folder)


run(globals())
