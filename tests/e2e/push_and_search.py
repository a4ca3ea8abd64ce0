#!/usr/bin/env python3
"""POST /api/metrics in every format, GET /api/metrics/query and /search, and tenants apart."""
# timeout: 120
# suites: plain asan
import gzip
import json
import os
import time
import urllib.parse
import zlib

import _wire as wire
from _daemon import SANITIZED, Daemon, Skip, run, wait
from _peers import CASES, Target, api, cases, prometheus

JSON, TEXT = "application/json", "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def daemon():
    return Daemon(settings=["collect.enabled=false"])


def send(d, body, kind, **headers):
    """(status, answer) of POST /api/metrics."""
    body = body.encode() if isinstance(body, str) else body
    status, text = d.get("/api/metrics", body, {"Content-Type": kind, **{
        k.replace("_", "-"): v for k, v in headers.items()}})
    return status, json.loads(text)


def ask(d, path, headers=None, **parameters):
    status, text = d.get(f"/api/metrics/{path}?" + urllib.parse.urlencode(parameters, doseq=True),
                         headers=headers)
    return status, json.loads(text)


def points(d, **parameters):
    status, answer = ask(d, "query", **parameters)
    assert status == 200, answer
    return {tuple(sorted(s["tags"].items())): s["points"] for s in answer["series"]}


def json_of_one_and_of_many_is_stored():
    with daemon() as d:
        d.start()
        now = time.time()
        status, answer = send(d, json.dumps({"name": "one", "value": 21.5, "timestamp": now - 5,
                                             "tags": {"room": "attic", "n": 3, "on": True}}), JSON)
        assert (status, answer) == (200, {"accepted": 1, "refused_total": 0, "refused": []}), answer
        assert d.query("one") == [({"__name__": "one", "room": "attic", "n": "3", "on": "true"},
                                   21.5)]
        many = [{"name": "many", "value": i, "timestamp": int(now * 1000) - 1000 * i,
                 "tags": {"i": str(i % 2)}} for i in range(600)]
        status, answer = send(d, json.dumps(many), JSON)
        assert (status, answer["accepted"]) == (200, 600), answer
        assert d.query("count_over_time(many[1h])") == [({"i": "0"}, 300), ({"i": "1"}, 300)]
        odd = [{"name": "odd", "value": v, "tags": {"v": v}} for v in ("NaN", "+Inf", "-Inf")]
        odd.append({"name": "odd", "value": 1, "tags": {"v": "text"},
                    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))})
        assert send(d, json.dumps(odd), JSON)[0] == 200
        assert {m["v"]: repr(v) for m, v in d.query("odd")} == {
            "NaN": "nan", "+Inf": "inf", "-Inf": "-inf", "text": "1.0"}
        assert send(d, "[]", JSON) == (200, {"accepted": 0, "refused_total": 0, "refused": []})


def a_bad_item_costs_itself_alone_and_is_named_by_its_index():
    with daemon() as d:
        d.start()
        now = time.time()
        items = [{"name": "good", "value": 1}, {"value": 2}, {"name": "bad", "value": "many"},
                 {"name": "ahead", "value": 1, "timestamp": now + 7200},
                 {"name": "good_too", "value": 3},
                 {"name": "old", "value": 1, "timestamp": now - 90000}]
        status, answer = send(d, json.dumps(items), JSON)
        assert status == 200 and answer["accepted"] == 2 and answer["refused_total"] == 4, answer
        assert [r["index"] for r in sorted(answer["refused"], key=lambda r: r["index"])] == [1, 2,
                                                                                             3, 5]
        assert all(r["reason"] for r in answer["refused"]), answer
        assert d.query("good") and d.query("good_too") and not d.query("ahead")
        status, answer = send(d, json.dumps(items[1:3]), JSON)
        assert status == 400 and answer["accepted"] == 0 and answer["refused_total"] == 2, answer
        status, answer = send(d, '[{"name":"x","value":1},{]', JSON)
        assert status == 400 and "error" in answer, answer
        status, answer = send(d, "x 1\n", "application/xml")
        assert status == 415 and "error" in answer, answer


