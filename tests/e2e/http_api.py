#!/usr/bin/env python3
"""The HTTP API beside Debian's prometheus 2.42 with the same samples: statuses, types and texts of
errors, forms of answers, federation; promtool, the requests that Grafana makes, lifecycle, CORS.
"""
# timeout: 180
import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse

import _wire as wire
from _daemon import Daemon, Skip, run, wait
from _peers import api, cases, fetch, needs, prometheus

OPEN = """
[server]
admin_api = true
lifecycle = true
cors_origin = "https?://grafana\\\\.example(:[0-9]+)?"
[collect]
enabled = false
"""
STEP_S, POINTS = 15, 40
HISTOGRAM = {"count": 6.0, "sum": 18.4, "schema": 1, "zero": 1.0, "positive": {0: 2.0, 1: 2.0},
             "negative": {2: 1.0}}


def samples(now):
    """What both are given: [(labels, [(ms, value)])], off the grid of query times."""
    times = [int(now - STEP_S * k) * 1000 - 217 for k in range(POINTS)][::-1]
    rows = []
    for job in "ab":
        for instance in ("h1:90", "h2:90"):
            base = {"job": job, "instance": instance}
            rows += [({"__name__": "up", **base}, [(t, 1.0) for t in times]),
                     ({"__name__": "made_requests_total", **base, "code": "200"},
                      [(t, float(i * 3)) for i, t in enumerate(times)]),
                     ({"__name__": "made_temp", **base},
                      [(t, 20.5 + i % 7) for i, t in enumerate(times)])]
    rows += [({"__name__": "made_bare", "job": "c"}, [(t, 1e21) for t in times]),
             ({"__name__": "made_tiny", "job": "c", "instance": ""}, [(times[-1], 1e-7)]),
             ({"__name__": "made_nan", "job": "c", "instance": "x"}, [(times[-1], float("nan"))]),
             ({"__name__": "made_gone", "job": "c", "instance": "x"},
              [(times[-2], 5.0), (times[-1], "stale")]),
             ({"__name__": "made_text", "job": "c", "instance": 'q"u\\o\nte'}, [(times[-1], 4.25)])]
    return [({k: v for k, v in labels.items() if v}, s) for labels, s in rows]


def load(server, rows):
    body = wire.write_v1(rows)
    status, said = fetch(server.url + "/api/v1/write", body, wire.headers())
    assert status in (200, 204), (server.url, status, said)


class Both:
    """The daemon and prometheus with the same samples."""

    def __enter__(self):
        self.daemon = Daemon(config=OPEN).start()
        self.peer = prometheus(flags=[
            "--enable-feature=native-histograms", "--web.enable-lifecycle",
            "--web.cors.origin=https?://grafana\\.example(:[0-9]+)?"])
        self.peer.__enter__()
        self.now = int(time.time())
        rows = samples(self.now)
        for server in (self.peer, self.daemon):
            load(server, rows)
        return self

    def __exit__(self, *_):
        self.peer.__exit__()
        self.daemon.__exit__()


def ask(server, method, path, query=None, form=None, headers=None):
    """(status, headers, body) without following redirects."""
    target = path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
    headers, body = dict(headers or {}), None
    if form is not None:
        body = urllib.parse.urlencode(form, doseq=True)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, target, body, headers)
        r = connection.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        connection.close()


def shape(value, depth=0):
    """What a client relies on: keys and types; of lists the shapes of their items, each once."""
    if isinstance(value, dict):
        return {k: shape(v, depth + 1) for k, v in sorted(value.items())}
    if isinstance(value, list):
        kinds = {json.dumps(shape(v, depth + 1), sort_keys=True) for v in value}
        return sorted(kinds)
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) \
        else type(value).__name__


