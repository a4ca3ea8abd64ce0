#!/usr/bin/env python3
"""A month of samples answers alike from the head, from merged parts and from tiers alone."""
# timeout: 120
import json
import random
import shutil
import tempfile
import time

import _wire as wire
from _daemon import Daemon, run, wait
from _peers import api, fetch

DAY, DAYS, KEPT = 86400, 30, 2
ASKED = [("sum_over_time(c_total[6h])", DAY // 4), ("count_over_time(c_total[1d])", DAY),
         ("max_over_time(c_total[12h])", DAY // 2), ("min_over_time(c_total[1d])", DAY),
         ("avg_over_time(c_total[1d])", DAY), ("increase(c_total[1d])", DAY),
         ("rate(c_total[6h])", DAY // 4)]


def counters(start, n):
    """Counters of whole numbers, a minute apart, that begin anew now and then."""
    chance = random.Random(1)
    series = []
    for _ in range(n):
        value, samples = 0, []
        for i in range(DAYS * DAY // 60):
            value = 0 if chance.random() < 0.001 else value + chance.randint(0, 9)
            samples.append((start * 1000 + 60000 * i + 37, float(value)))
        series.append(samples)
    return series


def fill(d, series):
    for n, samples in enumerate(series):
        for at in range(0, len(samples), 4000):
            body = wire.write_v1([({"__name__": "c_total", "n": str(n)}, samples[at:at + 4000])])
            status, said = fetch(d.url + "/api/v1/write", body, wire.headers())
            assert status == 204, (status, said)


def ask(d, start, end):
    return {text: api(d.url, "query_range", query=text, start=start + DAY, end=end, step=step,
                      nocache=1)["result"] for text, step in ASKED}


def settings(days):
    return ["collect.enabled=false", f"store.retention_s={days * DAY}",
            f"store.out_of_order_window_s={2 * DAYS * DAY}"]


def blocks(d):
    return json.loads(fetch(d.url + "/api/v1/status/tsdb/blocks")[1])["data"]["blocks"]


def samples_blocks_and_tiers_answer_alike_over_a_month():
    end = int(time.time()) // DAY * DAY
    start = end - DAYS * DAY
    data = tempfile.mkdtemp(prefix="sonde-e2e-")
    try:
        with Daemon(data=data, settings=settings(2 * DAYS)) as d:
            d.start()
            fill(d, counters(start, 3))
            head = ask(d, start, end)
            assert all(len(r) == 3 and r[0]["values"] for r in head.values()), head
            assert fetch(d.url + "/api/admin/flush", b"")[0] == 204
            assert fetch(d.url + "/api/admin/merge", b"")[0] == 204
            assert ask(d, start, end) == head
        with Daemon(data=data, settings=settings(KEPT)) as d:
            d.start()
            assert fetch(d.url + "/api/admin/merge", b"")[0] == 204
            # All but the last days have no samples any more.
            wait("samples are gone", lambda: len(blocks(d)) <= KEPT, 20)
            assert ask(d, start, end) == head
    finally:
        shutil.rmtree(data, ignore_errors=True)


run(globals())
