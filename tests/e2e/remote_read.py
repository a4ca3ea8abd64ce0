#!/usr/bin/env python3
"""Debian's prometheus reads the daemon's series through remote read, and answers as the daemon."""
# timeout: 120
import json
import struct
import time

import _wire as wire
from _daemon import Daemon, run, wait
from _peers import Peer, api, differences, fetch, prometheus, raw_samples
from _wire import fields, unsnappy

READ_TYPE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
             "X-Prometheus-Remote-Read-Version": "0.1.0"}
SAMPLES, CHUNKS = 0, 1


def reader(d, flags=()):
    """A prometheus whose only data is what it reads from d."""
    config = {"global": {"scrape_interval": "1h"},
              "remote_read": [{"url": d.url + "/api/v1/read", "read_recent": True}]}
    return Peer("prometheus", "/-/ready",
                ["--config.file={dir}/prometheus.yml", "--storage.tsdb.path={dir}/data",
                 "--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags],
                [("prometheus.yml", json.dumps(config))])


def write(d, series):
    status, body = fetch(d.url + "/api/v1/write", wire.write_v1(series), wire.headers())
    assert status == 204, (status, body)


def made(start_ms):
    """Series with what is hard to code: resets, jumps of time, NaN, infinities, staleness."""
    odd = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7e308, "stale", 1.0, 1.0]
    series = []
    for n in range(20):
        samples = [(start_ms + 15000 * i + (i * i * n) % 700, float((i * (n + 1)) % 57) / 7)
                   for i in range(260)]
        series.append(({"__name__": "made", "n": str(n), "Upper": "a"}, samples))
    series.append(({"__name__": "odd"},
                   [(start_ms + 1000 * i * i, odd[i % len(odd)]) for i in range(60)]))
    return series


def whole(n):
    return {"count": 6 * n, "sum": 1.5 * n, "schema": 1, "zero": n, "zero_threshold": 0.001,
            "positive": {-2: n, -1: n, 3: 2 * n}, "negative": {1: n}}


def histograms(start_ms):
    """Whole and float histograms whose layout changes, that are reset, and that end."""
    def floating(n):
        return {"count": 3.5 * n, "sum": 0.25 * n, "schema": 0, "zero": 0.5 * n,
                "zero_threshold": 2.0 ** -128, "positive": {0: 1.0 * n, 1: 2.0 * n}}
    wide = {"count": 9000, "sum": 3.0, "schema": 1, "zero": 0, "zero_threshold": 0.3,
            "positive": {-40: 4000, 7: 5000}}
    one = [whole(i + 1) for i in range(150)] + [wide] + [whole(i + 1) for i in range(5)]
    one[40] = {"count": 0, "sum": "stale", "zero_threshold": 0.0}
    return [({"__name__": "whole"}, [(start_ms + 15000 * i, h) for i, h in enumerate(one)]),
            ({"__name__": "gauge"}, [(start_ms + 15000 * i, {**whole(5 + i % 3), "hint": 3})
                                     for i in range(20)]),
            ({"__name__": "floating"}, [(start_ms + 15000 * i, floating(1 + i % 50))
                                        for i in range(130)])]


def same(p, d, selector, at):
    theirs = raw_samples(p.url, selector, at)
    ours = raw_samples(d.url, selector, at)
    assert not differences(ours, theirs), "\n".join(differences(ours, theirs))
    return ours


def prometheus_reads_floats_as_they_were_written():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        start = int(time.time()) * 1000 - 3900 * 1000
        write(d, made(start))
        with reader(d) as p:
            at = time.time()
            found = same(p, d, '{__name__=~"made|odd"}', at)
            assert len(found) == 21, len(found)
            got = same(p, d, 'made{n=~"1.*",n!="11",Upper!~"b|c",job=""}', at)
            assert len(got) == 10, len(got)
            for query in ("sum by (n) (rate(made[5m]))", "count_over_time(odd[1h])", "odd"):
                answers = [api(u, "query_range", query=query, start=at - 3600.123, end=at,
                               step="61.7")["result"] for u in (d.url, p.url)]
                assert [s["metric"] for s in answers[0]] == [s["metric"] for s in answers[1]]
                assert answers[0] and len(answers[0][0]["values"]) == len(
                    answers[1][0]["values"]), query


def request(name, from_ms, to_ms, *accepted):
    matcher = wire.block(2, b"__name__") + wire.block(3, name.encode())
    query = wire.number(1, from_ms) + wire.number(2, to_ms) + wire.block(3, matcher)
    return wire.snappy(wire.block(1, query) + b"".join(wire.number(2, a) for a in accepted))


