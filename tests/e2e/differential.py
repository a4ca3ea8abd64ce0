#!/usr/bin/env python3
"""The same made-up data in prometheus 2.42 and in the daemon: the same answers to the queries of
the PromQL compliance list that both know. Samples lie 3.217 s off the grid of the query times, since
prometheus 2 counts the left edge of a window in and we do not (as prometheus 3).
"""
# timeout: 180
import json
import os
import subprocess
import sys
import time

from _daemon import Daemon, run
from _peers import cases, prometheus

STEP_S, HOURS = 15, 2
DAEMON = ["collect.enabled=false", "store.out_of_order_window_s=3200000000",
          "store.retention_s=3200000000"]


def tool(name):
    return cases(os.path.join("tools", name))


def load(servers, start, *more):
    urls = [s.url + "/api/v1/write" for s in servers]
    done = subprocess.run([sys.executable, tool("rwload.py"), f"--start={start}", f"--hours={HOURS}",
                           f"--step={STEP_S}", *more, *urls], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcomes(p, d, queries, start, end, step, folder, *more):
    """Rows of the comparison."""
    report = os.path.join(folder, "report.jsonl")
    done = subprocess.run([sys.executable, tool("diffquery.py"), "-a", p.url, "-b", d.url, "-q", queries,
                           f"--start={start}", f"--end={end}", f"--step={step}", "--workers=2",
                           f"--report={report}", *more], capture_output=True, text=True, timeout=150)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    with open(report, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def expect_equal(rows, differences):
    """All equal but for what differences tells: [(a test of the row, why)]."""
    left, told = [], {}
    for r in rows:
        if r["outcome"].startswith("equal"):
            continue
        why = next((text for test, text in differences if test(r)), None)
        if why is None:
            left.append(r)
        else:
            told[why] = told.get(why, 0) + 1
    equal = sum(r["outcome"].startswith("equal") for r in rows)
    print(f"{equal} of {len(rows)} answers are equal")
    for why, n in told.items():
        print(f"{n} differ: {why}")
    for r in left[:30]:
        print(f"  {r['outcome']} {r['kind']} {r['query']}: {r.get('why', '')[:300]}")
    assert not left, f"{len(left)} answers differ for no known reason"
    return equal


def the_compliance_queries_are_answered_as_prometheus_does():
    queries = cases("conformance/compliance_queries.jsonl")
    with Daemon(settings=DAEMON) as d:
        d.start()
        with prometheus() as p:
            start = int(time.time()) // 3600 * 3600 - 3 * 3600
            print(load([p, d], start).strip())
            rows = outcomes(p, d, queries, start + 1800, start + 5400, 60, d.folder, "--messages")
            expect_equal(rows, DIFFERENCES)


DIFFERENCES = [
    (lambda r: r["outcome"] == "error_only_a" and "invalid destination label name" in r["why"],
     "any UTF-8 is a label's name, as in prometheus 3"),
    (lambda r: r["kind"] == "range" and r["query"].startswith("bottomk") and "points against" in r["why"],
     "of equal values at the k-th place either may be chosen"),
    (lambda r: r["outcome"] == "different" and "increase(demo_cpu_usage_seconds_total[1h])" in r["query"],
     "a counter that begins within the window: prometheus 3 limits the way to its zero anew"),
]

run(globals())
