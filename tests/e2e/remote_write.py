#!/usr/bin/env python3
"""Remote write 1.0 and 2.0 from an encoder of our own, and what the query API gives back."""
# timeout: 120
# suites: plain asan
import http.client
import math
import time

import _wire as wire
from _daemon import Daemon, run
from _peers import api

HOUR_MS = 3600 * 1000


def now_ms():
    return int(time.time() * 1000)


def daemon():
    return Daemon(settings=["collect.enabled=false"])


def post(d, body, headers, path="/api/v1/write"):
    """(status, {header: value}, text)."""
    c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
    c.request("POST", path, body, headers)
    r = c.getresponse()
    text = r.read().decode("utf-8", "replace")
    c.close()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, text


def written(headers):
    return tuple(headers.get(f"x-prometheus-remote-write-{what}-written")
                 for what in ("samples", "histograms", "exemplars"))


def raw(d, selector, at_ms, seconds=3600):
    """[[time in ms, text or histogram]] of the one series that selector finds."""
    result = api(d.url, "query", query=f"{selector}[{seconds}s]",
                 time=f"{at_ms / 1000:.3f}")["result"]
    assert len(result) == 1, (selector, result)
    return [[round(t * 1000), v] for t, v in
            result[0].get("values", []) + result[0].get("histograms", [])]


def the_counts_of_what_was_written_are_told():
    with daemon() as d:
        d.start()
        t = now_ms()
        w = wire.WriteV2()
        w.add({"__name__": "told", "a": "1"}, [(t - 1000, 1.0), (t, 2.0)],
              exemplars=[({"trace_id": "x"}, t, 2.0)], kind=wire.COUNTER, text="Told.",
              unit="things")
        w.add({"__name__": "told_h"}, [(t,
                                        {"count": 3, "sum": 1.5, "zero": 1, "positive": {0: 2}})])
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert (status, text) == (204, ""), (status, text)
        assert written(headers) == ("2", "1", "1"), headers
        assert raw(d, "told", t) == [[t - 1000, "1"], [t, "2"]]
        assert api(d.url, "metadata", metric="told") == {
            "told": [{"type": "counter", "help": "Told.", "unit": "things"}]}
        status, headers, text = post(d, wire.WriteV2().bytes(), wire.headers(v2=True))
        assert status == 204 and written(headers) == ("0", "0", "0"), (status, headers)
        status, headers, _ = post(d, wire.write_v1([({"__name__": "old"}, [(t, 1.0)])]),
                                  wire.headers())
        assert status == 204 and written(headers) == (None, None, None), headers


def samples_with_created_timestamps_lose_nothing():
    """Also where the timestamp is odd: it is no reason to lose the sample."""
    with daemon() as d:
        d.start()
        t = now_ms() // 60000 * 60000 - 600000
        w = wire.WriteV2()
        w.add({"__name__": "born_total"}, [(t + 15000 * i, 5.0 + i, t - 30000) for i in range(5)],
              kind=wire.COUNTER)
        w.add({"__name__": "odd_total"}, [(t, 1.0, t + 5000)])
        h = {"count": 1, "sum": 1.0, "positive": {0: 1}}
        w.add({"__name__": "born_h"}, [(t, h, t - 30000)])
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert status == 204 and written(headers) == ("6", "1", "0"), (status, text)
        for _ in range(2):
            assert raw(d, "born_total", t + 60000) == [[t + 15000 * i,
                                                        str(5 + i)] for i in range(5)]
            assert raw(d, "odd_total", t) == [[t, "1"]]
            assert raw(d, "born_h", t)[0][1]["count"] == "1"
            assert d.stop() == 0
            d.start()