# Prometheus's own paths: (method, path, query, form); the rest of the comparison is in judge().
EXACT, SHAPE, STATUS = "exact", "shape", "status"
A = "/api/v1/"
REQUESTS = [
    (EXACT, "GET", A + "query", {"query": "up", "time": "NOW"}, None),
    (EXACT, "POST", A + "query", None, {"query": "sum by (job) (made_temp)", "time": "NOW"}),
    (EXACT, "POST", A + "query", {"time": "NOW"}, {"query": "made_requests_total"}),
    (EXACT, "GET", A + "query", {"query": "1.5", "time": "1.5"}, None),
    (EXACT, "GET", A + "query", {"query": '"text"', "time": "1.5"}, None),
    (EXACT, "GET", A + "query", {"query": "made_tiny", "time": "NOW"}, None),
    (EXACT, "GET", A + "query", {"query": "made_bare", "time": "NOW"}, None),
    (EXACT, "GET", A + "query", {"query": "made_nan", "time": "NOW"}, None),
    (EXACT, "GET", A + "query", {"query": "1", "time": "2015-06-03T13:21:58.555Z"}, None),
    (EXACT, "GET", A + "query", {"query": "1", "time": "x"}, None),
    (EXACT, "GET", A + "query", {"query": "1", "timeout": "x"}, None),
    (EXACT, "GET", A + "query", {"query": "1", "timeout": "1h30m", "time": "1"}, None),
    (EXACT, "GET", A + "query", {"query": "sum("}, None),
    (EXACT, "GET", A + "query", {"query": "nosuch(up)"}, None),
    (EXACT, "GET", A + "query", {"query": "up * on() up", "time": "NOW"}, None),
    (EXACT, "GET", A + "query", None, None),
    (EXACT, "GET", A + "query_range",
     {"query": "rate(made_requests_total[2m])", "start": "FROM", "end": "NOW", "step": "30"}, None),
    (EXACT, "POST", A + "query_range", None,
     {"query": "up", "start": "FROM", "end": "NOW", "step": "1m"}),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "x", "end": "1", "step": "1"}, None),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "1", "end": "", "step": "1"}, None),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "2", "end": "1", "step": "1"}, None),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "1", "end": "2"}, None),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "1", "end": "2", "step": "x"}, None),
    (EXACT, "GET", A + "query_range", {"query": "up", "start": "1", "end": "2", "step": "0"}, None),
    (EXACT, "GET", A + "query_range",
     {"query": "up", "start": "0", "end": "20000", "step": "1"}, None),
    (EXACT, "GET", A + "query_range", {"query": "x{", "start": "1", "end": "2", "step": "1"}, None),
    (EXACT, "GET", A + "query_range",
     {"query": "up[1m]", "start": "1", "end": "2", "step": "1"}, None),
    (EXACT, "GET", A + "series", None, None),
    (EXACT, "GET", A + "series", {"match[]": "up", "start": "FROM", "end": "NOW"}, None),
    (EXACT, "POST", A + "series", {"match[]": "made_bare"},
     {"match[]": 'up{job="a"}', "start": "FROM", "end": "NOW"}),
    (EXACT, "GET", A + "series", {"match[]": "up{"}, None),
    (EXACT, "GET", A + "series", {"match[]": '{a=~".*"}'}, None),
    (EXACT, "GET", A + "series", {"match[]": "up", "start": "x"}, None),
    (EXACT, "GET", A + "series", {"match[]": "up", "start": "2", "end": "1"}, None),
    (EXACT, "GET", A + "labels", {"start": "FROM", "end": "NOW"}, None),
    (EXACT, "POST", A + "labels", None, {"match[]": "made_bare"}),
    (EXACT, "GET", A + "labels", {"match[]": "up{"}, None),
    (EXACT, "GET", A + "labels", {"start": "x"}, None),
    (EXACT, "GET", A + "labels", {"start": "2", "end": "1"}, None),
    (EXACT, "GET", A + "label/job/values", {"start": "FROM", "end": "NOW"}, None),
    (EXACT, "GET", A + "label/__name__/values", {"match[]": ['{job="c"}', "up"]}, None),
    (EXACT, "GET", A + "label/nosuch/values", None, None),
    (EXACT, "GET", A + "label/job/values", {"match[]": '{a=~".*"}'}, None),
    (EXACT, "GET", A + "label/job/values", {"end": "x"}, None),
    (EXACT, "GET", A + "metadata", {"limit": "x"}, None),
    (EXACT, "GET", A + "metadata", {"limit": "0"}, None),
    (EXACT, "GET", A + "metadata", {"metric": "nosuch"}, None),
    (EXACT, "GET", A + "query_exemplars", {"query": "test", "start": "FROM", "end": "NOW"}, None),
    (EXACT, "POST", A + "query_exemplars", None, {"query": "1"}),
    (EXACT, "GET", A + "query_exemplars", {"query": "up{"}, None),
    (EXACT, "GET", A + "query_exemplars", {"query": "up", "start": "2", "end": "1"}, None),
    (EXACT, "GET", A + "format_query", {"query": "sum(rate(x[5m]))by(a)"}, None),
    (EXACT, "POST", A + "format_query", None, {"query": "1 +"}),
    (EXACT, "GET", A + "rules", None, None),
    (EXACT, "GET", A + "rules", {"type": "foo"}, None),
    (EXACT, "GET", A + "rules", {"type": "ALERT"}, None),
    (EXACT, "GET", A + "alerts", None, None),
    (EXACT, "GET", A + "targets", None, None),
    (EXACT, "GET", A + "targets", {"state": "active"}, None),
    (EXACT, "GET", A + "targets/metadata", None, None),
    (EXACT, "GET", A + "targets/metadata", {"limit": "x"}, None),
    (EXACT, "GET", A + "targets/metadata", {"match_target": "up{"}, None),
    (EXACT, "GET", A + "scrape_pools", None, None),
    (EXACT, "GET", A + "alertmanagers", None, None),
    (EXACT, "GET", A + "status/walreplay", None, None),
    (SHAPE, "GET", A + "status/buildinfo", None, None),
    (SHAPE, "GET", A + "status/runtimeinfo", None, None),
    (SHAPE, "GET", A + "status/config", None, None),
    (SHAPE, "GET", A + "status/tsdb", None, None),
    (STATUS, "GET", A + "status/flags", None, None),
    (EXACT, "GET", A + "nothing", None, None),
    (STATUS, "DELETE", A + "query", None, None),
    (STATUS, "PUT", A + "labels", None, None),
    (STATUS, "POST", A + "metadata", None, {"a": "b"}),
    (STATUS, "POST", A + "label/job/values", None, {"a": "b"}),
    (STATUS, "OPTIONS", A + "query", None, None),
    (STATUS, "OPTIONS", A + "rules", None, None),
    (EXACT, "GET", "/-/healthy", None, None),
    (EXACT, "HEAD", "/-/healthy", None, None),
    (EXACT, "GET", "/-/ready", None, None),
    (EXACT, "HEAD", "/-/ready", None, None),
    (EXACT, "GET", "/-/reload", None, None),
    (EXACT, "GET", "/-/quit", None, None),
    (EXACT, "POST", "/-/reload", None, {}),
    (EXACT, "GET", "/federate", None, None),
    (EXACT, "GET", "/federate", {"match[]": "up{"}, None),
    (STATUS, "POST", "/federate", None, {"match[]": "up"}),
    (EXACT, "GET", "/nothing", None, None),
]
# What differs, and why. (method, path, query, form) as above.
DIFFERENCES = {
    ("GET", A + "query", None):
        "the place of nothing: prometheus 3 says 1:1 only where there is text",
    ("GET", A + "query_range", "x{"):
        "prometheus 3 names the parameter here too",
    ("GET", A + "query_range", "up[1m]"):
        "prometheus 3 names the parameter here too",
    ("GET", A + "targets", None): "droppedTargetCounts is of prometheus 3",
    ("GET", A + "targets", "active"): "droppedTargetCounts is of prometheus 3",
    ("GET", A + "status/runtimeinfo", None):
        "hostname, serverTime and GOMEMLIMIT are of prometheus 3",
}