def frames(data):
    """{labels: [(first_ms, last_ms, type, bytes)]} of a streamed answer of one query."""
    at, found = 0, {}
    while at < len(data):
        n, at = wire.read_varint(data, at)
        message = data[at + 4:at + 4 + n]
        assert int.from_bytes(data[at:at + 4], "big") == crc32c(message)
        at += 4 + n
        for number, series in fields(message):
            assert number == 1, number
            inside = fields(series)
            labels = tuple(sorted((dict(fields(v))[1], dict(fields(v))[2])
                                  for k, v in inside if k == 1))
            found.setdefault(labels, []).extend(
                tuple(dict(fields(v)).get(i, 0) for i in (1, 2, 3, 4))
                for k, v in inside if k == 2)
    return found


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def chunks_are_those_of_prometheus_bit_by_bit():
    """Both are written the same. Prometheus cuts its chunks at two-hour marks too, and where it
    foresees more than 120 samples before the next one, so that the series are short."""
    start = (int(time.time()) - 3600) // 7200 * 7200 * 1000
    series = [(labels, samples[:100]) for labels, samples in made(start)[:3]]
    # 2.42 cannot stream gauge histograms.
    series += [(labels, samples[:30]) for labels, samples in histograms(start)
               if labels["__name__"] != "gauge"]
    edge = [(start + 1000 * i, float(i)) for i in range(100)]
    edge[50] = (edge[50][0] + 300, 2.0 ** 60)
    edge[70] = (edge[70][0] + 999, -1e-300)
    series.append(({"__name__": "edge"}, edge))
    series.append(({"__name__": "wide"}, [(start + 40000 * i * (i + 1), 1.0 / (i + 1))
                                          for i in range(6)]))
    with Daemon(settings=["collect.enabled=false"]) as d, prometheus(
            flags=["--enable-feature=native-histograms"]) as p:
        d.start()
        for url in (d.url, p.url):
            status, body = fetch(url + "/api/v1/write", wire.write_v1(series), wire.headers())
            assert status == 204, (status, body)
        for labels, samples in series:
            asked = request(labels["__name__"], start - 1000, samples[-1][0] + 1000,
                            CHUNKS, SAMPLES)
            answers = []
            for url in (p.url, d.url):
                status, body = fetch(url + "/api/v1/read", asked, READ_TYPE)
                assert status == 200, (url, status, body)
                answers.append(frames(body))
            theirs, ours = answers
            assert theirs and theirs.keys() == ours.keys(), (labels, theirs.keys(), ours.keys())
            for key, chunks in theirs.items():
                assert chunks == ours[key], (key, chunks[0][:3], ours[key][0][:3],
                                             chunks[0][3].hex(), ours[key][0][3].hex())


def a_client_that_asks_for_samples_gets_them_in_one_message():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        now = int(time.time()) * 1000
        write(d, [({"__name__": "a", "x": "1"}, [(now - 2000, 1.5), (now - 1000, 2.5),
                                                 (now, 3.5)])])
        status, body = fetch(d.url + "/api/v1/read",
                             request("a", now - 1000, now - 1, SAMPLES, CHUNKS), READ_TYPE)
        assert status == 200, body
        (_, result), = fields(unsnappy(body))
        (_, series), = fields(result)
        labels = [dict(fields(v)) for k, v in fields(series) if k == 1]
        assert labels == [{1: b"__name__", 2: b"a"}, {1: b"x", 2: b"1"}], labels
        assert [dict(fields(v)) for k, v in fields(series) if k == 2] == [
            {1: struct.pack("<d", 2.5), 2: now - 1000}]
        status, body = fetch(d.url + "/api/v1/read", request("b", 0, now, SAMPLES), READ_TYPE)
        assert status == 200 and fields(unsnappy(body)) == [(1, b"")], body


def bad_requests_are_refused_in_words():
    with Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        now = int(time.time()) * 1000
        write(d, [({"__name__": "a"}, [(now, 1.0)])])
        matcher = wire.number(1, 2) + wire.block(2, b"x") + wire.block(3, b"(")
        broken_regex = wire.snappy(wire.block(1, wire.number(2, now) + wire.block(3, matcher)))
        for body, words in ((b"", b"snappy"), (b"nonsense", b"snappy"),
                            (wire.snappy(b"\xff\xff\xff"), b"protobuf"), (broken_regex, b"(")):
            status, said = fetch(d.url + "/api/v1/read", body, READ_TYPE)
            assert status == 400 and words in said, (body, status, said)
        wait("alive", lambda: d.query("a"))


run(globals())
