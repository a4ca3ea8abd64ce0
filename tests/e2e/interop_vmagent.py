#!/usr/bin/env python3
"""A real vmagent scrapes and writes to the daemon and to victoria-metrics: both have the same."""
# timeout: 150
import json
import math
import os
import re
import signal
import time

from _daemon import Daemon, run, wait
from _peers import Peer, Target, fetch, raw_samples, settle, victoria

LABELS = ['quote\\"s', "back\\\\slash", "new\\nline", "Grüße 世界 🙂", " blanks "]


def page(n, _):
    lines = ["# TYPE agent_total counter"]
    lines += [f'agent_total{{l="{label}"}} {n * (i + 1)}' for i, label in enumerate(LABELS)]
    lines += ["# TYPE agent_gauge gauge", f'agent_gauge{{k="a"}} {round(math.sin(n), 4)}',
              f'agent_gauge{{k="b"}} -{n}.25', 'agent_gauge{k="c"} +Inf', 'agent_gauge{k="d"} 1e-5']
    if n % 4 < 2:
        lines.append(f"agent_flapping {n}")
    return "text/plain; version=0.0.4", ("\n".join(lines) + "\n").encode()


def vmagent(scrapes, urls):
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
              "scrape_configs": scrapes}
    return Peer("vmagent", "/health",
                ["-promscrape.config={dir}/scrape.yml", "-httpListenAddr=127.0.0.1:{port}",
                 "-remoteWrite.tmpDataPath={dir}/queue", "-remoteWrite.flushInterval=500ms",
                 "-loggerLevel=ERROR", *(f"-remoteWrite.url={u}/api/v1/write" for u in urls)],
                [("scrape.yml", json.dumps(config))])


def exported(url):
    """{labels: {ms: value}} of all that victoria-metrics has; staleness markers are None."""
    status, body = fetch(url + '/api/v1/export?match[]={__name__!=""}')
    assert status == 200, body[:300]
    body = re.sub(rb'(?<![\w"])\+?(-?)Inf\b', rb"\1Infinity", body)
    return {tuple(sorted(row["metric"].items())): dict(zip(row["timestamps"], row["values"]))
            for row in map(json.loads, body.splitlines())}


def number(v):
    if v is None:
        return None
    return {"Infinity": math.inf, "-Infinity": -math.inf}.get(v, v) if isinstance(v,
                                                                                  str) else float(v)


def same(vm, d, at):
    """Lines of what both differ in up to at; the staleness markers are looked at elsewhere."""
    end, found = int(at * 1000), []
    ref = {k: {t: number(v) for t, v in s.items() if t <= end and v is not None}
           for k, s in exported(vm.url).items()}
    ref = {k: s for k, s in ref.items() if s}
    ours = {k: {round(t * 1000): float(v) for t, v in s}
            for k, s in raw_samples(d.url, '{__name__!=""}', at).items()}
    for key in sorted(set(ref) | set(ours)):
        if ref.get(key) != ours.get(key):
            a, b = ref.get(key, {}), ours.get(key, {})
            found.append(f"{key}: {sorted(set(a.items()) - set(b.items()))[:3]} only in "
                         f"victoria-metrics, {sorted(set(b.items()) - set(a.items()))[:3]} "
                         "only in sonde")
    return found, ref


def equal_at(vm, d, at):
    result = {}

    def is_same():
        fetch(vm.url + "/internal/force_flush")
        result["found"], result["ref"] = same(vm, d, at)
        return result["ref"] and not result["found"]

    try:
        wait("the same samples", is_same, 20)
    except AssertionError:
        raise AssertionError("\n".join(result["found"][:20])) from None
    return result["ref"]


def every_sample_of_vmagent_arrives_and_its_series_end():
    with Daemon(settings=["collect.enabled=false"]) as d, Target(page) as target, victoria() as vm:
        d.start()
        job = {"job_name": "agent", "static_configs": [{"targets": [target.address]}]}
        with vmagent([job], [d.url, vm.url]):
            wait("scrapes", lambda: target.scrapes >= 8, 30)
            settle(1.5)
            at = time.time() - 1
            samples = equal_at(vm, d, at)
            assert sum(len(s) for s in samples.values()) > 100
            seen = {dict(k).get("l") for k in samples}
            assert {"Grüße 世界 🙂", 'quote"s', "new\nline"} <= seen, seen
            stale_markers_end_series(vm, d, at)


def stale_markers_end_series(vm, d, at):
    """agent_flapping was away now and then: at its markers there is no value."""
    key, marks = next((k, [t for t, v in s.items() if v is None and t <= at * 1000])
                      for k, s in exported(vm.url).items()
                      if dict(k)["__name__"] == "agent_flapping")
    assert marks, key
    for t in marks:
        for ms, wanted in ((t - 1, 1), (t, 0)):
            answer = d.json(f"/api/v1/query?query=agent_flapping&time={ms / 1000:.3f}")
            assert len(answer["data"]["result"]) == wanted, (ms, answer)


def nothing_is_missing_after_the_worker_was_killed_twice():
    with Daemon(settings=["collect.enabled=false"]) as d, Target(page) as target, victoria() as vm:
        d.start()
        job = {"job_name": "agent", "static_configs": [{"targets": [target.address]}]}
        with vmagent([job], [d.url, vm.url]):
            for _ in range(2):
                seen = target.scrapes
                wait("scrapes", lambda s=seen: target.scrapes >= s + 3, 30)
                first = wait("a worker", d.worker)
                os.kill(first, signal.SIGKILL)
                wait("a new worker", lambda f=first: d.worker() not in (0, f), 20)
            seen = target.scrapes
            wait("scrapes", lambda: target.scrapes >= seen + 3, 30)
            settle(1.5)
            samples = equal_at(vm, d, time.time() - 1)
            assert max(len(s) for s in samples.values()) >= 8, "too few scrapes"


run(globals())
