#!/usr/bin/env python3
"""A real prometheus writes to the daemon and scrapes it; promtool asks it."""
# timeout: 240
import math
import os
import re
import signal
import subprocess
import time

import _wire as wire
from _daemon import Daemon, Skip, run, wait
from _peers import (Peer, Target, api, differences, fetch, key_of, needs, prometheus, raw_samples,
                    settle)

AWKWARD = ['quote\\"s', "back\\\\slash", "new\\nline", "Grüße 世界 🙂", "a,b={}", " blanks ",
           "%41&x=1"]


def text_page(n, _):
    """What a program exposes on its n-th scrape: every kind of metric, every kind of value."""
    lines = ["# HELP made_requests_total All \\\\ requests\\nin two lines.",
             "# TYPE made_requests_total counter"]
    for i, label in enumerate(AWKWARD):
        lines.append(f'made_requests_total{{path="{label}",n="{i}"}} {(n * (i + 1)) % 40}')
    lines += ["# HELP made_gauge A gauge.", "# TYPE made_gauge gauge"]
    # No -0: prometheus leaves a value that equals 0 out of its messages.
    for i, value in enumerate(("NaN", "+Inf", "-Inf", "0", "1e-320", "1.7976931348623157e308",
                               repr(math.sin(n)), repr(n / 3), str(2 ** 53 + n), "0.1")):
        lines.append(f'made_gauge{{kind="{i}"}} {value}')
    lines += ["# TYPE made_latency_seconds histogram"]
    for k, le in enumerate(("0.1", "1", "+Inf")):
        lines.append(f'made_latency_seconds_bucket{{le="{le}"}} {n * (k + 1)}')
    lines += [f"made_latency_seconds_sum {n * 0.7}", f"made_latency_seconds_count {n * 3}"]
    if n % 4 < 2:  # comes and goes: a staleness marker each time
        lines.append(f"made_flapping {n}")
    return "text/plain; version=0.0.4", ("\n".join(lines) + "\n").encode()


def open_page(n, _):
    return "application/openmetrics-text; version=1.0.0; charset=utf-8", (
        "# TYPE open_requests counter\n# HELP open_requests With examples.\n"
        f'open_requests_total{{code="200"}} {n} # {{trace_id="t{n}"}} 0.5\n'
        "# TYPE open_seconds histogram\n"
        f'open_seconds_bucket{{le="1.0"}} {n} # {{trace_id="b{n}",span="s"}} 0.25\n'
        f'open_seconds_bucket{{le="+Inf"}} {2 * n}\nopen_seconds_sum {n}\n'
        f"open_seconds_count {2 * n}\n"
        "# EOF\n").encode()


def protobuf_page(n, accept):
    """One native histogram, as protobuf is the only format of 2.42 that has them."""
    if "application/vnd.google.protobuf" not in accept:
        return "text/plain; version=0.0.4", b"native_missing 1\n"
    h = wire.number(1, 10 * n) + wire.double(2, 12.5 * n) + wire.signed(5, 1)
    h += wire.double(6, 1e-9) + wire.number(7, n)
    h += wire.block(12, wire.signed(1, -2) + wire.number(2, 3))
    h += wire.signed(13, 2 * n) + wire.signed(13, n) + wire.signed(13, n)
    metric = wire.block(1, wire.block(1, b"via") + wire.block(2, b"protobuf")) + wire.block(7, h)
    family = (wire.block(1, b"native_seconds") + wire.block(2, b"A native histogram.") +
              wire.number(3, 4) + wire.block(4, metric))
    kind = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
            "encoding=delimited")
    return kind, wire.varint(len(family)) + family


def writes_to(d):
    return {"url": d.url + "/api/v1/write", "send_exemplars": True,
            "send_native_histograms": True,
            "metadata_config": {"send": True, "send_interval": "1s"},
            "queue_config": {"batch_send_deadline": "500ms", "min_backoff": "50ms",
                             "max_backoff": "500ms", "max_shards": 4}}


def scrape(job, target):
    return {"job_name": job, "static_configs": [{"targets": [target.address]}]}


def equal_at(p, d, at, selector='{__name__=~".+"}'):
    """Waits until both have the same samples in the hour before at; the samples."""
    found = {}

    def same():
        ref = raw_samples(p.url, selector, at)
        ours = raw_samples(d.url, selector, at)
        found["lines"], found["ref"] = differences(ref, ours), ref
        return not found["lines"] and len(ref) > 0

    try:
        wait("the same samples", same, 30)
    except AssertionError:
        raise AssertionError("prometheus (first) and sonde (second) differ:\n" +
                             "\n".join(found["lines"])) from None
    return found["ref"]


