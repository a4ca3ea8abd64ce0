"""StatsD: what a datagram costs the receiver, and how many lines it takes without loss."""
import json
import os
import re
import subprocess
import time

from server import children, free_port, TICK


def worker_cpu_s(server):
    """CPU seconds of the worker alone, kernel part included."""
    total = 0
    for pid in children(server.process.pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            v = f.read().rsplit(")", 1)[1].split()
        total += int(v[11]) + int(v[12])
    return total / TICK


def count(server, name):
    page = server.get("/metrics")[1].decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.M))


def send(b, port, rate, seconds, lines, series):
    done = subprocess.run([os.path.join(b.folder, "statsd"), "--rate", str(rate), "--seconds",
                           str(seconds), "--lines", str(lines), "--series", str(series), str(port)],
                          check=True, capture_output=True)
    return json.loads(done.stdout)


def settled(server):
    """Metrics added up so far, once no more come: they are told each second."""
    last = -1
    while (now := count(server, "sonde_statsd_metrics_total")) != last:
        last = now
        time.sleep(2.2)
    return last


def attempt(b, server, port, rate, seconds, lines, series):
    """(what was sent, lost lines, lines a second, CPU seconds a datagram)"""
    before, cpu = settled(server), worker_cpu_s(server)
    sent = send(b, port, rate, seconds, lines, series)
    time.sleep(1.1)  # the last interval is written
    cost = (worker_cpu_s(server) - cpu) / sent["datagrams"]
    taken = settled(server) - before
    return sent, sent["lines"] - taken, sent["lines"] / sent["seconds"], cost


def statsd(b):
    b.load.compile("statsd", ["statsd.c"], [])
    port, series, seconds = free_port(), 1000, b.size(10, 3)
    server = b.sonde("--set", f"statsd.listen=127.0.0.1:{port}")
    server.start()
    send(b, port, 1000, 1, 20, series)
    rate = 200000
    sent, lost, _, cost = attempt(b, server, port, rate, seconds, 1, series)
    b.add(f"StatsD: the receiver's CPU per datagram of one metric, {rate // 1000} k/s",
          f"{cost * 1e6:.2f} us", "", "", "2.0 us", "1.4 us", cost <= 2e-6 and lost == 0,
          cost <= 1.4e-6 and lost == 0, lost=lost, **sent)
    best, figures = 0, {}
    for millions in (1, 2, 3, 4, 5, 6, 8, 10):
        for _ in range(3):  # a moment in which the machine does something else costs one attempt
            sent, lost, lines_s, cost = attempt(b, server, port, millions * 1e6 / 20, seconds, 20,
                                                series)
            b.say(f"{lines_s / 1e6:.2f} M/s: {lost:.0f} lost, {cost * 1e6:.2f} us a datagram, "
                  f"sender late by {sent['late_ms']:.1f} ms")
            if lost == 0:
                break
        figures[f"lost_at_{millions}M"] = lost
        if lost:
            break
        best = max(best, lines_s)
    server.remove()
    b.add("StatsD: metrics a second without loss, 20 to a datagram", f"{best / 1e6:.2f} M", "", "",
          "2 M", "4 M", best >= 1.98e6, best >= 3.96e6, seconds=seconds, series=series, **figures)