def fill(parameters, both):
    words = {"NOW": f"{both.now}", "FROM": f"{both.now - 300}"}
    return parameters and {k: words.get(v, v) if isinstance(v, str) else v
                           for k, v in parameters.items()}


def judge(kind, ref, ours):
    """What differs between two answers, or None."""
    if ref[0] != ours[0]:
        return "status"
    types = [a[1].get("content-type", "") for a in (ref, ours)]
    if kind != STATUS and ref[2] and types[0] != types[1]:
        return "content type"
    if kind == STATUS:
        return None
    bodies = [json.loads(a[2]) if t == "application/json" and a[2] else a[2].decode()
              for a, t in zip((ref, ours), types)]
    if kind == EXACT:
        return None if bodies[0] == bodies[1] else "body"
    return None if shape(bodies[0]) == shape(bodies[1]) else "shape"


def the_api_answers_as_prometheus_does():
    with Both() as both:
        lines, equal, told = [], 0, 0
        for kind, method, path, query, form in REQUESTS:
            asked = [ask(s, method, path, fill(query, both), fill(form, both))
                     for s in (both.peer, both.daemon)]
            why = judge(kind, *asked)
            name = next(iter((query or {"": None}).values()))
            if why is None:
                equal += 1
            elif (method, path, name) in DIFFERENCES:
                told += 1
            else:
                lines.append(f"{why}: {method} {path} {query or ''} {form or ''}\n"
                             f"  prometheus {asked[0]}\n  sonde      {asked[1]}")
        print(f"{equal} of {len(REQUESTS)} requests are answered alike, {told} differ by name")
        for (method, path, name), why in DIFFERENCES.items():
            print(f"  {method} {path} {name or ''}: {why}")
        print("\n".join(line[:1500] for line in lines))
        assert not lines, f"{len(lines)} answers differ"
        assert told == len(DIFFERENCES), "a difference that is told of is none any more"


def a_refused_method_names_those_that_are_served():
    with Both() as both:
        for path, method in ((A + "query", "DELETE"), (A + "metadata", "PUT"),
                             ("/federate", "PUT")):
            allowed = [set(re.split(", *", ask(s, method, path)[1]["allow"])) - {"HEAD"}
                       for s in (both.peer, both.daemon)]
            assert allowed[0] == allowed[1], (path, allowed)


