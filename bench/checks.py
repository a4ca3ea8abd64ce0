"""The row of checks: 10,000 HTTP checks a minute, beside monit on the same servers.

bench/targets.c answers, at 250 addresses of loopback. The daemon stores the checks' series and keeps
their states as always; its share is that of all its processes, less that of the same daemon without
checks. monit asks in rounds, one after the other: what it manages within a round counts.
"""
import json
import os
import shutil
import subprocess
import time

from scrape import Targets

HOSTS = 250


class Answering(Targets):
    def __init__(self, load):
        super().__init__(load, HOSTS)

    def url(self, i):
        return f"http://127.0.{1 + i % HOSTS // 250}.{1 + i % HOSTS % 250}:{self.port}/metrics?{i}"


def settings(path, targets, n, interval_s):
    with open(path, "w", encoding="ascii") as f:
        for i in range(n):
            f.write(f'[[check]]\nname = "c{i}"\nurl = "{targets.url(i)}"\n'
                    f"interval_ms = {interval_s * 1000}\n\n")
    return path


def share(server, seconds, runs):
    """Shares of one core and checks a second over a while."""
    before, cpu = runs(), server.cpu_s()
    begin = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begin
    return (server.cpu_s() - cpu) / took, (runs() - before) / took


def ours(b, targets, n, interval_s, warm, seconds):
    path = settings(os.path.join(b.folder, "checks.toml"), targets, n, interval_s)
    more = ["--set", "collect.enabled=false"]
    idle = b.sonde(*more)
    idle.start()
    time.sleep(5)
    rest = share(idle, seconds / 3, lambda: 0)[0]
    idle.remove()
    server = b.sonde(*more, "--config", path)
    server.start()
    time.sleep(warm)

    def runs():
        checks = json.loads(server.get("/api/checks")[1])["data"]
        assert len(checks) == n, len(checks)
        bad = [c["name"] for c in checks if c["status"] not in ("healthy", "unknown")]
        assert not bad, bad[:5]
        return sum(c["runs"] for c in checks)

    # Asking for 10,000 checks costs something too: only the time between the two counts.
    before = runs()
    cpu, begin = server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    used, took = server.cpu_s() - cpu, time.monotonic() - begin
    rate = (runs() - before) / took
    rss = server.memory()["rss"]
    server.remove()
    return used / took - rest, rest, rate, rss


def theirs(b, targets, n, interval_s, warm, seconds):
    """monit's share and checks a second; None where it is not installed."""
    if not shutil.which("monit"):
        return None
    place = b.place()
    os.makedirs(place)
    path = os.path.join(place, "monitrc")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"set daemon {interval_s}\nset pidfile {place}/pid\nset idfile {place}/id\n"
                f"set statefile {place}/state\nset log {place}/log\n")
        for i in range(n):
            host = f"127.0.{1 + i % HOSTS // 250}.{1 + i % HOSTS % 250}"
            f.write(f"check host c{i} with address {host}\n  if failed port {targets.port} protocol "
                    f'http request "/metrics?{i}" then alert\n')
    os.chmod(path, 0o600)
    process = subprocess.Popen(["monit", "-I", "-c", path], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)

    def cpu():
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
            v = f.read().rsplit(")", 1)[1].split()
        return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")

    try:
        time.sleep(warm)
        before, begin = cpu(), time.monotonic()
        time.sleep(seconds)
        return (cpu() - before) / (time.monotonic() - begin)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def checks(b):
    n, interval_s = b.size((10000, 60), (2000, 12))
    warm, seconds = 35 + interval_s // 2, 2 * interval_s
    targets = Answering(b.load)
    used, rest, rate, rss = ours(b, targets, n, interval_s, warm, seconds)
    answers = targets.stop()["answers"]
    targets = Answering(b.load)
    peer = theirs(b, targets, n, interval_s, interval_s, seconds)
    rounds = targets.stop()["answers"] / ((interval_s + seconds) / interval_s) / n
    text, ratio = "", ""
    if peer is not None:
        a_minute = rounds * n * 60 / interval_s
        text = f"{100 * peer:.1f} % at {a_minute:.0f} a minute"
        costs = (used / (rate * 60)) / (peer / max(a_minute, 1))
        ratio = f"costs {costs:.2f} x monit's CPU a check (with series and history)"
    b.add("HTTP checks, share of one core at 10,000 a minute",
          f"{100 * used:.2f} % at {rate * 60:.0f} a minute", "monit: " + text, ratio, "5 %", "2 %",
          met=used <= 0.05 and rate * 60 >= 9500, aim_met=used <= 0.02, idle=rest, rss=rss,
          answers=answers)
