#!/usr/bin/env python3
"""Cached answers are those without the cache, over a store that is written to, flushed, merged and
deleted from; the list of running queries."""
# timeout: 120
# suites: plain asan
import json
import random
import threading
import time
import urllib.parse
import urllib.request

from _daemon import SANITIZED, Daemon, run, wait

QUERIES = ["a_total", "rate(a_total[2m])", "sum by (job) (rate(a_total[3m]))", "gauge offset 3m",
           "max_over_time(gauge[10m:1m])", "topk(2, gauge)", "a_total / on (i) gauge",
           "count(gauge) or vector(7)", "sum(a_total) - sum(gauge)", "absent(gauge{i=\"1\"})",
           "quantile_over_time(0.4, gauge[5m])", "avg(gauge)", "gauge > 40"]
SERIES = 12


def daemon(*more):
    return Daemon(settings=["collect.enabled=false", "server.admin_api=true", *more])


def ask(d, path, headers=None, **parameters):
    return d.get(path + "?" + urllib.parse.urlencode(parameters), headers=headers, timeout=60)


def push(d, samples):
    status, text = d.get("/api/metrics", json.dumps(samples).encode(),
                         {"Content-Type": "application/json"})
    assert status == 200 and json.loads(text)["accepted"] == len(samples), text


def write(d, rng, at_s):
    found = [{"name": name, "value": rng.randrange(100) / 4, "timestamp": at_s,
              "tags": {"i": str(i), "job": "odd" if i % 2 else "even"}}
             for name in ("a_total", "gauge") for i in range(SERIES) if rng.random() < 0.9]
    push(d, found)


def change(d, rng, now):
    """Something other than the next samples."""
    what = rng.randrange(12)
    if what < 4:
        write(d, rng, now - rng.randrange(3000))
    elif what < 6:
        begin = now - rng.randrange(2500)
        status, text = d.get("/api/v1/admin/tsdb/delete_series?" + urllib.parse.urlencode(
            {"match[]": 'gauge{i="%d"}' % rng.randrange(SERIES), "start": begin,
             "end": begin + rng.randrange(300)}), data=b"")
        assert status == 204, text
    elif what == 6:
        assert d.get("/api/admin/flush", data=b"")[0] == 204
    elif what == 7:
        assert d.get("/api/admin/merge", data=b"")[0] == 204


def held(d):
    text = d.get("/metrics")[1].decode()
    return int(next(line.split()[1] for line in text.splitlines()
                    if line.startswith("sonde_query_cache_steps_total")))


def a_cached_answer_is_the_one_of_the_store():
    rng, rounds = random.Random(3), 80 if SANITIZED else 400
    with daemon() as d:
        d.start()
        now = int(time.time()) - 4000
        for _ in range(150):
            write(d, rng, now)
            now += 15
        steps = 0
        for _ in range(rounds):
            if rng.random() < 0.5:
                write(d, rng, now)
                now += rng.choice((5, 15))
            if rng.random() < 0.25:
                change(d, rng, now)
            step = rng.choice((15, 60))
            end = now // step * step
            start = end - step * rng.randrange(60)
            how = {"query": rng.choice(QUERIES), "start": start, "end": end, "step": step}
            cached = json.loads(ask(d, "/api/v1/query_range", **how)[1])
            plain = json.loads(ask(d, "/api/v1/query_range", nocache=1, **how)[1])
            assert cached["data"] == plain["data"], (how, cached, plain)
            steps += (end - start) // step + 1
        assert held(d) > steps // 10, (held(d), steps)


def a_sample_that_was_acknowledged_is_in_the_next_answer():
    with daemon() as d:
        d.start()
        now = int(time.time()) // 60 * 60 - 600
        for i in range(200):
            push(d, [{"name": "late", "value": i, "timestamp": now - i % 50 * 10,
                      "tags": {"a": "b"}}])
            text = json.loads(ask(d, "/api/v1/query_range", query="late", start=now - 490, end=now,
                                  step=10)[1])["data"]["result"]
            found = {t: v for t, v in text[0]["values"]}
            assert found[now - i % 50 * 10] == str(i), (i, found)
        assert held(d) > 2000


def a_running_query_can_be_seen_and_canceled_and_a_slow_one_is_logged():
    with daemon("query.slow_log_ms=100") as d:
        d.start()
        answers = []
        query = "max_over_time(vector(time())[1h:1ms])"
        asker = threading.Thread(target=lambda: answers.append(ask(
            d, "/api/v1/query_range", query=query, start=0, end=11000, step=1)))
        asker.start()
        one = wait("it runs", lambda: [q for q in d.json("/api/queries")["data"]["running"]
                                       if q["state"] == "running"])[0]
        assert one["query"] == query and one["kind"] == "range", one
        time.sleep(0.3)  # slow enough for the log
        assert one["id"] and d.get(f"/api/queries/{one['id']}")[0] == 405
        cancel = urllib.request.Request(f"{d.url}/api/queries/{one['id']}", method="DELETE")
        with urllib.request.urlopen(cancel, timeout=10) as r:
            assert r.status == 200
        asker.join()
        status, text = answers[0]
        assert status == 499 and json.loads(text)["errorType"] == "canceled", (status, text)
        wait("a line of the log", lambda: any("slow query: " in line and query in line and
                                              "canceled" in line for line in d.errors))


def the_settings_of_queries_are_reloaded():
    with Daemon(config="[query]\nsamples_read_max = 1000\n[collect]\nenabled = false\n") as d:
        d.start()
        now = int(time.time())
        for i in range(11):
            push(d, [{"name": "many", "value": i, "timestamp": now - i, "tags": {"n": str(n)}}
                     for n in range(100)])
        status, text = ask(d, "/api/v1/query", query="count_over_time(many[1h])", time=now)
        assert status == 422 and b"samples of 100 series (limit 1000)" in text, text
        d.write_config("[query]\nsamples_read_max = 2000\nfeatures = "
                       '["promql-experimental-functions"]\n[collect]\nenabled = false\n')
        d.process.send_signal(1)
        wait("the new limit", lambda: ask(d, "/api/v1/query", query="count_over_time(many[1h])",
                                          time=now)[0] == 200)
        assert ask(d, "/api/v1/query", query="limitk(1, many)", time=now)[0] == 200
        d.write_config('[query]\nfeatures = ["no-such-thing"]\n')
        d.process.send_signal(1)
        wait("the reason", lambda: any("no-such-thing" in line for line in d.errors))


run(globals())