def other_sites_are_told_what_prometheus_tells_them():
    with Both() as both:
        for origin in ("https://grafana.example", "http://grafana.example:3000",
                       "https://grafana.example.evil", "https://evil.example"):
            said = []
            for s in (both.peer, both.daemon):
                headers = ask(s, "GET", A + "labels", headers={"Origin": origin})[1]
                said.append({k: v for k, v in headers.items()
                             if k == "access-control-allow-origin"})
            assert said[0] == said[1], (origin, said)
        origin = {"Origin": "https://grafana.example"}
        d = both.daemon
        status, headers, _ = ask(d, "OPTIONS", A + "query", headers={
            **origin, "Access-Control-Request-Method": "POST"})
        assert status == 204 and "POST" in headers["access-control-allow-methods"], headers
        status, _, body = ask(d, "POST", A + "query", None, {"query": "1"}, origin)
        assert status == 200, body
        for path in (A + "admin/tsdb/delete_series", "/-/quit", "/api/metrics", A + "write"):
            assert ask(d, "POST", path, None, {"match[]": "up"}, origin)[0] == 403, path


def long_answers_are_packed_where_the_client_takes_it():
    with Both() as both:
        query = {"query": "up", "start": both.now - 500, "end": both.now, "step": "1"}
        for s in (both.peer, both.daemon):
            _, headers, packed = ask(s, "GET", A + "query_range", query,
                                     headers={"Accept-Encoding": "gzip"})
            assert headers.get("content-encoding") == "gzip" and packed[:2] == b"\x1f\x8b", headers
            _, headers, plain = ask(s, "GET", A + "query_range", query)
            assert "content-encoding" not in headers and plain[:1] == b"{", headers


FEDERATED = {"match[]": ['{__name__=~"up|made_.*"}', 'up{job="a"}']}
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited")


def federation_gives_what_prometheus_gives():
    with Both() as both:
        said = [ask(s, "GET", "/federate", FEDERATED) for s in (both.peer, both.daemon)]
        assert said[0][0] == said[1][0] == 200
        assert said[0][1]["content-type"] == said[1][1]["content-type"]
        assert said[0][2] == said[1][2], (said[0][2][:3000], said[1][2][:3000])
        assert b"made_gone" not in said[1][2]
        assert b'made_bare{job="c",instance=""} 1e+21' in said[1][2]


def federation_gives_histograms_as_prometheus_does():
    with Both() as both:
        now = int(time.time() * 1000) - 500
        gauge = {**HISTOGRAM, "hint": 3}
        rows = [({"__name__": "made_hist", "job": "h"}, [(now, HISTOGRAM)]),
                ({"__name__": "made_hist", "job": "i"}, [(now, HISTOGRAM)]),
                ({"__name__": "made_level", "job": "h"}, [(now, gauge)])]
        for s in (both.peer, both.daemon):
            load(s, rows)
        said = [ask(s, "GET", "/federate", FEDERATED, headers={"Accept": PROTOBUF})
                for s in (both.peer, both.daemon)]
        types = [re.sub(" ", "", a[1]["content-type"]) for a in said]
        assert types[0] == types[1] == PROTOBUF, types
        for theirs, ours in zip(*(families(a[2]) for a in said)):
            assert theirs == ours, (theirs, ours)
        assert said[0][2] == said[1][2]
        assert any(name == "made_level" for name, _, _ in families(said[1][2]))


def families(data):
    """Delimited MetricFamily messages as [(name, type, metrics in their order)]; repeated doubles
    may be packed or not, which is the same."""
    out = []
    for message in wire.delimited(data):
        family = wire.fields(message)
        name = next(v for k, v in family if k == 1).decode()
        kind = next((v for k, v in family if k == 3), 0)
        out.append((name, kind, [metric(v) for k, v in family if k == 4]))
    return out


def metric(data):
    out = []
    for number, value in wire.fields(data):
        if number == 7:
            value = [(k, v) for k, v in histogram_fields(value)]
        out.append((number, value))
    return out


def histogram_fields(data):
    """(number, value) of a histogram; packed doubles one by one."""
    for number, value in wire.fields(data):
        if number in (11, 14) and len(value) > 8:
            yield from ((number, value[i:i + 8]) for i in range(0, len(value), 8))
        else:
            yield number, value


