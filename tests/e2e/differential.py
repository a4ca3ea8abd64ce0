#!/usr/bin/env python3
"""The same made-up data in prometheus 2.42 and in the daemon: the same answers to the queries of
the PromQL compliance list and of dashboards in the wild, as far as both know them. Samples lie
3.217 s off the minute and query times 17 s off it, so that neither samples nor the points of
subqueries lie on the edges of windows, where prometheus 2 counts the left one in and we do not (as
prometheus 3). Each difference that is left must have its reason in a table below.

SONDE_DIFFERENTIAL=all asks all queries of the wild; otherwise each third.
"""
# timeout: 240
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

import _wild
from _daemon import Daemon, run
from _peers import cases, fetch, prometheus

STEP_S, HOURS = 15, 2
DAEMON = ["collect.enabled=false", "store.out_of_order_window_s=3200000000",
          "store.retention_s=3200000000"]


def tool(name):
    return cases(os.path.join("tools", name))


def load(servers, start, *more, step=STEP_S):
    urls = [s.url + "/api/v1/write" for s in servers]
    done = subprocess.run([sys.executable, tool("rwload.py"), f"--start={start}",
                           f"--hours={HOURS}",
                           f"--step={step}", *more, *urls], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcomes(p, d, queries, start, end, step, folder, *more):
    """Rows of the comparison."""
    report = os.path.join(folder, "report.jsonl")
    done = subprocess.run([sys.executable, tool("diffquery.py"), "-a", p.url, "-b", d.url, "-q",
                           queries,
                           f"--start={start}", f"--end={end}", f"--step={step}", "--workers=2",
                           f"--report={report}", *more], capture_output=True, text=True,
                          timeout=600)
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
    filled = sum(r["outcome"] == "equal" for r in rows)
    same = len(rows) - sum(told.values())
    print(f"{equal} of {len(rows)} answers are equal ({filled} with data): "
          f"{100 * equal / len(rows):.3f} %, of what both define "
          f"{100 * equal / max(same, 1):.3f} %")
    for why, n in told.items():
        print(f"{n} differ: {why}")
    for r in left[:30]:
        print(f"  {r['outcome']} {r['kind']} {r['query']}: {r.get('why', '')[:300]}")
    assert not left, f"{len(left)} answers differ for no known reason"
    return filled


def the_compliance_queries_are_answered_as_prometheus_does():
    queries = cases("conformance/compliance_queries.jsonl")
    with Daemon(settings=DAEMON) as d:
        d.start()
        with prometheus() as p:
            start = int(time.time()) // 3600 * 3600 - 3 * 3600
            print(load([p, d], start).strip())
            rows = []
            for later in (0, 0, 600):  # once more, and from where the cache ends
                rows += outcomes(p, d, queries, start + 1817 + later, start + 5417 + later, 60,
                                 d.folder, "--messages")
            filled = expect_equal(rows, DIFFERENCES)
            assert filled > len(rows) / 2, "hardly any data was found"


def ask_wild(queries, windows):
    """Asks both servers all queries over each of the windows [(start, end, step)], in seconds since
    the data begins; the rows of all comparisons, each with the age of the data where it differs."""
    fixture = cases("conformance/exposition/node_exporter/e2e-output.txt")
    rows = []
    with Daemon(settings=DAEMON) as d:
        d.start()
        wild, asked = os.path.join(d.folder, "wild.jsonl"), os.path.join(d.folder, "wild.txt")
        print(f"{_wild.write(queries, wild)} metrics for {len(queries)} queries")
        with open(asked, "w", encoding="utf-8") as f:
            f.write("\n".join(queries) + "\n")
        with prometheus() as p:
            start = int(time.time()) // 3600 * 3600 - 3 * 3600
            print(load([p, d], start, f"--fixture={fixture}", f"--wild={wild}", "--instances=1",
                       step=60).strip())
            for begin, end, step in windows:
                rows += outcomes(p, d, asked, start + begin, start + end, step, d.folder,
                                 "--messages")
    for r in rows:
        at = re.search(r" at (\d{10})", r.get("why", ""))
        r["age"] = int(at.group(1)) - start if at else HOURS * 3600
    return rows


def wild_queries():
    with open(cases("conformance/wild_queries.txt"), encoding="utf-8") as f:
        return [line for line in f.read().split("\n") if line.strip()]


def queries_of_dashboards_in_the_wild_are_answered_as_prometheus_does():
    queries = wild_queries()
    if os.environ.get("SONDE_DIFFERENTIAL") != "all":
        queries = queries[::3]
    rows = ask_wild(queries, [(3617, 5417, 300)])
    filled = expect_equal(rows, WILD_DIFFERENCES)
    assert filled > len(rows) / 2, "hardly any data was found"


# What both are asked beside queries: path, parameters.
REQUESTS = [
    ("query", {}), ("query", {"query": ""}), ("query", {"query": "sum("}),
    ("query", {"query": "x{"}),
    ("query", {"query": "rate(x)"}), ("query", {"query": "nosuch(x)"}), ("query", {"query": "1 +"}),
    ("query", {"query": '{job=~".*"}'}), ("query", {"query": "x[5m"}),
    ("query", {"query": 'x{a="b"'}),
    ("query", {"query": "sum by (a x"}), ("query", {"query": "up", "time": "x"}),
    ("query", {"query": "up", "timeout": "x"}), ("query", {"query": 'x{a=~"("}'}),
    ("query", {"query": "1 > 2"}), ("query", {"query": "a and 1"}),
    ("query", {"query": "topk(x, y)"}),
    ("query", {"query": '"text"', "time": "1"}), ("query", {"query": "1.5", "time": "1.5"}),
    ("query", {"query": "vector(1e21)", "time": "1"}),
    ("query", {"query": "vector(1e-7)", "time": "1"}),
    ("query", {"query": "1e21", "time": "1"}), ("query", {"query": "-0", "time": "1"}),
    ("query", {"query": "vector(NaN)", "time": "1"}), ("query", {"query": "-1/0", "time": "1"}),
    ("query_range", {"query": "up"}), ("query_range", {"query": "up", "start": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "2"}),
    ("query_range", {"query": "up", "start": "2", "end": "1", "step": "1"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "-1"}),
    ("query_range", {"query": "up", "start": "1", "end": "2", "step": "x"}),
    ("query_range", {"query": "up", "start": "0", "end": "11001", "step": "1"}),
    ("query_range", {"query": "up[5m]", "start": "0", "end": "1", "step": "1"}),
    ("query_range", {"query": '"a"', "start": "0", "end": "1", "step": "1"}),
    ("query_range", {"query": "1", "start": "1970-01-01T00:00:01Z", "end": "2", "step": "500ms"}),
    ("query_range", {"query": '{__name__=~"up|demo_num_cpus|demo_is_holiday|demo_nan"}',
                     "step": "600"}),
    ("query_range", {"query": "max by (mode, path) ({job='demo'})", "step": "900"}),
    ("query_range", {"query": "demo_sparse or demo_inf or demo_intermittent_metric",
                     "step": "300"}),
    ("query", {"query": "sort(demo_disk_usage_bytes)"}),
    ("query", {"query": "sort_desc(demo_num_cpus)"}),
    ("query", {"query": "up[1m]"}), ("query", {"query": "demo_intermittent_metric[10m]"}),
    ("query", {"query": "scalar(demo_num_cpus)"}), ("query", {"query": "sum(demo_num_cpus)"}),
    ("series", {}), ("series", {"match[]": "{}"}), ("series", {"match[]": "up{"}),
    ("series", {"match[]": 'demo_num_cpus{instance=~".*0"}'}),
    ("series", {"match[]": ["demo_num_cpus", 'up{instance=~".*1"}']}),
    ("series", {"match[]": "demo_num_cpus", "start": "1", "end": "2"}),
    ("series", {"match[]": "demo_num_cpus", "start": "x"}),
    ("labels", {}), ("labels", {"match[]": "demo_num_cpus"}), ("labels", {"start": "x"}),
    ("labels", {"match[]": "{"}), ("labels", {"start": "2", "end": "1"}),
    ("label/job/values", {}), ("label/instance/values", {"match[]": "demo_disk_total_bytes"}),
    ("label/__name__/values", {}), ("label/nosuch/values", {}),
    ("label/job/values", {"match[]": ['up{instance=~".*2"}', "demo_nan"]}),
    ("query_exemplars", {"query": "up", "start": "2", "end": "1"}),
    ("query_exemplars", {"query": "up{", "start": "1", "end": "2"}),
    ("query_exemplars", {"query": "test", "start": "1", "end": "2"}),
    ("metadata", {"limit": "x"}), ("metadata", {"metric": "nosuch"}),
    ("format_query", {"query": "sum(rate(x[5m]))by(a)"}), ("format_query", {"query": "sum("}),
]
GET_ONLY = ("label/", "metadata")


def asked(server, path, parameters, start):
    """(status, answer) with the same words for both."""
    if (path in ("series", "labels") or path.startswith("label/") or
            set(parameters) == {"query", "step"}):
        parameters = {"start": start, "end": start + HOURS * 3600, **parameters}
    elif path == "query" and "time" not in parameters:
        parameters = {"time": start + 3600, **parameters}
    text = urllib.parse.urlencode(parameters, doseq=True)
    url = f"{server.url}/api/v1/{path}"
    status, body = (fetch(url + "?" + text) if path.startswith(GET_ONLY) else
                    fetch(url, text.encode(),
                          {"Content-Type": "application/x-www-form-urlencoded"}))
    return status, json.loads(body) if body[:1] == b"{" else body.decode()


def the_api_answers_and_refuses_in_the_same_words():
    with Daemon(settings=DAEMON) as d:
        d.start()
        with prometheus() as p:
            start = int(time.time()) // 3600 * 3600 - 3 * 3600
            load([p, d], start)
            lines, told = [], 0
            for path, parameters in REQUESTS:
                ref, ours = asked(p, path, parameters, start), asked(d, path, parameters, start)
                if ref == ours:
                    continue
                if (path, parameters) in API_DIFFERENCES or plain(ref) == plain(ours):
                    told += 1
                    continue
                lines.append(f"{path} {parameters}:\n  prometheus {ref}\n  sonde      {ours}")
            print(f"{len(REQUESTS) - len(lines) - told} of {len(REQUESTS)} answers are equal, "
                  f"{told} differ for a known reason")
            print("\n".join(line[:1200] for line in lines))
            assert not lines, f"{len(lines)} answers differ"


def plain(answer):
    """An answer without what prometheus 3 words otherwise than 2.42: which parameter it is about is
    told everywhere, and once. "code" is our own addition."""
    status, said = answer
    if not isinstance(said, dict) or "error" not in said:
        return answer
    said = {k: v for k, v in said.items() if k != "code"}
    said["error"] = re.sub("Invalid time value for '[a-z]+': |invalid parameter \"[^\"]+\": ", "",
                           said["error"])
    return status, said


API_DIFFERENCES = [
    # The place of nothing; the expression without the anchors that it is wrapped in.
    ("query", {}), ("query", {"query": ""}), ("query", {"query": 'x{a=~"("}'}),
    # The parser refuses it already.
    ("series", {"match[]": "{}"}),
    # A window that ends before it begins is refused everywhere, in the same words.
    ("labels", {"start": "2", "end": "1"}),
    ("query_exemplars", {"query": "up", "start": "2", "end": "1"}),
    ("metadata", {"limit": "x"}),
]
DIFFERENCES = [
    (lambda r: r["outcome"] == "error_only_a" and "invalid destination label name" in r["why"],
     "any UTF-8 is a label's name, as in prometheus 3"),
    (lambda r: r["kind"] == "range" and r["query"].startswith("bottomk") and
     "points against" in r["why"],
     "of equal values at the k-th place either may be chosen"),
    (lambda r: r["outcome"] == "different" and
     "increase(demo_cpu_usage_seconds_total[1h])" in r["query"],
     "a counter that begins within the window: prometheus 3 limits the way to its zero anew"),
]
WILD_DIFFERENCES = [
    (lambda r: r["outcome"] == "error_text" and
     r["why"].count("found duplicate series for the match") == 2,
     "which of several duplicates is named"),
    (lambda r: r["outcome"] == "different" and "[5m:]" in r["query"],
     "points of a subquery lie on the left edge of its window, which prometheus 2 counts in"),
    (lambda r: r["outcome"] == "different" and r["age"] < 1800 and
     re.search(r"\b(rate|increase)\s*\(", r["query"]),
     "a counter that begins within the window: prometheus 3 limits the way to its zero anew"),
]

if __name__ == "__main__":
    run(globals())
