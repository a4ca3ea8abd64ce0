"""Rows about the watchdog: sonde-watch beside runit, daemontools, supervisord and monit."""
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

import load
from supervisors import PEERS, SondeWatch, alive, processes_with, wait

HEARTBEAT_MS = 2000
INTERVAL_MS, FAIL_MS = 500, 2000


def child_program(b):
    path = os.path.join(b.folder, "crash_child")
    if not os.path.exists(path):
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", path,
                        os.path.join(load.ROOT, "bench", "crash_child.c")], check=True)
    return path


def place(b, name):
    path = os.path.join(b.folder, f"watchdog-{name}")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def everybody(b, name):
    child, folder = child_program(b), place(b, name)
    return [SondeWatch(folder, child, b.binary),
            *(kind(folder, child) for kind in PEERS if kind.there())]


def deaths(b, all_of_them):
    """All in turn, so that the machine is the same for each; a child has lived a second by then."""
    n, ms = b.size(100, 15), {s.name: [] for s in all_of_them}
    for s in all_of_them:
        s.start("stay")
    for s in all_of_them:
        wait(f"{s.name}: the first start", s.starts, 30)
    for i in range(n):
        time.sleep(1.2)
        for s in all_of_them:
            if not s.slow or i % max(1, n // 12) == 0:
                ms[s.name].append(s.killed())
    return ms


def latency(b):
    all_of_them = everybody(b, "deaths")
    try:
        ms = deaths(b, all_of_them)
    finally:
        for s in all_of_them:
            s.end()
    ours = statistics.median(ms["sonde-watch"])
    for name, values in ms.items():
        if name == "sonde-watch":
            continue
        peer = statistics.median(values)
        b.add(f"death of a program to its new start, median ({len(ms['sonde-watch'])} kills), "
              f"beside {name} ({len(values)})", f"{ours:.2f} ms", f"{peer:.1f} ms",
              f"{peer / ours:.1f} x", "5 ms", "1.5 ms", ours <= 5, ours <= 1.5, ours_ms=ms["sonde-watch"],
              peer_ms=values)
        b.say(f"{name}: {min(values):.2f} to {max(values):.2f} ms; sonde-watch "
              f"{min(ms['sonde-watch']):.2f} to {max(ms['sonde-watch']):.2f} ms")


def grandchildren(b):
    left = {}
    for s in everybody(b, "fork"):
        try:
            s.start("fork")
            wait(f"{s.name}: the first start", s.starts, 30)
            wait(f"{s.name}: the grandchild", s.left)
            time.sleep(1)
            s.stop()
            wait(f"{s.name}: the child ends", lambda s=s: not alive(s.starts()[-1][1]))
            time.sleep(0.5)
            left[s.name] = len(s.left())
        finally:
            s.end()
    ours = left.pop("sonde-watch")
    peers = ", ".join(f"{name} {n}" for name, n in left.items())
    b.add("double-forked grandchildren left after a stop", str(ours), peers, "", "0", "0", ours == 0,
          ours == 0, **{name.replace("-", "_"): n for name, n in left.items()})


def lines_of(s, what):
    with open(s.log, encoding="ascii") as f:
        return [int(line.split()[1]) for line in f if line.startswith(what + " ")]


def hang(b, name, mode, more, since):
    """Milliseconds from since (a line of the child's log) to its next start, the most of three."""
    worst = 0
    s = SondeWatch(place(b, name), child_program(b), b.binary)
    try:
        s.start(*mode, more=more)
        wait("the first start", s.starts)
        for _ in range(3):
            n = len(s.starts())
            time.sleep(1.5)
            os.kill(s.starts()[-1][1], signal.SIGUSR1)
            wait("it hangs", lambda n=n: len(lines_of(s, "hung")) >= n)
            wait("a new start", lambda n=n: len(s.starts()) > n)
            begun = s.starts()[n][0]
            worst = max(worst, (begun - max(t for t in lines_of(s, since) if t < begun)) / 1e6)
    finally:
        s.end()
    return worst


def hangs(b):
    beat = hang(b, "beat", ("beat", "500"), f"heartbeat_ms = {HEARTBEAT_MS}\nstop_timeout_ms = 0\n",
                "beat")
    b.add(f"hang to restart by heartbeat ({HEARTBEAT_MS / 1000:g} s), the most of 3",
          f"{beat:.0f} ms", "", "", f"{HEARTBEAT_MS + 500} ms", f"{HEARTBEAT_MS + 100} ms",
          beat <= HEARTBEAT_MS + 500, beat <= HEARTBEAT_MS + 100)
    port = free_port()
    health = hang(b, "health", ("http", str(port)),
                  f'health = "http://127.0.0.1:{port}/"\nhealth_interval_ms = {INTERVAL_MS}\n'
                  f"health_timeout_ms = 400\nhealth_fail_ms = {FAIL_MS}\ngrace_ms = 500\n"
                  "stop_timeout_ms = 0\n", "hung")
    b.add(f"hang to restart by health check (each {INTERVAL_MS / 1000:g} s, {FAIL_MS / 1000:g} s "
          "without success), the most of 3", f"{health:.0f} ms", "", "",
          f"{FAIL_MS + INTERVAL_MS} ms", f"{FAIL_MS + INTERVAL_MS} ms",
          health <= FAIL_MS + INTERVAL_MS, health <= FAIL_MS + INTERVAL_MS)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024


class Many(SondeWatch):
    """One program in n rows, each with a log of its own."""
    def begin(self, n, mode, more=""):
        text = '[watch]\nfolder = "state"\nstatus_file = ""\n'
        for i in range(n):
            words = ", ".join(f'"{w}"' for w in (self.child, f"{self.log}.{i}", *mode))
            text += (f'[[watch.program]]\nname = "p{i}"\ncommand = [{words}]\nrestarts_max = 0\n'
                     f'pauses = ["0s"]\njitter_percent = 0\nlog_files_max = 1\n{more}')
        self.write("sonde.toml", text)
        self.run(self.binary, "watch", "--config", "sonde.toml", "-q")

    def ask_end(self, seconds):
        self.process.terminate()
        self.process.wait(seconds)


def memory(b):
    for n, gate, aim in ((1, 3, 1), (100, 6, 3)):
        s = Many(place(b, f"pss-{n}"), child_program(b), b.binary)
        try:
            s.begin(n, ("stay",))
            wait("all started", lambda s=s, n=n: sum(os.path.exists(f"{s.log}.{i}") for i in range(n)) == n)
            time.sleep(2)
            mib = pss(s.process.pid) / 2**20
        finally:
            s.end()
            sweep(s.child)
        b.add(f"sonde-watch with {n} programs: PSS" if n > 1 else "sonde-watch with one program: PSS",
              f"{mib:.2f} MiB", "", "", f"{gate} MiB", f"{aim} MiB", mib <= gate, mib <= aim)


def sweep(child):
    left = [pid for pid, _ in processes_with(child)]
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return left


def watchdog(b):
    latency(b)
    grandchildren(b)
    hangs(b)
    memory(b)


def crashes(b):
    n, seconds = 1000, b.size(600, 60)
    s = Many(place(b, "crashes"), child_program(b), b.binary)
    calm = os.path.join(s.folder, "calm")
    try:
        s.begin(n, ("random", calm), "heartbeat_ms = 0\n")
        time.sleep(seconds)
        with open(calm, "w", encoding="ascii"):
            pass
        time.sleep(15)  # longer than the longest nap, and than a restart
        logs = [read_log(f"{s.log}.{i}") for i in range(n)]
        starts = sum(len(log.get("start", [])) for log in logs)
        doubled = sum(len(log.get("doubled", [])) for log in logs)
        up = [sum(alive(pid) for pid in set(log.get("start", []))) for log in logs]
        doubled += sum(k > 1 for k in up)
        lost = sum(k == 0 for k in up)
        orphans = [pid for pid, words in processes_with(s.child, "grandchild")
                   if not alive(int(words[3]))]
        s.ask_end(60)
        left = [pid for pid, _ in processes_with(s.child)]
    finally:
        s.end()
        sweep(s.child)
    bad = lost + doubled + len(orphans) + len(left)
    b.add(f"{n} programs crashing at random for {seconds} s ({starts - n} restarts): lost, doubled, "
          "orphaned, left after the end", f"{lost}, {doubled}, {len(orphans)}, {len(left)}", "", "",
          "0", "0", bad == 0, bad == 0, restarts=starts - n)


def read_log(path):
    found = {}
    try:
        with open(path, encoding="ascii") as f:
            for line in f:
                what, _, pid = line.split()
                found.setdefault(what, []).append(int(pid))
    except OSError:
        pass
    return found