def text_and_openmetrics_are_stored_and_bad_lines_are_named():
    with daemon() as d:
        d.start()
        text = ("# HELP t_total Things.\n# TYPE t_total counter\nt_total{a=\"x\\\"y\"} 3\n"
                "this is no line\nt_gauge 1.6e1\nt_hex 0x10\n# TYPE t_gauge gauge\n"
                "t_nan NaN\nt_late 1 1000\n")
        status, answer = send(d, text, TEXT)
        assert status == 200 and answer["accepted"] == 3, answer
        assert sorted(r["index"] for r in answer["refused"]) == [4, 6, 9], answer
        assert d.query("t_total") == [({"__name__": "t_total", "a": 'x"y'}, 3)]
        assert d.query("t_gauge")[0][1] == 16
        now = time.time()
        opened = ("# TYPE o_requests counter\n# HELP o_requests Requests.\n"
                  f'o_requests_total{{code="200"}} 17 {now - 1:.3f} # '
                  f'{{trace_id="abc"}} 0.5 {now - 1:.3f}\n'
                  f'o_requests_created{{code="200"}} {now - 100:.3f}\n# TYPE o_state stateset\n'
                  'o_state{o_state="a"} 1\n# EOF\n')
        status, answer = send(d, opened, OPEN)
        assert status == 200 and answer["refused_total"] == 0, answer
        assert d.query("o_requests_total")[0][1] == 17
        assert api(d.url, "metadata", metric="o_requests")["o_requests"][0]["help"] == "Requests."
        found = api(d.url, "query_exemplars", query="o_requests_total", start=f"{now - 60:.3f}",
                    end=f"{now + 1:.3f}")
        assert found[0]["exemplars"][0]["labels"] == {"trace_id": "abc"}, found
        status, answer = send(d, opened.replace("# EOF\n", ""), OPEN)
        assert status == 200 and answer["refused_total"] == 1, answer
        assert "EOF" in answer["refused"][0]["reason"], answer


def packed_bodies_are_unpacked():
    with daemon() as d:
        d.start()
        body = b"packed{by=\"%s\"} 1\n"
        for name, pack in (("gzip", gzip.compress), ("deflate", zlib.compress),
                           ("snappy", wire.snappy)):
            status, answer = send(d, pack(body % name.encode()), TEXT, Content_Encoding=name)
            assert (status, answer["accepted"]) == (200, 1), (name, status, answer)
        assert sorted(m["by"] for m, _ in d.query("packed")) == ["deflate", "gzip", "snappy"]
        status, answer = send(d, gzip.compress(body)[:-9], TEXT, Content_Encoding="gzip")
        assert status == 400 and answer["error"], (status, answer)
        bomb = gzip.compress(b"\n" * (64 << 20))
        status, answer = send(d, bomb, TEXT, Content_Encoding="gzip")
        assert status == 413 and answer["error"], (status, answer)
        status, _ = send(d, body, TEXT, Content_Encoding="br")
        assert status == 415
        assert d.status("/readyz") == 200


def the_query_without_promql_does_what_the_manual_says():
    with daemon() as d:
        d.start()
        now = int(time.time()) // 60 * 60
        items = [{"name": "made_total", "value": 10 * i * (1 + k), "timestamp": now - 600 + 15 * i,
                  "tags": {"host": "ab"[k], "mode": "user"}} for i in range(40) for k in (0, 1)]
        assert send(d, json.dumps(items), JSON)[1]["accepted"] == 80
        window = {"from": now - 300, "to": now - 60, "step": "60"}
        found = points(d, name="made_total", aggregation="last", **window)
        assert found[(("host", "a"), ("mode", "user"))][0] == [now - 300, 200], found
        assert len(found) == 2 and all(len(p) == 5 for p in found.values()), found
        found = points(d, name="made_total", tag="host=b", aggregation="max", **window)
        assert list(found) == [(("host", "b"), ("mode", "user"))], found
        assert list(points(d, name="made_total", tag=["host!=a", "mode=~us.*"], **window)) == [
            (("host", "b"), ("mode", "user"))]
        found = points(d, name="made_total", aggregation="rate", by="mode", **window)
        assert list(found) == [(("mode", "user"),)], found
        assert all(abs(v - 2.0) < 1e-9 for _, v in found[(("mode", "user"),)]), found
        found = points(d, name="made_total", aggregation="count", group="max", **window)
        assert [v for _, v in found[()]] == [4] * 5, found
        assert [v for _, v in points(d, name="made_total", aggregation="increase", tag="host=a",
                                     **window)[(("host", "a"), ("mode", "user"))]] == [40] * 5
        status, answer = ask(d, "query", name="made_total", aggregation="avg", **window)
        assert [answer[k] for k in ("step_seconds", "from", "to")] == [60, now - 300, now - 60]
        assert "made_total" in answer["query"] and answer["series"][0]["name"] == "made_total"
        assert send(d, '{"name":"hole","value":"NaN"}', JSON)[0] == 200
        assert list(points(d, name="hole", **{"from": "-5m"}).values())[0][-1][1] is None
        for parameters in ({}, {"name": "made_total", "aggregation": "nonsense"},
                           {"name": "made_total", "from": "x"},
                           {"name": "made_total", "tag": "host"},
                           {"name": "made_total", "tag": "host=~("},
                           {"name": "made_total", "from": now, "to": now - 60}):
            status, answer = ask(d, "query", **parameters)
            assert status == 400 and answer["errorType"] == "bad_data" and answer["error"], (
                parameters, status, answer)
        assert ask(d, "query", name="nobody")[1]["series"] == []