FLAGS = ["--enable-feature=exemplar-storage,native-histograms"]


def every_sample_of_prometheus_arrives_with_its_time_and_value():
    with Daemon(settings=["collect.enabled=false"]) as d, Target(text_page) as text, \
            Target(open_page) as opened, Target(protobuf_page) as native:
        d.start()
        with prometheus([scrape("text", text), scrape("open", opened), scrape("native", native)],
                        writes_to(d), FLAGS) as p:
            wait("scrapes", lambda: min(text.scrapes, opened.scrapes, native.scrapes) >= 8, 30)
            samples = equal_at(p, d, time.time() - 1)
            names = {dict(k)["__name__"] for k in samples}
            assert {"up", "made_gauge", "made_flapping", "open_requests_total", "native_seconds",
                    "scrape_duration_seconds"} <= names, names
            labels = {dict(k).get("path") for k in samples}
            assert {"Grüße 世界 🙂", 'quote"s', "new\nline", "back\\slash"} <= labels, labels
            assert sum(len(s) for s in samples.values()) > 250
            assert any(v.startswith("{") for _, v in samples[next(
                k for k in samples if dict(k)["__name__"] == "native_seconds")]), "no histogram"
            fetch_exemplars_of_both(p, d)
            metadata_of_both(p, d)


def fetch_exemplars_of_both(p, d):
    end = time.time() - 1
    span = {"query": '{__name__=~"open_.+"}', "start": f"{end - 600:.3f}", "end": f"{end:.3f}"}

    def flat(data):
        return sorted((key_of(s["seriesLabels"]), key_of(e["labels"]), e["value"], e["timestamp"])
                      for s in data for e in s["exemplars"])

    def same():
        ref = flat(api(p.url, "query_exemplars", **span))
        return len(ref) > 10 and ref == flat(api(d.url, "query_exemplars", **span))

    wait("the same exemplars", same, 20)


def metadata_of_both(p, d):
    def same():
        ref = api(p.url, "metadata")
        ours = api(d.url, "metadata")
        return ref and all(ours.get(name) == rows for name, rows in ref.items())

    wait("the same metadata", same, 20)
    ours = api(d.url, "metadata")
    assert ours["made_requests_total"] == [{"type": "counter", "unit": "",
                                            "help": "All \\ requests\nin two lines."}], ours


def a_target_that_goes_away_ends_its_series_at_the_same_millisecond():
    with Daemon(settings=["collect.enabled=false"]) as d, Target(text_page) as target:
        d.start()
        with prometheus([scrape("away", target)], writes_to(d)) as p:
            wait("scrapes", lambda: target.scrapes >= 4, 30)
            target.down = True
            wait("it is down", lambda: [r["value"][1] for r in api(
                p.url, "query", query="up")["result"]] == ["0"], 10)
            settle(1.5)
            at = time.time() - 0.5
            equal_at(p, d, at)
            for query in ('made_gauge{kind="9"}', "made_flapping", "up"):
                answers = []
                # Milliseconds, a few seconds at a time: points are limited.
                for url in (p.url, d.url):
                    answers.append([api(url, "query_range", query=query, step="0.001",
                                        start=f"{at - 9 + k:.3f}",
                                        end=f"{at - 6 + k:.3f}")["result"]
                                    for k in (0, 3, 6)])
                assert answers[0] == answers[1], query
            gone = api(d.url, "query", query='count({__name__=~"made_.+"})', time=f"{at:.3f}")
            assert gone["result"] == [], gone
            assert api(d.url, "query", query="up", time=f"{at:.3f}")["result"]


def nothing_is_missing_after_the_worker_was_killed_three_times():
    with Daemon(settings=["collect.enabled=false"]) as d, Target(text_page) as target:
        d.start()
        with prometheus([scrape("killed", target)], writes_to(d)) as p:
            for kill in range(3):
                seen = target.scrapes
                wait("scrapes", lambda s=seen: target.scrapes >= s + 3, 30)
                first = wait("a worker", d.worker)
                os.kill(first, signal.SIGKILL)
                wait(f"worker {kill + 2}", lambda f=first: d.worker() not in (0, f), 20)
            seen = target.scrapes
            wait("scrapes", lambda: target.scrapes >= seen + 3, 30)
            samples = equal_at(p, d, time.time() - 1)
            ups = next(v for k, v in samples.items() if dict(k)["__name__"] == "up")
            assert len(ups) >= 9, ups
            dropped = fetch(p.url + "/metrics")[1].decode()
            for line in dropped.splitlines():
                if line.startswith(("prometheus_remote_storage_samples_failed_total",
                                    "prometheus_remote_storage_samples_dropped_total")):
                    assert line.endswith(" 0"), line


