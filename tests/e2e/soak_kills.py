#!/usr/bin/env python3
"""For an hour (SONDE_SOAK_S): writes and kills the worker again and again; loses nothing."""
# timeout: 7200
# soak
import os
import random
import signal
import threading
import time
import urllib.error

from _daemon import Daemon, run, wait

SECONDS = float(os.environ.get("SONDE_SOAK_S", "3600"))


def acknowledged_samples_outlive_every_kill():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        acknowledged, stop = [], threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                now = int(time.time() * 1000)
                try:
                    status, _ = d.push({"name": "soak", "value": n, "timestamp": now,
                                        "tags": {"n": str(n % 500)}})
                except (OSError, urllib.error.URLError):
                    continue  # killed in the middle: not acknowledged
                if status == 200:
                    acknowledged.append((n % 500, now, n))
                n += 1

        writer = threading.Thread(target=write)
        writer.start()
        until, kills = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            time.sleep(random.uniform(0.05, 3))
            worker = d.worker()
            if worker:
                os.kill(worker, signal.SIGKILL)
                kills += 1
            wait("ready", lambda: d.status("/readyz") == 200, 60)
        stop.set()
        writer.join()
        last = {n: value for n, _, value in acknowledged}
        found = {int(m["n"]): v for m, v in d.query("last_over_time(soak[2h])")}
        lost = [n for n, value in last.items() if found.get(n, -1) < value]
        count = sum(v for _, v in d.query("count_over_time(soak[2h])"))
        print(f"{kills} kills, {len(acknowledged)} samples acknowledged, {count:.0f} found")
        assert not lost, lost[:10]
        assert count >= len({(n, ts) for n, ts, _ in acknowledged}), count
        assert d.stop() == 0


run(globals())
