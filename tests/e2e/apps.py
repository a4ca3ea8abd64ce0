#!/usr/bin/env python3
"""Applications that link libsonde, as the daemon sees them: metrics, signals, questions, crashes,
what is refused, and what survives a daemon that is killed.
"""
# timeout: 240
# suites: plain asan
import os
import stat
import time

from _apps import ACK_WANTED, METRICS, App, write_request
from _daemon import Daemon, run, wait

QUIET = ["collect.enabled=false"]


class Server(Daemon):
    """A daemon with a socket for applications in its folder."""

    def __init__(self, *settings, config="", data=None):
        super().__init__(config=config, data=data, settings=[*QUIET, *settings])
        self.path = os.path.join(self.folder, "sonde.sock")
        self.argv += ["--set", f"apps.listen=unix:{self.path}"]

    def app(self, *words, **facts):
        return App(self.path, *words, **facts)

    def value(self, text):
        rows = self.query(text)
        return rows[0][1] if len(rows) == 1 else None

    def becomes(self, text, wanted, patience=20):
        wait(f"{text} is {wanted}, not {self.query(text)}", lambda: self.value(text) == wanted,
             patience)

    def own(self, name):
        for line in self.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0


def metrics_are_seen_within_two_seconds_and_end_with_the_application():
    with Server().start() as d:
        app = d.app()
        begun = time.monotonic()
        app.metrics({"requests_total": 5, "queue": 2})
        d.becomes('requests_total{job="shop",instance="host:1"}', 5)
        took = time.monotonic() - begun
        assert took < 2, took
        d.becomes('up{job="shop",instance="host:1"}', 1)
        time.sleep(0.01)
        app.metrics({"requests_total": 6})
        d.becomes("requests_total", 6)
        wait("a series that is not sent any more ends", lambda: d.query("queue") == [])
        app.close()
        wait("all series end", lambda: d.query('{job="shop"}') == [])
        print(f"  seen after {took * 1000:.0f} ms")


def metrics_of_many_frames_are_one_cycle_and_are_acknowledged_when_durable():
    with Server("apps.series_max=100").start() as d, d.app() as app:
        ts = int(time.time() * 1000)

        def rows(first, n):
            return write_request([({"__name__": "m", "job": "shop", "instance": "host:1",
                                    "i": str(i)}, i, ts) for i in range(first, first + n)])
        app.promised(METRICS, rows(0, 40), flags=2)
        app.promised(METRICS, rows(40, 40))
        d.becomes("count(m)", 80)
        app.promised(METRICS, rows(0, 150))
        assert d.own("sonde_apps_samples_refused_total") == 50
        assert d.value("count(m)") == 100


def the_socket_has_the_mode_that_is_configured():
    with Server("apps.mode=0600").start() as d:
        assert stat.S_IMODE(os.stat(d.path).st_mode) == 0o600
    with Server().start() as d:
        assert stat.S_IMODE(os.stat(d.path).st_mode) == 0o666


if __name__ == "__main__":
    run(globals())