def native_histograms_are_given_back_bucket_by_bucket():
    with daemon() as d:
        d.start()
        t = now_ms()
        h = {"count": 21, "sum": -2.25, "schema": 0, "zero": 2, "zero_threshold": 0.5,
             "positive": {1: 3, 2: 4, 7: 1}, "negative": {1: 5, 4: 6}, "hint": 2}
        f = {"count": 7.5, "sum": math.pi, "schema": 3, "zero": 0.5,
             "positive": {-5: 3.25, -4: 3.75},
             "hint": 3}
        w = wire.WriteV2().add({"__name__": "whole"}, [(t - 15000, h), (t, h)])
        w.add({"__name__": "floats"}, [(t, f)])
        w.add({"__name__": "custom"}, [(t, {"count": 10, "sum": 12.0, "schema": -53,
                                            "zero_threshold": 0.0,
                                            "positive": {0: 4, 1: 5, 2: 1}, "bounds": [0.5, 2.0]})])
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert status == 204 and written(headers) == ("0", "4", "0"), (status, text, headers)
        got = raw(d, "whole", t)
        assert [x for x, _ in got] == [t - 15000, t]
        for _, answer in got:
            assert answer == {"count": "21", "sum": "-2.25", "buckets": [
                [1, "-16", "-8", "6"], [1, "-2", "-1", "5"], [3, "-0.5", "0.5", "2"],
                [0, "1", "2", "3"], [0, "2", "4", "4"], [0, "64", "128", "1"]]}, answer
        [[_, answer]] = raw(d, "floats", t)
        assert (answer["count"], answer["sum"]) == ("7.5", repr(math.pi)), answer
        assert [b[3] for b in answer["buckets"]] == ["0.5", "3.25", "3.75"], answer
        [[_, answer]] = raw(d, "custom", t)
        assert answer["buckets"] == [[3, "-Inf", "0.5", "4"], [0, "0.5", "2", "5"],
                                     [0, "2", "+Inf", "1"]], answer
        assert [round(v, 9) for _, v in d.query("histogram_count(whole)")] == [21]
        assert [round(v, 9) for _, v in d.query("histogram_sum(floats)")] == [round(math.pi, 9)]
        # 1.0 carries the same histograms.
        status, _, text = post(d, wire.write_v1([({"__name__": "whole_v1"}, [(t, h)])]),
                               wire.headers())
        assert status == 204, text
        assert raw(d, "whole_v1", t)[0][1] == got[0][1]
        # What contradicts itself is refused by itself.
        w = wire.WriteV2().add({"__name__": "liar"}, [(t, {**h, "count": 20})])
        w.add({"__name__": "honest"}, [(t, 1.0)])
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert status == 400 and written(headers) == ("1", "0", "0"), (status, headers)
        assert "liar" in text and "counts 20" in text and "honest" not in text, text


def histograms_survive_a_restart():
    with daemon() as d:
        d.start()
        t = now_ms()
        h = {"count": 6, "sum": 4.5, "schema": 2, "zero": 1, "positive": {0: 2, 3: 3}}
        w = wire.WriteV2().add({"__name__": "kept_h"}, [(t, h)])
        assert post(d, w.bytes(), wire.headers(v2=True))[0] == 204
        before = raw(d, "kept_h", t)
        assert d.stop() == 0
        d.start()
        assert raw(d, "kept_h", t) == before


def exemplars_are_found_by_their_series():
    with daemon() as d:
        d.start()
        t = now_ms()
        w = wire.WriteV2()
        w.add({"__name__": "ex_total", "code": "500"}, [(t, 6.0)],
              exemplars=[({"trace_id": "EpTxMJ40fUus7aGY", "note": "ü\n"}, t - 9000, 6.0),
                         ({"trace_id": "second"}, t - 3000, 0.25)])
        w.add({"__name__": "ex_total", "code": "200"}, [(t, 7.0)],
              exemplars=[({"trace_id": "third"}, t - 1000, 1e21)])
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert status == 204 and written(headers)[2] == "3", (status, text)
        span = {"start": f"{t / 1000 - 60:.3f}", "end": f"{t / 1000:.3f}"}
        found = api(d.url, "query_exemplars", query='rate(ex_total{code="500"}[5m])', **span)
        assert found == [{"seriesLabels": {"__name__": "ex_total", "code": "500"}, "exemplars": [
            {"labels": {"trace_id": "EpTxMJ40fUus7aGY", "note": "ü\n"}, "value": "6",
             "timestamp": (t - 9000) / 1000},
            {"labels": {"trace_id": "second"}, "value": "0.25",
             "timestamp": (t - 3000) / 1000}]}], found
        assert len(api(d.url, "query_exemplars", query="ex_total", **span)) == 2
        span["end"] = f"{t / 1000 - 5:.3f}"
        found = api(d.url, "query_exemplars", query="ex_total", **span)
        traces = [e["labels"]["trace_id"] for s in found for e in s["exemplars"]]
        assert traces == ["EpTxMJ40fUus7aGY"], found


def samples_may_come_in_any_order_up_to_23_hours_late():
    with daemon() as d:
        d.start()
        t = now_ms()
        times = [t, t - 5000, t - 60000, t - 23 * HOUR_MS, t - 30000, t - 23 * HOUR_MS + 15000,
                 t - 1]
        for i, ts in enumerate(times):
            body = wire.write_v1([({"__name__": "late", "job": "j", "instance": "i"},
                                   [(ts, float(i))])])
            assert post(d, body, wire.headers())[0] == 204, ts
        want = sorted([ts, str(i)] for i, ts in enumerate(times))
        assert raw(d, "late", t, 86400) == want
        # The same in one message, and backwards.
        body = wire.write_v1([({"__name__": "late_too"},
                               [(ts, float(i)) for i, ts in enumerate(times)])])
        assert post(d, body, wire.headers())[0] == 204
        assert raw(d, "late_too", t, 86400) == want
        assert d.stop() == 0
        d.start()
        assert raw(d, "late", t, 86400) == want
        assert raw(d, "late_too", t, 86400) == want