def prometheus_scrapes_our_federation():
    with Daemon(config=OPEN) as d:
        d.start()
        now = int(time.time())
        load(d, [({"__name__": "made_up", "job": "a", "instance": "h1"}, [(now * 1000, 1.5)]),
                 ({"__name__": "made_up", "job": "b"}, [(now * 1000, 2.5)]),
                 ({"__name__": "made_hist", "job": "h"}, [(now * 1000, HISTOGRAM)])])
        job = {"job_name": "federation", "honor_labels": True, "metrics_path": "/federate",
               "params": {"match[]": ["made_up", "made_hist"]},
               "static_configs": [{"targets": [f"127.0.0.1:{d.port}"]}]}
        # With native histograms on it scrapes protobuf, else text.
        for flags in ([], ["--enable-feature=native-histograms"]):
            federate(job, flags)


def federate(job, flags):
    with prometheus([job], flags=flags) as p:
        wait("scraped", lambda: api(p.url, "query", query="made_up")["result"], 30)
        got = api(p.url, "query", query="histogram_count(made_hist)")["result"]
        assert [r["value"][1] for r in got] == (["6"] if flags else []), got
        got = {tuple(sorted(r["metric"].items())): r["value"][1]
               for r in api(p.url, "query", query="made_up")["result"]}
        assert got == {
            (("__name__", "made_up"), ("instance", "h1"), ("job", "a")): "1.5",
            (("__name__", "made_up"), ("job", "b")): "2.5"}, got


# ---- rules

RULES = """
groups:
- name: first
  interval: 1s
  limit: 100
  rules:
  - record: job:made_temp:avg
    expr: avg by (job) (made_temp)
    labels: {team: a}
  - record: made:broken
    expr: made_temp * on () group_left () made_temp
- name: second
  interval: 1s
  rules:
  - alert: Warm
    expr: made_temp{job="a"} > 1
    labels: {severity: page, who: "{{ $labels.instance }}"}
    annotations:
      summary: "It is {{ $value }} at {{ $labels.instance }} in {{ $externalLabels.region }}"
  - alert: Patient
    expr: sum(up) > 0
    for: 1h
    keep_firing_for: 90s
  - alert: Quiet
    expr: nosuch > 1
"""


def of_no_time(value):
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {k: of_no_time(v) for k, v in value.items()
                if k not in ("evaluationTime", "lastEvaluation", "activeAt", "file")}
    if isinstance(value, list):
        return sorted((of_no_time(v) for v in value),
                      key=lambda v: json.dumps(v, sort_keys=True) if "alertname" in
                      str(v) else "")
    return value