def debian_node_exporter_through_prometheus_is_stored_whole():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        with Peer("prometheus-node-exporter", "/metrics",
                  ["--web.listen-address=127.0.0.1:{port}", "--log.level=error",
                   "--no-collector.systemd"]) as e:
            job = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{e.port}"]}]}
            with prometheus([job], writes_to(d)) as p:
                wait("scrapes", lambda: api(p.url, "query", query='up{job="node"}')["result"], 30)
                settle(3)
                assert len(equal_at(p, d, time.time() - 1)) > 300


def prometheus_scrapes_our_own_metrics_in_both_formats():
    with Daemon() as d:
        d.start()
        wait("collected", lambda: d.query("node_load1"))
        with prometheus([{"job_name": "open",
                          "static_configs": [{"targets": [f"127.0.0.1:{d.port}"]}]}],
                        flags=FLAGS) as p:
            wait("scraped", lambda: [r["value"][1] for r in api(p.url, "query",
                                                                query="up")["result"]]
                 == ["1"], 20)
            target = api(p.url, "targets")["activeTargets"][0]
            assert target["lastError"] == "" and target["health"] == "up", target
            here = api(p.url, "query", query='count({job="open"})')["result"][0]["value"][1]
            assert int(here) > 100, here
            kinds = {name: rows[0]["type"] for name, rows in api(p.url, "metadata").items()}
            assert kinds.get("node_load1") == "gauge", kinds
            # OpenMetrics names a counter's family without its suffix.
            assert kinds.get("node_cpu_seconds") == "counter", kinds

        # A proxy in between asks for the plain text format alone.
        def proxied(_, __):
            status, body = fetch(d.url + "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
            assert status == 200
            return "text/plain; version=0.0.4; charset=utf-8", body

        with Target(proxied) as plain, prometheus([scrape("plain", plain)]) as p:
            wait("scraped", lambda: [r["value"][1] for r in api(p.url, "query",
                                                                query="up")["result"]]
                 == ["1"], 20)
            assert api(p.url, "targets")["activeTargets"][0]["lastError"] == ""


def promtool(*words, **more):
    needs("promtool")
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, **more)


def promtool_finds_no_fault_in_our_metrics():
    needs("promtool")
    with Daemon() as d:
        d.start()
        wait("collected", lambda: d.query("node_load1"))
        status, body = d.get("/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        assert status == 200
        checked = promtool("check", "metrics", input=body.decode())
        # 3: it has opinions on names (those of node_exporter and cAdvisor among them); 1: it could
        # not read the text.
        said = (checked.stdout + checked.stderr).splitlines()
        faults = [x for x in said if x and not re.match("node_|container_", x)]
        assert checked.returncode in (0, 3) and not faults, faults


def promtool_asks_queries_series_and_labels():
    needs("promtool")
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        now = int(time.time())
        for i in range(4):
            assert d.push({"name": "asked", "value": i, "timestamp": now - 60 + 15 * i,
                           "tags": {"host": "a b"}})[0] == 200
        got = promtool("query", "instant", d.url, "asked + 1", f"--time={now}")
        assert got.returncode == 0 and got.stdout.startswith('{host="a b"} => 4 @['), got
        got = promtool("query", "range", d.url, "asked", f"--start={now - 60}", f"--end={now}",
                       "--step=15s")
        assert got.returncode == 0 and f"1 @[{now - 45}" in got.stdout, got
        got = promtool("query", "series", d.url, "--match=asked", f"--start={now - 60}",
                       f"--end={now}")
        assert got.returncode == 0 and "asked" in got.stdout and "a b" in got.stdout, got
        got = promtool("query", "labels", d.url, "host", f"--start={now - 60}", f"--end={now}")
        assert got.returncode == 0 and got.stdout.strip() == "a b", got
        got = promtool("query", "instant", d.url, "sum(")
        assert got.returncode == 1 and "parse error" in got.stderr, got


def promtool_pushes_its_metrics():
    if "push" not in promtool("--help").stdout + promtool("--help").stderr:
        raise Skip("this promtool cannot push")
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        path = os.path.join(d.folder, "pushed.txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write("# TYPE pushed gauge\npushed 5\n")
        got = promtool("push", "metrics", d.url + "/api/v1/write", path)
        assert got.returncode == 0 and [v for _, v in d.query("pushed")] == [5], got


run(globals())