def the_last_value_written_for_a_time_wins():
    with daemon() as d:
        d.start()
        t = now_ms()
        labels = {"__name__": "twice", "job": "j", "instance": "i"}
        for value in (1.0, 1.0, 2.0):
            assert post(d, wire.write_v1([(labels, [(t - 10000, value), (t, 9.0)])]),
                        wire.headers())[0] == 204
        assert raw(d, "twice", t) == [[t - 10000, "2"], [t, "9"]]
        body = wire.write_v1([(labels, [(t, 10.0), (t, 11.0)])])
        assert post(d, body, wire.headers())[0] == 204
        assert raw(d, "twice", t) == [[t - 10000, "2"], [t, "11"]]
        assert d.stop() == 0
        d.start()
        assert raw(d, "twice", t) == [[t - 10000, "2"], [t, "11"]]


def too_old_and_too_new_samples_alone_are_refused():
    with daemon() as d:
        d.start()
        t = now_ms()
        series = [({"__name__": "aged", "is": name}, [(ts, 1.0)]) for name, ts in (
            ("old", t - 25 * HOUR_MS), ("good", t), ("ahead", t + 11 * 60000), ("near",
                                                                                t + 9 * 60000),
            ("far", 1 << 62), ("edge", t - 24 * HOUR_MS + 60000))]
        for v2 in (False, True):
            if v2:
                w = wire.WriteV2()
                for labels, samples in series:
                    w.add({**labels, "v": "2"}, samples)
                body = w.bytes()
            else:
                body = wire.write_v1(series)
            status, headers, text = post(d, body, wire.headers(v2=v2))
            assert status == 400, (status, text)
            assert text.startswith("3 of 6 samples were refused, the others are stored\n"), text
            lines = text.splitlines()[1:]
            assert len(lines) == 3, text
            # The first is told in numbers.
            for line, name, reason in ((lines[0], "old",
                                        "s is refused (store.out_of_order_window_s)"),
                                       (lines[1], "ahead", "future"), (lines[2], "far", "future")):
                assert f'is="{name}"' in line and reason in line.split(": ", 1)[1], text
            assert (written(headers) == ("3", "0", "0")) == v2, headers
        got = api(d.url, "series", **{"match[]": "aged", "start": str(t / 1000 - 90000),
                                      "end": str(t / 1000 + 3600)})
        assert sorted((s["is"], s.get("v", "1")) for s in got) == [
            (name, v) for name in ("edge", "good", "near") for v in ("1", "2")], got
        # The place of a refused sample takes a good one in the next request.
        status, _, text = post(d, wire.write_v1([({"__name__": "after"}, [(t, 1.0)])]),
                               wire.headers())
        assert status == 204, text


def bad_series_alone_are_refused_and_named():
    with daemon() as d:
        d.start()
        t = now_ms()
        one = [(t, 1.0)]
        bad = [({"job": "nameless"}, "__name__"), ({"__name__": "x", "": "v"}, "empty name")]
        for labels, reason in bad:
            status, _, text = post(d, wire.write_v1([(labels, one), ({"__name__": "good"}, one)]),
                                   wire.headers())
            assert status == 400 and text.startswith("1 of 2 samples") and reason in text, text
        twice = wire.block(1, wire.block(1, wire.block(1, b"__name__") + wire.block(2, b"d")) +
                           wire.block(1, wire.block(1, b"l") + wire.block(2, b"a")) +
                           wire.block(1, wire.block(1, b"l") + wire.block(2, b"b")) +
                           wire.block(2, wire.double(1, 1.0) + wire.number(2, t)))
        status, _, text = post(d, wire.snappy(twice), wire.headers())
        assert status == 400 and "twice" in text, text
        broken = twice.replace(wire.block(2, b"b"), wire.block(2, b"\xff"))
        status, _, text = post(d, wire.snappy(broken), wire.headers())
        assert status == 400 and "UTF-8" in text, text
        # 2.0: a reference that leads nowhere, nothing in a series, no message at all.
        w = wire.WriteV2().add({"__name__": "good2"}, one).add({"__name__": "nothing"}, [])
        w.series.append(wire.block(1, wire.varint(1) + wire.varint(99)) +
                        wire.block(2, wire.double(1, 1.0) + wire.number(2, t)))
        status, headers, text = post(d, w.bytes(), wire.headers(v2=True))
        assert status == 400 and written(headers) == ("1", "0", "0"), (status, headers, text)
        assert "neither samples nor histograms" in text and "series 3" in text, text
        assert d.query("good2") and not d.query("nothing")
        status, headers, text = post(d, wire.snappy(b"\x0a\x05abc"), wire.headers(v2=True))
        assert status == 400 and written(headers) == ("0", "0", "0"), (status, text)


