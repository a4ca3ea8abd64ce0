"""Rows about queries: the list q01 to q14 on W1, Sonde and VictoriaMetrics, caches of results off."""
import http.client
import json
import math
import time
import urllib.parse

from bench import median
from ingest import filled

# EACH_NAME: an instant query of each metric name, one after another; Prometheus's rules refuse q10
# over all names at once, as series of two names would get the same labels.
RANGE, INSTANT, LABEL, EACH_NAME = "range", "instant", "label", "each name"
# Name, kind, query, seconds back from the end, step.
QUERIES = [
    ("q01", RANGE, 'node_load1{instance="host-00042:9100"}', 7200, 15),
    ("q02", RANGE, 'rate(node_cpu_seconds_total{instance="host-00042:9100"}[5m])', 3600, 15),
    ("q03", RANGE, 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))', 3600, 15),
    ("q04", RANGE, 'sum(rate(node_cpu_seconds_total[5m]))', 7200, 60),
    ("q05", INSTANT, 'topk(10, avg_over_time(node_load1[1h]))', 0, 0),
    ("q06", RANGE, '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', 7200, 60),
    ("q07", RANGE, 'sum by (device) (rate(node_disk_read_bytes_total{instance=~"host-000.*"}[5m]))',
     3600, 15),
    ("q08", RANGE, 'quantile(0.95, rate(node_network_receive_bytes_total[5m]))', 3600, 30),
    ("q09", INSTANT, 'max_over_time(node_memory_MemAvailable_bytes[1h])', 0, 0),
    ("q10", EACH_NAME, 'sum(count_over_time({name}{{job="node_exporter"}}[2h]))', 0, 0),
    ("q11", INSTANT, 'count by (__name__) ({job="node_exporter"})', 0, 0),
    ("q12", INSTANT, 'max_over_time(sum(rate(node_cpu_seconds_total{mode="user"}[5m]))[1h:1m])', 0, 0),
    ("q13", RANGE, 'node_memory_MemFree_bytes', 7200, 15),
    ("q14", LABEL, 'instance', 0, 0),
]
# MetricsQL's rate() and increase() differ by design, and so does count_over_time's window edge.
SAME = {"q01", "q05", "q06", "q09", "q11", "q13", "q14"}


def path_of(kind, query, back_s, step_s, made):
    end = int(made["end_s"] - 30)
    if kind == LABEL:
        return f"/api/v1/label/{query}/values?" + urllib.parse.urlencode(
            {"start": int(made["start_s"]), "end": end})
    how = {"query": query, "nocache": 1}
    if kind == RANGE:
        return "/api/v1/query_range?" + urllib.parse.urlencode(
            {**how, "start": end - back_s, "end": end, "step": step_s})
    return "/api/v1/query?" + urllib.parse.urlencode({**how, "time": end})


def ask_each(server, query, made, runs):
    """As ask(): the sum over all names, each asked for on its own."""
    _, text = server.get("/api/v1/label/__name__/values?" + urllib.parse.urlencode(
        {"start": int(made["start_s"]), "end": int(made["end_s"])}))
    total = {"ms": 0.0, "cpu_ms": 0.0, "data": []}
    names = [n for n in json.loads(text)["data"] if n.startswith(("node_", "go_", "process_"))]
    for name in names:
        path = path_of(INSTANT, query.format(name=name), 0, 0, made)
        one = ask(server, path, runs)
        total["ms"] += one["ms"]
        total["cpu_ms"] += one["cpu_ms"]
    return total


def ask(server, path, runs):
    """Median and CPU of one run in ms, and the last answer's data."""
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    seconds = []
    cpu = server.cpu_precise_s()
    for i in range(runs + 1):
        if i == 1:
            cpu = server.cpu_precise_s()
        begin = time.perf_counter()
        c.request("GET", path)
        r = c.getresponse()
        body = r.read()
        if i > 0:  # the first one fills caches of pages, for both
            seconds.append(time.perf_counter() - begin)
        if r.status != 200:
            raise RuntimeError(f"{server.name}: {path}: {r.status} {body[:300]}")
    cpu = (server.cpu_precise_s() - cpu) / runs
    c.close()
    return {"ms": median(seconds) * 1e3, "cpu_ms": cpu * 1e3, "data": json.loads(body)["data"]}


def shape(data):
    """What is compared: series by their labels, and the number of points and the sum of values."""
    if isinstance(data, list):
        return sorted(data)
    found = {}
    for s in data["result"]:
        points = s.get("values") or [s["value"]]
        numbers = [float(v) for _, v in points if not math.isnan(float(v))]
        found[json.dumps(s["metric"], sort_keys=True)] = (len(numbers), math.fsum(numbers))
    return found


def differ(a, b, exact):
    a, b = shape(a), shape(b)
    if isinstance(a, list) or set(a) != set(b):
        return a != b
    if not exact:
        return False
    return any(a[k][0] != b[k][0] or not math.isclose(a[k][1], b[k][1], rel_tol=1e-9, abs_tol=1e-9)
               for k in a)


def queries(b):
    w1 = filled(b)
    if not w1.get("merged"):
        for server in w1["servers"]:
            server.flush_and_merge()
        w1["merged"] = True
    for name, kind, query, back_s, step_s in QUERIES:
        found = []
        for server in w1["servers"]:
            if kind == EACH_NAME:
                found.append(ask_each(server, query, w1["made"], 3))
                continue
            path = path_of(kind, query, back_s, step_s, w1["made"])
            found.append(ask(server, path, b.size(15, 5)))
        ours, theirs = found[0], found[1] if len(found) > 1 else None
        ratio = theirs["ms"] / ours["ms"] if theirs else None
        same = "" if theirs is None else (
            "" if not differ(ours["data"], theirs["data"], name in SAME) else " (answers differ)")
        gate = name == "q03"
        shown = query.replace("{{", "{").replace("}}", "}") if kind == EACH_NAME else query
        b.add(f"{name} `{shown}`", f"{ours['ms']:.2f} ms (CPU {ours['cpu_ms']:.1f})",
              f"VictoriaMetrics {theirs['ms']:.2f} ms (CPU {theirs['cpu_ms']:.1f}){same}" if theirs else "",
              f"{ratio:.1f} x (CPU {theirs['cpu_ms'] / max(ours['cpu_ms'], 0.001):.1f} x)"
              if theirs else "", "2 x" if gate else "", "5 x" if gate else "",
              ratio >= 2 if gate and theirs else None, ratio >= 5 if gate and theirs else None,
              ours_ms=ours["ms"], peer_ms=theirs and theirs["ms"])