def the_search_finds_names_with_what_they_mean():
    with daemon() as d:
        d.start()
        text = ("# HELP alpha_one First.\n# TYPE alpha_one gauge\nalpha_one{job=\"a\",x=\"1\"} 1\n"
                "alpha_one{job=\"b\"} 2\n# HELP beta_total Second.\n# TYPE beta_total counter\n"
                "beta_total{job=\"a\"} 1\nalphabet 1\n")
        assert send(d, text, TEXT)[1]["accepted"] == 4
        status, answer = ask(d, "search", name="alpha")
        assert status == 200 and [m["name"] for m in answer["metrics"]] == ["alphabet",
                                                                            "alpha_one"], answer
        assert answer["metrics"][1] == {"name": "alpha_one", "type": "gauge", "help": "First.",
                                        "unit": "",
                                        "series": 2, "tags": ["job", "x"]}, answer
        assert [m["name"] for m in ask(d, "search", name="*_t?tal")[1]["metrics"]] == ["beta_total"]
        assert [m["name"] for m in ask(d, "search", tag="job=a")[1]["metrics"]] == [
            "alpha_one", "beta_total"]
        status, answer = ask(d, "search", limit="1")
        assert len(answer["metrics"]) == 1 and answer["warnings"], answer
        assert ask(d, "search", **{"from": "-2h", "to": "-1h"})[1]["metrics"] == []
        assert ask(d, "search", limit="x")[0] == 400


def one_tenant_sees_nothing_of_another():
    with daemon() as d:
        d.start()
        now = time.time()
        tenants = {name: {"X-Scope-OrgID": name} for name in ("alice", "bob")}
        for name, headers in tenants.items():
            body = (f"# TYPE own_{name} counter\n# HELP own_{name} Of {name}.\n"
                    f'own_{name}_total{{secret_{name}="of-{name}"}} 1 # '
                    f'{{trace_id="{name}"}} 1 {now:.3f}\n'
                    f"# TYPE shared gauge\nshared{{who=\"{name}\"}} {len(name)}\n# EOF\n")
            assert send(d, body, OPEN, **headers)[1]["accepted"] == 2
        for name, headers in tenants.items():
            other = "bob" if name == "alice" else "alice"
            span = {"start": f"{now - 60:.3f}", "end": f"{now + 60:.3f}"}
            answers = [
                api(d.url, "query", headers, query='{__name__!=""}'),
                api(d.url, "query_range", headers, query="shared", step="10", **span),
                api(d.url, "series", headers, **{"match[]": '{__name__!=""}'}),
                api(d.url, "labels", headers), api(d.url, "label/__name__/values", headers),
                api(d.url, "label/who/values", headers), api(d.url, "metadata", headers),
                api(d.url, "query_exemplars", headers, query='{__name__!=""}', **span),
                ask(d, "search", headers)[1], ask(d, "query", headers, name="shared")[1],
                json.loads(d.get("/api/v1/status/tsdb", headers=headers)[1])]
            for answer in answers:
                assert other not in json.dumps(answer), (name, answer)
            assert name in json.dumps(answers[:1] + answers[2:3]) and answers[7], answers
            assert f"secret_{name}" in answers[3] and answers[5] == [name], answers
        # Nobody's own tenant has neither.
        everything = json.dumps([api(d.url, "labels"), api(d.url, "label/__name__/values"),
                                 api(d.url, "metadata")])
        assert "alice" not in everything and "bob" not in everything, everything
        assert d.stop() == 0
        d.start()
        for name, headers in tenants.items():
            assert api(d.url, "label/who/values", headers) == [name]