def labels_of_a_refused_series_leave_nothing_behind():
    with daemon() as d:
        d.start()
        t = now_ms()
        body = wire.write_v1([({"__name__": "never", "left": "behind"}, [(t - 48 * HOUR_MS, 1.0)]),
                              ({"__name__": "kept"}, [(t, 1.0)])])
        assert post(d, body, wire.headers())[0] == 400
        assert "left" not in api(d.url, "labels") and "never" not in api(d.url,
                                                                         "label/__name__/values")


def values_keep_their_bits():
    with daemon() as d:
        d.start()
        t = now_ms() - 100000
        values = [-0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e21, 1e-7, 123456789.125,
                  math.nan,
                  math.inf, -math.inf, 2.0 ** 53 + 2]
        assert post(d, wire.write_v1([({"__name__": "bits"},
                                       [(t + i, v) for i, v in enumerate(values)])]),
                    wire.headers())[0] == 204
        assert post(d, wire.write_v1([({"__name__": "minus"}, [(t + i, -0.0) for i in range(5)])]),
                    wire.headers())[0] == 204
        want = ["-0", "0", "5e-324", "1.7976931348623157e+308", "0.1", "1e+21", "1e-07",
                "123456789.125",
                "NaN", "+Inf", "-Inf", "9007199254740994"]
        for _ in range(2):
            assert [v for _, v in raw(d, "bits", t + 1000)] == want
            assert [v for _, v in raw(d, "minus", t + 1000)] == ["-0"] * 5
            assert d.stop() == 0
            d.start()


def staleness_ends_a_series_for_instants_and_is_skipped_in_ranges():
    with daemon() as d:
        d.start()
        t = now_ms() - 60000
        samples = [(t, 1.0), (t + 15000, "stale"), (t + 30000, 3.0)]
        assert post(d, wire.write_v1([({"__name__": "ends"}, samples)]), wire.headers())[0] == 204
        for ms, want in ((t + 14999, 1), (t + 15000, 0), (t + 29999, 0), (t + 30000, 1)):
            got = api(d.url, "query", query="ends", time=f"{ms / 1000:.3f}")["result"]
            assert len(got) == want, (ms - t, got)
        assert raw(d, "ends", t + 31000) == [[t, "1"], [t + 30000, "3"]]


def other_types_and_encodings_are_answered_415():
    with daemon() as d:
        d.start()
        body = wire.write_v1([({"__name__": "typed"}, [(now_ms(), 1.0)])])
        good = wire.headers()
        for name, value in (("Content-Type", "application/json"), ("Content-Type", "text/plain"),
                            ("Content-Type",
                             "application/x-protobuf;proto=io.prometheus.write.v3.Request"),
                            ("Content-Type", "application/protobuf"),
                            ("Content-Encoding", "gzip"), ("Content-Encoding", "br")):
            status, _, text = post(d, body, {**good, name: value})
            assert status == 415 and "send" in text, (name, value, status, text)
        for value in ("application/x-protobuf;proto=prometheus.WriteRequest",
                      'application/x-protobuf; proto="prometheus.WriteRequest"',
                      "Application/X-Protobuf"):
            assert post(d, body, {**good, "Content-Type": value})[0] == 204, value
        status, _, text = post(d, body[:-3], good)
        assert status == 400 and "snappy" in text, (status, text)
        status, _, text = post(d, wire.varint(0xffffffff) + b"\0a", good)
        assert status in (400, 413), (status, text)
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=10)
        c.request("GET", "/api/v1/write")
        assert c.getresponse().status == 405
        c.close()


def what_was_acknowledged_outlives_a_kill():
    with daemon() as d:
        d.start()
        t = now_ms()
        w = wire.WriteV2()
        for i in range(300):
            w.add({"__name__": "many", "i": str(i)}, [(t - 1000, float(i)), (t, i + 0.5)],
                  exemplars=[({"trace_id": str(i)}, t, 1.0)] if i < 5 else (),
                  kind=wire.GAUGE, text="Many.")
        assert post(d, w.bytes(), wire.headers(v2=True))[0] == 204
        d.process.kill()
        d.process.wait()
        d.start()
        assert d.query("count(many)")[0][1] == 300
        assert d.query("sum(many)")[0][1] == sum(range(300)) + 150
        assert api(d.url, "metadata", metric="many")["many"][0]["help"] == "Many."
        found = api(d.url, "query_exemplars", query="many", start=str(t / 1000 - 60),
                    end=str(t / 1000))
        assert len(found) == 5, found


run(globals())
