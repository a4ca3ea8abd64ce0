"""Rows about faults: the tests of tests/crash at full length, and, where the shared tools are
there, faultbench.py and abuse.py pointed at the daemon. Mounts and control groups need root."""
import json
import os
import re
import subprocess
import sys
import threading
import time

import load
from server import children, fields

PATHS = ["ready=/readyz", "write=/api/v1/write", "query=/api/v1/query"]


def crash_test(b, script, case, **env):
    """Runs one case of tests/crash; what it printed."""
    done = subprocess.run([sys.executable, os.path.join(load.ROOT, "tests", "crash", script), case],
                          capture_output=True, text=True, timeout=1800, check=False,
                          env={**os.environ, "SONDE": b.binary, **{k: str(v) for k, v in env.items()}})
    if done.returncode or "0 failed, 0 skipped" not in done.stdout:
        raise RuntimeError(f"{script}: {done.stdout[-800:]}{done.stderr[-400:]}")
    return done.stdout


class Watch(threading.Thread):
    """The most memory that the daemons below a process have, in MB above what they began with."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.stopped, self.base, self.peak = pid, threading.Event(), {}, 0

    def run(self):
        while not self.stopped.wait(0.02):
            for parent in children(self.pid):
                for worker in children(parent):
                    self.look(worker)

    def look(self, worker):
        try:
            status = fields(f"/proc/{worker}/status")
        except OSError:
            return
        since, base = self.base.get(worker, (time.monotonic(), 0))
        if time.monotonic() - since < 1:  # it opens, and takes the tool's first samples
            base = max(base, status.get("VmRSS", 0))
        self.base[worker] = since, base
        self.peak = max(self.peak, status.get("VmHWM", 0) - base)


def tool(b, script, *words, watched=None):
    """The JSON lines of a shared fault tool; [] where it or the rights are missing."""
    path = load.cases("tools", "faults", script)
    if path is None or os.geteuid() != 0:
        b.say(f"{script}: not run ({'needs root' if path else 'not here'})")
        return []
    command = (f"cmd={b.binary} serve --data {{dir}} --listen 127.0.0.1:{{port}} "
               "--set collect.enabled=false")
    p = subprocess.Popen([sys.executable, path, "cmd", *words, command, *PATHS], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env={**os.environ, "TMPDIR": b.folder})
    watch = Watch(p.pid)
    watch.start()
    stdout, stderr = p.communicate(timeout=1200)
    watch.stopped.set()
    if p.returncode:
        raise RuntimeError(f"{script} {words}: {stderr[-600:]}")
    if watched is not None:
        watched["mb"] = watch.peak / 1024
    return [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]


def numbers(pattern, text):
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"nothing like {pattern} in {text[-400:]}")
    return [int(n) for n in found.groups()]


def kill(b):
    times = b.size(100, 10)
    said = crash_test(b, "kills.py", "nothing_acknowledged_is_lost_over_kills_of_worker_and_parent",
                      SONDE_KILLS=times)
    looked, lost = numbers(r"(\d+) samples looked for, \d+ in between, (\d+) lost", said)
    b.add(f"acknowledged samples lost over {times} kill -9 of the worker and {times // 5} of the parent, "
          "amid writes", f"{lost} of {looked}", "", "", "0", "0", lost == 0, lost == 0)
    rows = tool(b, "faultbench.py", "kill9", f"n={b.size(100000, 20000)}", "steps=10",
                f"delays={b.size('0,0.3,1,5', '0,1')}")
    rows += tool(b, "faultbench.py", "kill9", f"n={b.size(50000, 20000)}", f"during={b.size(8, 3)}")
    if rows:
        lost, acked = sum(r["lost"] for r in rows), sum(r["acked"] for r in rows)
        slowest = max(r["restart_to_ready_s"] for r in rows)
        b.add("the same by faultbench kill9 (0 to 5 s after the last write, and amid writes)",
              f"{lost} of {acked}, ready in {slowest:.2f} s", "", "", "0", "0", lost == 0, lost == 0,
              rows=rows)


def powercut(b):
    if os.geteuid() != 0:
        b.say("not run: needs root")
        return
    times = b.size(100, 8)
    said = crash_test(b, "disks.py", "nothing_acknowledged_is_lost_when_the_power_is_cut",
                      SONDE_CUTS=times)
    looked, lost = numbers(r"(\d+) samples looked for, (\d+) lost", said)
    b.add(f"acknowledged samples lost over {times} power cuts amid writes", f"{lost} of {looked}", "", "",
          "0", "0", lost == 0, lost == 0)
    rows = tool(b, "faultbench.py", "powercut", "n=20000", f"steps={b.size(20, 5)}", "pace=1",
                f"delays={b.size('0,5', '0')}")
    if rows:
        lost, acked = sum(r["lost"] for r in rows), sum(r["acked"] for r in rows)
        b.add("the same by faultbench powercut", f"{lost} of {acked}", "", "", "0", "0", lost == 0,
              lost == 0, rows=rows)


def diskfull(b):
    if os.geteuid() != 0:
        b.say("not run: needs root")
        return
    said = crash_test(b, "disks.py",
                      "a_full_disk_refuses_writes_and_takes_them_again_once_there_is_room")
    took = float(re.search(r"taken again ([\d.]+) s after", said).group(1))
    b.add("disk full while writing, then space freed: back to writing, reads meanwhile",
          f"{took:.2f} s, 0 lost, reads answered", "", "", "2 s", "0.5 s", took <= 2, took <= 0.5)
    rows = tool(b, "faultbench.py", "diskfull", "mb=128", "ballast=84")
    if rows:
        lost = sum(r.get("lost", 0) for r in rows)
        good = lost == 0 and all(r.get("lost") == 0 for r in rows) and rows[1]["acked_after"] > 0
        b.add("the same by faultbench diskfull, 128 MB",
              f"{lost} lost of {rows[-1].get('acked')}; {rows[1]['acked_after']} taken after freeing",
              "", "", "0", "0", good, good, rows=rows)


def clock(b):
    rows = tool(b, "faultbench.py", "clock")
    if not rows:
        return
    results = {r[0]: (r[1], r[3]) for r in rows[0]["results"]}
    far = [k for k in results if k.startswith("+") and "min" not in k.split(" ")[0]]
    near = [k for k in results if "now" in k and not k.startswith("+")]
    refused = all(results[k][0] // 100 == 4 for k in far)
    taken = all(results[k][0] // 100 == 2 and results[k][1] for k in near)
    b.add("samples dated a day or more ahead", f"{'refused' if refused else 'TAKEN'}, others "
          f"{'taken' if taken else 'REFUSED'}", "", "", "only the offender refused", "same",
          refused and taken, refused and taken, rows=rows)


def memory(b):
    rows = tool(b, "faultbench.py", "oom", "mb=400", f"maxseries={b.size(3000000, 600000)}")
    if not rows:
        return
    r = rows[0]
    last = r["restarts_same_limit"][-1]
    good = r["killed_rc"] is None and last["rc_after_count_all"] is None
    b.add("cardinality bomb in 400 MB of memory",
          f"{'alive' if r['killed_rc'] is None else 'KILLED'} at {r['series_acked']} series, after "
          f"kill -9 {last['present']} found", "", "", "alive, others served", "same", good, good,
          rows=rows)


def abuse(b):
    watched = {}
    rows = tool(b, "abuse.py", watched=watched)
    if not rows:
        return
    slow, dead = [], []
    for r in rows:
        if not r["alive"]:
            dead.append(r["case"])
        if r["seconds"] > 0.05 and "timeout" not in str(r["result"]):
            slow.append(f"{r['case']} {r['seconds']:.2f} s")
        b.say(f"{r['case']}: {r['result']} {r['seconds']} s")
    # A dead connection where a 4xx belongs counts as missed.
    mute = [r["case"] for r in rows if isinstance(r["result"], list) and r["result"][0] == 0]
    good = not dead and not mute and watched["mb"] <= 16
    b.add(f"{len(rows)} hostile requests", f"{'alive' if not dead else 'DEAD: ' + ', '.join(dead)}, peak "
          f"of the worker's RSS +{watched['mb']:.1f} MB; without an answer: {', '.join(mute) or 'none'}; "
          "over 50 ms, client included: "
          f"{', '.join(slow) or 'none'}", "", "", "alive, RSS + 16 MB", "same, in 50 ms", good,
          good and not slow, rows=rows, **watched)