def rules_and_alerts_are_told_as_prometheus_tells_them():
    with Daemon() as d:
        path = os.path.join(d.folder, "rules.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(RULES)
        d.write_config(OPEN + f'[rules]\nfiles = ["{path}"]\nexternal_labels = ["region=eu"]\n')
        d.argv += ["--config", d.config]
        d.start()
        more = {"rule_files": [path], "global": {"external_labels": {"region": "eu"}}}
        with prometheus(more=more, flags=["--web.enable-lifecycle"]) as p:
            now = int(time.time())
            for s in (p, d):
                load(s, samples(now))
            for s in (p, d):
                wait("evaluated", lambda s=s: len(api(s.url, "alerts")["alerts"]) == 3 and
                     api(s.url, "rules")["groups"][0]["rules"][1]["health"] == "err", 20)
            # Of one type it is another matter: prometheus 3 leaves out groups without such rules.
            for path in ("rules", "alerts"):
                said = [of_no_time(json.loads(fetch(f"{s.url}/api/v1/{path}")[1]))
                        for s in (p, d)]
                assert said[0] == said[1], (path, json.dumps(said[0])[:3000],
                                            json.dumps(said[1])[:3000])
            config = d.json("/api/v1/status/config")["data"]["yaml"]
            assert "region" in config and "rules.yml" in config, config[:500]
            page = ask(d, "GET", "/federate", {"match[]": "job:made_temp:avg"})[2].decode()
            assert 'job:made_temp:avg{job="a",team="a",instance="",region="eu"}' in page, page
            # A rule file that is wrong is told of, and the old rules stay.
            with open(os.path.join(d.folder, "rules.yml"), "w", encoding="utf-8") as f:
                f.write("groups:\n- name: x\n  rules:\n  - record: y\n    expr: sum(\n")
            said = [ask(s, "POST", "/-/reload") for s in (p, d)]
            assert said[0][0] == said[1][0] == 500, said
            assert b"rules.yml" in said[1][2] and b"parse error" in said[1][2], said
            assert len(d.json("/api/v1/rules")["data"]["groups"]) == 2


# ---- Prometheus's own description of its API (OpenAPI), where the test data has it

def faults(schema, value, whole, at="$"):
    """Where value is not of schema: the part of JSON Schema that the description uses."""
    if "$ref" in schema:
        return faults(whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value,
                      whole, at)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            tried = [faults(one, value, whole, at) for one in schema[word]]
            return [] if [] in tried else [f"{at}: none of {word}", *tried[0][:3]]
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool,
             "integer": int, "number": (int, float)}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or
                 (isinstance(value, bool) and kind != "boolean")):
        return [f"{at}: {type(value).__name__}, not {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    out = []
    if isinstance(value, list):
        for i, item in enumerate(value):
            out += faults(schema.get("items", {}), item, whole, f"{at}[{i}]")
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        out += [f"{at}.{k} is missing" for k in schema.get("required", []) if k not in value]
        for k, v in value.items():
            if k in known:
                out += faults(known[k], v, whole, f"{at}.{k}")
            elif more is False:
                out.append(f"{at}.{k} is not known")
            elif isinstance(more, dict):
                out += faults(more, v, whole, f"{at}.{k}")
    return out


DESCRIBED = {"/query": {"query": "up", "stats": "all"}, "/query_exemplars": {"query": "up"},
             "/query_range": {"query": "made_temp", "start": "FROM", "end": "NOW", "step": "15"},
             "/format_query": {"query": "sum(up)"}, "/parse_query": {"query": "sum(up)"},
             "/label/{name}/values": {}, "/series": {"match[]": "up"}}
# Ways in have tests of their own, and there is no scrape pool to tell of.
NOT_HERE = ("/read", "/write", "/otlp/v1/metrics", "/scrape_pools/config",
            "/targets/relabel_steps")


def every_answer_has_the_form_that_prometheus_describes():
    path = cases("conformance/openapi/prometheus_openapi_3.1_golden.yaml")
    try:
        import yaml
    except ImportError:
        raise Skip("python3-yaml is not installed") from None
    with open(path, encoding="utf-8") as f:
        whole = yaml.load(f, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    with Daemon() as d:
        rules = os.path.join(d.folder, "rules.yml")
        with open(rules, "w", encoding="utf-8") as f:
            f.write(RULES)
        d.write_config(OPEN + f'[rules]\nfiles = ["{rules}"]\n')
        d.argv += ["--config", d.config]
        d.start()
        now = int(time.time())
        load(d, samples(now))
        load(d, [({"__name__": "made_hist", "job": "h"}, [(now * 1000, HISTOGRAM)])])
        wait("alerts", lambda: api(d.url, "alerts")["alerts"])
        wrong, seen = [], 0
        for path, operations in whole["paths"].items():
            for method, operation in operations.items():
                if path in NOT_HERE or method not in ("get", "post", "put"):
                    continue
                form = {k: {"NOW": str(now), "FROM": str(now - 300)}.get(v, v)
                        for k, v in DESCRIBED.get(path, {}).items()}
                if path.startswith(("/search", "/admin")):
                    form = {"label": "job", "match[]": "up"}
                target = "/api/v1" + path.replace("{name}", "job")
                status, headers, body = ask(d, method.upper(), target,
                                            form if method == "get" else None,
                                            form if method != "get" else None)
                seen += 1
                said = next(iter(operation["responses"]["200"]["content"].items()))
                if status == 204 and path.startswith("/admin"):
                    continue  # Prometheus's program answers so, whatever its description says
                if status != 200 or headers["content-type"].split(";")[0] != said[0]:
                    wrong.append(f"{method} {path}: {status} {headers} {body[:200]}")
                elif said[0] == "application/json":
                    found = faults(said[1]["schema"], json.loads(body), whole)
                    wrong += [f"{method} {path}: {x}" for x in found[:5]]
                    bad = ask(d, method.upper(), target + "?limit=x&start=x&time=x&query=%28")
                    if bad[0] == 400:
                        found = faults({"$ref": "#/components/schemas/Error"},
                                       json.loads(bad[2]), whole)
                        wrong += [f"{method} {path}, refused: {x}" for x in found[:5]]
        # (A string has a time too, which its description forgets.)
        for path, query in (("/query", "made_hist"), ("/query", "1"), ("/query", "up[1m]"),
                            ("/query_range", "made_hist")):
            said = ask(d, "GET", "/api/v1" + path, {"query": query, "start": now - 60, "end": now,
                                                    "step": "15"})[2]
            schema = whole["paths"][path]["get"]["responses"]["200"]["content"]
            wrong += [f"{query}: {x}" for x in faults(schema["application/json"]["schema"],
                                                      json.loads(said), whole)[:5]]
        print(f"{seen} operations asked")
        assert seen >= 44 and not wrong, "\n".join(wrong)


# ---- clients

def promtool(*words):
    needs("promtool")
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60,
                          check=False)


def promtool_sees_no_difference():
    needs("promtool")
    with Both() as both:
        at, since = f"--time={both.now}", f"--start={both.now - 300}"
        end = f"--end={both.now}"
        for words in (["query", "instant", at, "URL", "sum by (job) (made_temp)"],
                      ["query", "instant", at, "-o", "json", "URL", "up"],
                      ["query", "instant", "URL", "sum("],
                      ["query", "range", since, end, "--step=60s", "URL", "up"],
                      ["query", "series", "--match=up", since, end, "URL"],
                      ["query", "labels", since, end, "URL", "job"],
                      ["check", "healthy", "--url=URL"],
                      ["check", "ready", "--url=URL"]):
            said = []
            for s in (both.peer, both.daemon):
                got = promtool(*(w.replace("URL", s.url) for w in words))
                said.append((got.returncode, got.stdout.replace(s.url, "URL"),
                             got.stderr.replace(s.url, "URL")))
            assert said[0] == said[1], (words, said)


def grafana_finds_what_it_asks_for():
    """Its health check, its start, a dashboard's variables and panels, its alerting page."""
    with Both() as both:
        p, d = both.peer, both.daemon
        window = {"start": f"{both.now - 3600}", "end": f"{both.now}"}
        sequence = [
            ("POST", "query", None, {"query": "1+1", "time": "4"}),
            ("GET", "status/buildinfo", None, None),
            ("GET", "rules", None, None),
            ("GET", "metadata", {"limit": "40000"}, None),
            ("POST", "labels", None, {**window, "limit": "40000"}),
            ("POST", "labels", None, {**window, "match[]": '{__name__="up"}', "limit": "40000"}),
            ("GET", "label/job/values", {**window, "limit": "40000"}, None),
            ("GET", "label/__name__/values", {**window, "match[]": '{job="a"}', "limit": "40000"},
             None),
            ("POST", "series", None, {**window, "match[]": '{__name__!=""}', "limit": "40000"}),
            ("GET", "query_exemplars", {"query": "test", **window}, None),
            ("POST", "query_range", None, {"query": "rate(made_requests_total[1m])",
                                           "start": f"{both.now - 300}", "end": f"{both.now}",
                                           "step": "15", "timeout": "30s"}),
            ("POST", "query", None, {"query": "up", "time": f"{both.now}", "timeout": "30s"}),
            ("GET", "alerts", None, None)]
        for method, path, query, form in sequence:
            answers = [ask(s, method, A + path, query, form) for s in (p, d)]
            bodies = [json.loads(a[2]) for a in answers]
            assert answers[0][0] == answers[1][0] == 200, (path, answers)
            if path == "status/buildinfo":
                assert "features" not in bodies[1]["data"], bodies[1]
                assert bodies[1]["data"]["version"].split(".")[0] == "3", bodies[1]
                continue
            assert bodies[0] == bodies[1], (path, bodies)
        # It reads as it comes: the type stands before the result.
        raw = ask(d, "POST", A + "query", None, {"query": "up"})[2]
        assert raw.index(b'"resultType"') < raw.index(b'"result":'), raw


# ---- lifecycle

def a_reload_over_http_is_one_by_signal():
    with Daemon(config=OPEN) as d:
        d.start()
        assert ask(d, "POST", "/-/reload")[0] == 200
        first = d.worker()
        d.write_config(OPEN + "[nonsense]\nx = 1\n")
        status, headers, body = ask(d, "PUT", "/-/reload")
        assert status == 500 and body.startswith(b"failed to reload config: "), (status, body)
        assert b"nonsense" in body and headers["content-type"].startswith("text/plain"), body
        notes = d.json("/api/v1/notifications")["data"]
        assert [n["text"] for n in notes] == ["Configuration reload has failed."], notes
        assert not d.json("/api/v1/status/runtimeinfo")["data"]["reloadConfigSuccess"]
        assert d.worker() == first
        d.write_config(OPEN + "[store]\nflush_interval_s = 600\n")
        assert ask(d, "POST", "/-/reload")[0] == 200
        assert d.json("/api/v1/notifications")["data"] == []
        assert "flush_interval_s = 600" in d.json("/api/v1/status/config")["data"]["yaml"]
        assert d.worker() == first
        # What needs another worker is answered too, by the one that goes.
        d.write_config(OPEN.replace("[collect]", "loops = 1\n[collect]"))
        assert ask(d, "POST", "/-/reload")[0] == 200
        wait("another worker", lambda: d.worker() not in (0, first))
        wait("ready", lambda: d.status("/readyz") == 200)


def notifications_arrive_while_they_happen():
    with Daemon(config=OPEN) as d:
        d.start()
        connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
        connection.request("GET", "/api/v1/notifications/live")
        r = connection.getresponse()
        assert r.status == 200 and r.getheader("Content-Type") == "text/event-stream"
        d.write_config("nonsense")
        assert ask(d, "POST", "/-/reload")[0] == 500
        event = r.readline().decode()
        said = json.loads(event.removeprefix("data: "))
        assert said["active"] and said["text"] == "Configuration reload has failed.", event
        assert r.readline() == b"\n"
        d.write_config(OPEN)
        assert ask(d, "POST", "/-/reload")[0] == 200
        assert not json.loads(r.readline().decode().removeprefix("data: "))["active"]
        begin = time.monotonic()
        assert d.stop() == 0
        assert time.monotonic() - begin < 5, "a stream held the end up"
        connection.close()


def the_daemon_ends_when_it_is_asked_to():
    with Daemon(config=OPEN) as d:
        d.start()
        assert d.push({"name": "kept", "value": 7})[0] == 200
        status, _, body = ask(d, "POST", "/-/quit")
        assert status == 200 and body == b"Requesting termination... Goodbye!"
        assert d.exit() == 0, d.said()
        with Daemon(config=OPEN, data=d.data) as again:
            again.start()
            assert [v for _, v in again.query("kept")] == [7]


def by_default_nobody_may_reload_delete_or_end():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        for path in ("/-/reload", "/-/quit"):
            assert ask(d, "POST", path)[::2] == (403, b"Lifecycle API is not enabled.")
        for what in ("delete_series", "clean_tombstones", "snapshot"):
            status, _, body = ask(d, "POST", f"{A}admin/tsdb/{what}", None, {"match[]": "up"})
            assert status == 500 and json.loads(body) == {
                "status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}, body
        headers = ask(d, "GET", A + "labels", headers={"Origin": "https://grafana.example"})[1]
        assert "access-control-allow-origin" not in headers
        assert d.status("/readyz") == 200


def what_is_deleted_is_gone_and_its_room_too():
    with Daemon(config=OPEN) as d:
        d.start()
        now = int(time.time()) * 1000
        series = [({"__name__": "made", "n": str(i)}, [(now - 1000 * k, float(i * k))
                                                       for k in range(400, 0, -1)])
                  for i in range(50)]
        load(d, series)
        status, _, body = ask(d, "PUT", A + "admin/tsdb/delete_series",
                              {"match[]": 'made{n!="7"}'})
        assert status == 204 and body == b"", (status, body)
        assert len(d.query("made")) == 1
        before = sum(b["stats"]["numSamples"]
                     for b in d.json("/api/v1/status/tsdb/blocks")["data"]["blocks"])
        assert ask(d, "POST", A + "admin/tsdb/clean_tombstones")[0] == 204
        blocks = d.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]
        assert sum(b["stats"]["numSamples"] for b in blocks) < before, (before, blocks)
        assert len(d.query("made")) == 1
        status, _, body = ask(d, "POST", A + "admin/tsdb/snapshot")
        name = json.loads(body)["data"]["name"]
        assert os.path.isdir(os.path.join(d.data, "snapshots", name)), name


def written_counts_stand_on_every_answer_to_2_0():
    counts = ["x-prometheus-remote-write-%s-written" % k for k in
              ("samples", "histograms", "exemplars")]
    with Daemon(config=OPEN) as d:
        d.start()

        def post(body, **more):
            c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
            c.request("POST", "/api/v1/write", body, {**wire.headers(v2=True), **more})
            r = c.getresponse()
            r.read()
            headers = {k.lower(): v for k, v in r.getheaders()}
            c.close()
            return r.status, [headers.get(k) for k in counts]
        now = int(time.time() * 1000)
        good = wire.WriteV2()
        good.add({"__name__": "w", "n": "1"}, [(now, 1.0)])
        assert post(good.bytes()) == (204, ["1", "0", "0"])
        part = wire.WriteV2()
        part.add({"__name__": "w", "n": "2"}, [(now, 1.0)])
        part.add({"n": "nameless"}, [(now, 1.0)])
        assert post(part.bytes()) == (400, ["1", "0", "0"])
        assert post(b"\xff\xff") == (400, ["0", "0", "0"])
        assert post(good.bytes(), **{"Content-Encoding": "br"}) == (415, ["0", "0", "0"])
        assert post(good.bytes(), **{"X-Scope-OrgID": "../x"}) == (400, ["0", "0", "0"])


def the_links_of_alerts_lead_to_our_page():
    with Daemon(config=OPEN) as d:
        d.start()
        status, headers, _ = ask(d, "GET", "/graph", {"g0.expr": 'up{job="a"} > 0', "g0.tab": "1"})
        assert status == 302 and headers["location"] == (
            "/?view=query&expr=up%7Bjob%3D%22a%22%7D%20%3E%200&tab=table")
        assert ask(d, "GET", headers["location"])[0] == 200


run(globals())