def names_that_are_no_tenants_are_refused():
    with daemon() as d:
        d.start()
        body = wire.write_v1([({"__name__": "x"}, [(int(time.time() * 1000), 1.0)])])
        before = sorted(os.listdir(d.data))
        for name in ("../etc", "a/b", ".hidden", "..", "x" * 65, "a b", "a;b", "ü", "%2e%2e"):
            headers = {"X-Scope-OrgID": name.encode().decode("latin-1")}
            assert d.get("/api/metrics", b"x 1\n",
                         {**headers, "Content-Type": TEXT})[0] == 400, name
            assert d.get("/api/v1/write", body, {**wire.headers(), **headers})[0] == 400, name
            for path in ("/api/v1/query?query=x", "/api/v1/labels", "/api/v1/metadata",
                         "/api/metrics/search", "/api/v1/series?match[]=x"):
                status, text = d.get(path, headers=headers)
                assert status == 400 and b"X-Scope-OrgID" in text, (name, path, status, text)
        assert sorted(os.listdir(d.data)) == before
        # Asking for a tenant that nobody wrote to makes none.
        for i in range(5):
            assert api(d.url, "labels", {"X-Scope-OrgID": f"stranger-{i}"}) == []
        names = [n for _, _, files in os.walk(d.data) for n in files]
        assert not any("stranger" in n for n in names) and not any(
            "stranger" in n for _, folders, _ in os.walk(d.data) for n in folders)


def a_body_of_node_exporter_is_what_prometheus_makes_of_it():
    path = cases("conformance/exposition/node_exporter/e2e-output.txt")
    with open(path, "rb") as f:
        body = f.read()
    with daemon() as d, Target(lambda n, accept: (TEXT, body)) as target:
        d.start()
        status, answer = send(d, gzip.compress(body), TEXT, Content_Encoding="gzip")
        assert status == 200 and answer["refused_total"] == 0, (status, answer)
        ours = {tuple(sorted(r["metric"].items())): r["value"][1]
                for r in api(d.url, "query", query='{__name__!=""}')["result"]}
        assert len(ours) == answer["accepted"] > 1500, (len(ours), answer)
        if SANITIZED:
            return
        job = {"job_name": "body", "honor_labels": True,
               "static_configs": [{"targets": [target.address]}]}
        with prometheus([job]) as p:
            wait("scraped", lambda: api(p.url, "query", query='up{job="body"} == 1')["result"], 30)
            ref = {}
            for r in api(p.url, "query", query='{__name__!=""}')["result"]:
                labels = {k: v for k, v in r["metric"].items() if k not in ("job", "instance")}
                if not labels["__name__"].startswith("scrape_") and labels["__name__"] != "up":
                    ref[tuple(sorted(labels.items()))] = r["value"][1]
            different = sorted(k for k in set(ref) | set(ours) if ref.get(k) != ours.get(k))
            assert not different, [(k, ref.get(k), ours.get(k)) for k in different[:5]]
            mine, theirs = api(d.url, "metadata"), api(p.url, "metadata")
            different = [n for n in theirs if theirs[n] != mine.get(n) and n in {
                dict(k)["__name__"] for k in ours}]
            assert not different, [(theirs[n], mine.get(n)) for n in different[:5]]


def the_textfiles_of_node_exporter_are_read():
    folder = os.path.join(CASES, "conformance/exposition/node_exporter/textfile")
    if not os.path.isdir(folder):
        raise Skip("no conformance/exposition in SONDE_CASES")
    read = 0
    with daemon() as d:
        d.start()
        for at, _, files in sorted(os.walk(folder)):
            for name in sorted(files):
                with open(os.path.join(at, name), "rb") as f:
                    body = f.read()
                status, answer = send(d, body, TEXT, X_Scope_OrgID=os.path.basename(at))
                assert status in (200, 400), (at, name, answer)
                lines = [x for x in body.splitlines() if x.strip() and not x.startswith(b"#")]
                assert answer["accepted"] + answer["refused_total"] == len(lines), (at, name,
                                                                                    answer)
                assert all("old" in r["reason"] for r in answer["refused"]), (at, name, answer)
                read += 1
    assert read > 5, read


run(globals())
