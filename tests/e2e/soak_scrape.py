#!/usr/bin/env python3
"""An hour (SONDE_SOAK_S) of targets that hang, lie about their length, change their series, come
and go, beside targets that are well: those lose nothing, and the daemon neither grows nor ends."""
# timeout: 4200
# soak
import json
import os
import random
import time

from _daemon import run, wait
from scrape import Rogue, Scraper, TEXT, job, value

SECONDS = float(os.environ.get("SONDE_SOAK_S", "3600"))
ROGUES, WELL, TURNS_S = 24, 5, 5
WAYS = ["good", "good", "good", "hang", "long", "short", "error", "html", "blank", "twice",
        "changing", "broken", "many", "close"]


class Moody(Rogue):
    """Answers each time in another way."""

    def __init__(self, seed):
        super().__init__()
        self.random = random.Random(seed)

    def metrics(self, h):
        getattr(self, self.random.choice(WAYS))(h)

    def many(self, h):
        """A few thousand series that were never there before."""
        self.n += 1
        self.give(h, b"".join(b'flood{n="%d",i="%d"} %d\n' % (self.n, i, i)
                              for i in range(self.random.randrange(3000))))

    def close(self, h):
        h.close_connection = True
        h.connection.close()

    def hang(self, h):
        time.sleep(self.random.random() * 3)
        self.give(h, b"late 1\n")

    def well(self, h):
        self.n += 1
        self.give(h, b"# TYPE well_total counter\nwell_total %d\n" % self.n, kind=TEXT)


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def write_targets(path, addresses):
    with open(path + ".new", "w", encoding="ascii") as f:
        json.dump([{"targets": addresses}], f)
    os.rename(path + ".new", path)


def well_targets_lose_nothing_beside_those_that_misbehave():
    rogues = [Moody(i) for i in range(ROGUES)]
    good = [Moody(1000 + i) for i in range(WELL)]
    scraper = Scraper([])
    path = os.path.join(scraper.folder, "targets.json")
    chooser = random.Random(7)
    write_targets(path, [])
    scraper.write([job("well", *(g.address for g in good), metrics_path="/well"),
                   {"job_name": "moody", "file_sd_configs": [{"files": [path],
                                                              "refresh_interval": "5s"}]}])
    for server in rogues + good:
        server.__enter__()
    with scraper as d:
        wait("the good ones", lambda: value(d, "count(well_total)") == WELL)
        worker, begin, sizes = d.worker(), time.time(), []
        while time.time() - begin < SECONDS:
            some = chooser.sample(rogues, chooser.randrange(ROGUES // 2, ROGUES + 1))
            write_targets(path, [r.address for r in some])
            time.sleep(TURNS_S)
            sizes.append(rss(worker))
            assert d.worker() == worker, "the worker was restarted"
        seconds = int(time.time() - begin) - 2
        write_targets(path, [])
        wait("the others gone", lambda: not d.query('up{job="moody"}'), 60)
        assert not d.query('{job="moody"}'), d.query('{job="moody"}')[:3]
        asked = value(d, f'min(count_over_time(up{{job="well"}}[{seconds}s]))')
        up = value(d, f'min(avg_over_time(up{{job="well"}}[{seconds}s]))')
        print(f"well targets: {asked:.0f} of {seconds} scrapes, up {up:.5f}; RSS from "
              f"{min(sizes)} to {max(sizes)} kB", flush=True)
        assert asked >= seconds * 0.99 and up >= 0.999, (asked, seconds, up)
        text = d.get("/metrics")[1].decode()
        assert "\nsonde_scrape_commits_failed_total 0\n" in text
        # What is remembered of targets goes with them.
        time.sleep(6)  # the gauges are counted every five seconds
        text = d.get("/metrics")[1].decode()
        series = [float(l.split()[-1]) for l in text.splitlines()
                  if l.startswith("sonde_scrape_series ")]
        assert series and series[0] <= WELL, series
        quarter = len(sizes) // 4
        if quarter > 20:  # the head is flushed each 15 minutes: its peaks are compared
            early, late = max(sizes[quarter:2 * quarter]), max(sizes[-quarter:])
            assert late < early * 1.5 + 65536, (early, late)
        assert not d.crash_reports()
    for server in rogues + good:
        server.__exit__()


if __name__ == "__main__":
    run(globals())
