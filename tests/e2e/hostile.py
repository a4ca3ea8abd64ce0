#!/usr/bin/env python3
"""The shared fault tools pointed at the daemon: hostile requests, wrong clocks, too little memory.

They make control groups of their own: root and cgroup v1's memory controller, else skipped.
"""
# timeout: 300
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from _daemon import SONDE, Skip, free_port, run
from _peers import cases

GROWTH_MAX_MB = 16
# The tools start their servers on ports of their own, unless they are told otherwise from within.
START = """
import sys
folder, port, call, cmd = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
sys.dont_write_bytecode = True
sys.path.insert(0, folder)
import faultbench, abuse
faultbench.Server.__init__.__defaults__ = (port,) + faultbench.Server.__init__.__defaults__[1:]
over = dict(cmd=cmd, ready='/readyz', write='/api/v1/write', query='/api/v1/query')
options = dict(a.split('=', 1) for a in sys.argv[5:])
tool = abuse.main if call == 'abuse' else getattr(faultbench, 't_' + call)
tool('cmd', over=over, **options)
"""


def fault_tools():
    """The folder of the tools, where they can run here."""
    path = os.path.dirname(cases("tools/faults/faultbench.py"))
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not os.access("/sys/fs/cgroup/memory", os.W_OK):
        raise Skip("needs the memory controller of cgroup v1")
    return path


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def is_worker(pid):
    """Not the launcher, which is a copy of the parent."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return b"--worker" in f.read().split(b"\0")
    except OSError:
        return False


def memory_mb(pid):
    """(resident, most ever resident) of a process, or None."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", f.read()))
        return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024
    except (OSError, KeyError):
        return None


class Client(threading.Thread):
    """Another client, who asks all the time; and a look at the worker's memory."""

    def __init__(self, tool_pid, port):
        super().__init__(daemon=True)
        self.tool, self.port = tool_pid, port
        self.stop_asked = threading.Event()
        self.last_failures = []
        self.slow_s, self.asked, self.failed, self.workers, self.peak_mb = 0, 0, [], {}, 0

    def run(self):
        while not self.stop_asked.wait(0.05):
            begin = time.monotonic()
            try:
                url = (f"http://127.0.0.1:{self.port}/api/v1/query?"
                       "query=fault_test%7Bseries%3D%2200000001%22%7D")
                urllib.request.urlopen(url, timeout=10).read()
                self.failed += self.last_failures  # those at the very end are the tool's own kill
                self.last_failures = []
                self.asked += 1
                self.slow_s = max(self.slow_s, time.monotonic() - begin)
            except OSError as e:
                if self.asked:
                    self.last_failures.append(str(e))
            for parent in children(self.tool):
                for child in children(parent):
                    if is_worker(child):
                        self.look(child)

    def look(self, worker):
        mb = memory_mb(worker)
        if not mb:
            return
        since, base = self.workers.setdefault(worker, (time.monotonic(), mb[0]))
        if time.monotonic() - since < 1:  # it opens, and takes what the tool begins with
            self.workers[worker] = since, max(base, mb[0])
        else:
            self.peak_mb = max(self.peak_mb, mb[1] - base)


def run_tool(call, *words, patience_s=150):
    """The tool's JSON lines, and what the other client saw."""
    path, port = fault_tools(), free_port()
    folder = tempfile.mkdtemp(prefix="sonde-faults-")
    command = f"{SONDE} serve --data {{dir}} --listen 127.0.0.1:{{port}} "
    command += "--set collect.enabled=false"
    try:
        p = subprocess.Popen([sys.executable, "-c", START, path, str(port), call, command, *words],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "TMPDIR": folder})
        client = Client(p.pid, port)
        client.start()
        try:
            output, errors = p.communicate(timeout=patience_s)
        finally:
            client.stop_asked.set()
            client.join(15)
            started = children(p.pid) if p.poll() is None else []
            if p.poll() is None:
                p.kill()
                p.wait()
            for pid in started:
                os.kill(pid, 9)
        assert p.returncode == 0, errors[-2000:]
        return [json.loads(line) for line in output.splitlines()], client
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Hostile requests that are no mistakes of the client: answered, or as the connection allows.
WELCOME = {
    "html/script in label value accepted?": "a label's value is any text; the page escapes it",
    "regex (a+)+$ on 30-char label": "expressions run in linear time",
    "regex of 100 kB alternation": "its answer, or 400: past the memory of one expression",
    "cross join 2000x2000": "either its answer or 422",
    "slowloris x500": "the answer is /readyz's",
}


def hostile_requests_cost_their_sender_alone():
    rows, client = run_tool("abuse")
    assert len(rows) >= 18, rows
    wrong = []
    for r in rows:
        text, result = json.dumps(r["result"]), r["result"]
        if not r["alive"]:
            wrong.append(f"dead after {r['case']}")
        statuses = [x for x in result if isinstance(x, int)]
        if isinstance(result[0], str) and result[0].startswith("HTTP/1.1 "):
            statuses = [int(result[0].split()[1])]
        good = statuses and all(400 <= s < 500 for s in statuses)
        if r["case"] in WELCOME:
            good = statuses and statuses[0] in (200, 204, 400, 422)
        if not good:
            wrong.append(f"{r['case']}: {text}")
        print(f"  {r['case']}: {text[:90]} in {r['seconds']} s")
    print(f"  worker's memory +{client.peak_mb:.1f} MB at most; another client asked "
          f"{client.asked} times, waited {client.slow_s:.2f} s at most")
    assert not wrong, "\n".join(wrong)
    assert client.peak_mb < GROWTH_MAX_MB, f"the worker grew by {client.peak_mb:.1f} MB"
    assert client.asked > 20 and len(client.workers) == 1, (client.asked, client.workers)
    assert not client.failed, client.failed[:3]


def samples_of_a_wrong_clock_are_refused_by_themselves():
    rows, _ = run_tool("clock")
    results = {r[0]: r[1:] for r in rows[0]["results"]}
    refused = {"+1d", "+400d", "-26h"}
    for name, (status, text, found) in results.items():
        if name in refused or name == "+10min after +1d":
            continue
        assert status == 204 and found, (name, status, text, found)
    for name in refused:
        assert results[name][0] == 400, (name, results[name])
        assert "older" in results[name][1] or "ahead" in results[name][1] or (
            "refused" in results[name][1]), results[name]
    assert rows[1]["restart_s"] is not None and rows[1]["now_present"], rows[1]


def a_flood_of_series_in_400_mb_is_refused_not_died_of():
    rows, _ = run_tool("oom", "mb=400", "maxseries=900000", patience_s=200)
    r = rows[0]
    print(f"  {r['series_acked']} series taken in {r['seconds']} s, then {list(r['errs'])[:1]}")
    assert r["killed_rc"] is None, r
    assert r["series_acked"] > 100000, r
    assert all(k.startswith(("400", "429", "503")) for k in r["errs"]), r["errs"]
    for again in r["restarts_same_limit"]:
        assert again["restart_s"] is not None and again["rc_after_count_all"] is None, again
    # The batch that met the limit was taken in part.
    present = r["restarts_same_limit"][-1]["present"]
    assert r["series_acked"] <= present < r["series_acked"] + 5000, r


run(globals())
