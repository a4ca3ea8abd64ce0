#!/usr/bin/env python3
"""OpenTelemetry's metrics: recorded requests, answers and errors, and the live JavaScript SDK.

The SDK comes from npm into a folder of the user's cache; its cases are skipped where it is not to be
had.
"""
# timeout: 240
# suites: plain asan
import gzip
import json
import os
import shutil
import subprocess
import time
import urllib.parse

from _daemon import Daemon, Skip, run, wait
from _peers import cases
from _port import free_port

PROTO, JSON = "application/x-protobuf", "application/json"
PACKAGES = ["@opentelemetry/sdk-metrics@2.12.0", "@opentelemetry/resources@2.12.0",
            "@opentelemetry/exporter-metrics-otlp-proto@0.223.0",
            "@opentelemetry/exporter-metrics-otlp-http@0.223.0"]
HERE = os.path.dirname(os.path.abspath(__file__))


def daemon(*settings):
    """With the port of OpenTelemetry, but a free one."""
    d = Daemon(settings=["collect.enabled=false", *settings])
    d.otlp = free_port()
    d.argv += ["--set", f"otlp.listen=127.0.0.1:{d.otlp}"]
    return d


def send(d, body, kind, path="/v1/metrics", **headers):
    status, answer = d.get(path, body, {"Content-Type": kind, **{
        k.replace("_", "-"): v for k, v in headers.items()}})
    return status, answer


def recorded(name):
    path = cases("payloads/" + name)
    with open(path, "rb") as f:
        return f.read()


def selected(d, expression):
    """{(name, labels but job and instance): value} of all that an expression finds, at any time."""
    answer = d.json("/api/v1/query?query=" + urllib.parse.quote(expression))
    assert answer["status"] == "success", answer
    found = {}
    for r in answer["data"]["result"]:
        labels = {k: v for k, v in r["metric"].items() if k not in ("__name__", "job", "instance")}
        key = (r["metric"].get("__name__", ""), json.dumps(labels, sort_keys=True))
        found[key] = r["histogram"][1] if "histogram" in r else float(r["value"][1])
    return found


def request(metric, attributes=()):
    return json.dumps({"resourceMetrics": [{
        "resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes]},
        "scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def point(**more):
    return {"timeUnixNano": str(time.time_ns()), **more}


def check_recorded(d):
    all_of = selected(d, 'last_over_time({job="checkout"}[5000d])')
    routes = json.dumps({"route": "/checkout"})
    assert all_of[("http_requests_total", routes)] == 5, all_of
    assert all_of[("queue_depth", "{}")] == -1
    assert all_of[("cpu_temp", json.dumps({"core": "0"}))] == 41.5
    assert all_of[("http_duration_milliseconds_count", routes)] == 5
    assert all_of[("http_duration_milliseconds_sum", routes)] == 35
    wanted = {"0": 0, "5": 2, "10": 4, **{le: 5 for le in (
        "25", "50", "75", "100", "250", "500", "750", "1000", "2500", "5000", "7500", "10000",
        "+Inf")}}
    for le, count in wanted.items():
        key = json.dumps({"le": le, "route": "/checkout"})
        assert all_of.pop(("http_duration_milliseconds_bucket", key)) == count, (le, count)
    native = all_of[("rpc_size_bytes", "{}")]
    assert native["count"] == "5" and native["sum"] == "1500", native
    assert len(native["buckets"]) == 5
    info = json.dumps({"deployment_environment_name": "test", "service_version": "1.4.2"})
    assert all_of[("target_info", info)] == 1
    assert len(all_of) == 7, sorted(all_of)


def requests_of_the_sdk_are_stored_sample_by_sample():
    for name, kind, headers in (("002_otlp_metrics_proto", PROTO, {}),
                                ("006_otlp_metrics_proto_gzip", PROTO, {"Content_Encoding": "gzip"}),
                                ("010_otlp_metrics_json", JSON, {}),
                                ("018_otlp_metrics_grpc_frame", PROTO, {})):
        body = recorded(name + ".body")
        if "grpc" in name:
            body = body[5:]  # its frame's head
        with daemon().start() as d:
            status, answer = send(d, body, kind, **headers)
            assert (status, answer) == (200, b"{}" if kind == JSON else b""), (name, answer)
            check_recorded(d)


def both_paths_and_both_ports_take_the_same():
    with daemon().start() as d:
        body = request({"name": "a", "gauge": {"dataPoints": [point(asDouble=1)]}})
        assert send(d, body, JSON)[0] == 200
        assert send(d, body, JSON, "/api/v1/otlp/v1/metrics")[0] == 200
        d.url = f"http://127.0.0.1:{d.otlp}"
        assert send(d, gzip.compress(body), JSON, Content_Encoding="gzip") == (200, b"{}")
        assert d.query("a") == [({"__name__": "a"}, 1)]


def what_cannot_be_taken_is_said_in_the_request_s_encoding():
    with daemon("otlp.body_bytes_max=4096").start() as d:
        status, answer = send(d, b'{"resourceMetrics":[1]}', JSON)
        assert status == 400 and json.loads(answer)["code"] == 3, answer
        assert "line 1" in json.loads(answer)["message"]
        status, answer = send(d, b"\x0a\xff", PROTO)
        assert status == 400 and answer[:2] == b"\x08\x03", answer
        assert send(d, b"", "text/plain")[0] == 415
        assert send(d, b"", PROTO, Content_Encoding="br")[0] == 415
        assert send(d, b"x" * 5000, PROTO)[0] == 413
        assert send(d, gzip.compress(b"\x0a" * 5000), PROTO, Content_Encoding="gzip")[0] == 413
        assert send(d, b"", PROTO) == (200, b"")
        body = request({"name": "a", "gauge": {"dataPoints": [
            point(asInt=1), {"timeUnixNano": str(time.time_ns() + 10**15), "asInt": 2}, {"asInt": 3}]}})
        status, answer = send(d, body, JSON)
        assert status == 200, answer
        partial = json.loads(answer)["partialSuccess"]
        assert partial["rejectedDataPoints"] == "2", partial
        assert "no time" in partial["errorMessage"], partial
        assert d.query("a") == [({"__name__": "a"}, 1)]


def deltas_are_added_up_over_requests_and_begin_anew_after_a_restart():
    with daemon().start() as d:
        start = time.time_ns() - 60 * 10**9

        def add(second, value):
            body = request({"name": "d", "sum": {
                "isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [{
                    "startTimeUnixNano": str(start + (second - 1) * 10**9),
                    "timeUnixNano": str(start + second * 10**9), "asInt": value}]}})
            return send(d, body, JSON)[1]

        for second in range(1, 11):
            assert add(second, 2) == b"{}"
        assert d.query("d_total")[0][1] == 20
        again = json.loads(add(10, 2))["partialSuccess"]
        assert again["rejectedDataPoints"] == "1" and "no later" in again["errorMessage"], again
        assert d.query("d_total")[0][1] == 20
        assert d.query("max_over_time(d_total[5m]) - min_over_time(d_total[5m])")[0][1] == 18
        assert "sonde_otlp_delta_series 1" in d.get("/metrics")[1].decode()
        d.stop()
        d.start()
        assert add(11, 5) == b"{}"
        assert d.query("d_total")[0][1] == 5
        assert d.query("resets(d_total[5m])")[0][1] == 1
        assert d.query("increase(d_total[5m])")[0][1] > 20


def names_follow_the_strategy_of_the_configuration():
    metric = {"name": "a.b", "unit": "s", "gauge": {"dataPoints": [point(asDouble=1, attributes=[
        {"key": "c.d", "value": {"stringValue": "x"}}])]}}
    for strategy, name, label in (
            ("UnderscoreEscapingWithSuffixes", "a_b_seconds", "c_d"),
            ("NoUTF8EscapingWithSuffixes", "a.b_seconds", "c.d"),
            ("UnderscoreEscapingWithoutSuffixes", "a_b", "c_d"), ("NoTranslation", "a.b", "c.d")):
        with daemon(f"otlp.translation_strategy={strategy}",
                    "otlp.promote_resource_attributes=zone").start() as d:
            body = request(metric, [("zone", "z1")])
            assert send(d, body, JSON) == (200, b"{}")
            assert d.query('{"%s"}' % name) == [({"__name__": name, label: "x", "zone": "z1"}, 1)]


def _live(encoding, temporality):
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                          "sonde-tests", "otlp-js")
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Skip("no npm")
    if not os.path.exists(os.path.join(folder, "whole")):
        os.makedirs(folder, exist_ok=True)
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                                   *PACKAGES], capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            raise Skip("npm does not answer") from None
        if done.returncode:
            raise Skip("npm has not given the SDK: " + done.stderr.decode()[-200:].strip())
        with open(os.path.join(folder, "whole"), "w", encoding="utf-8"):
            pass
    with daemon().start() as d:
        done = subprocess.run(["node", os.path.join(HERE, "_otlp.mjs"), folder,
                               f"http://127.0.0.1:{d.otlp}/v1/metrics", encoding, temporality],
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        job = f'{{job="js-{encoding}-{temporality}",instance="one"'

        def value(expression):
            found = wait(expression, lambda: d.query(expression), 5)
            assert len(found) == 1, found
            return found[0][1]

        assert value(f'shop_orders_total{job},kind="book"}}') == 6
        assert value(f'shop_orders_total{job},kind="toy"}}') == 2
        assert value(f"queue_depth{job}}}") == 2
        assert value(f"heat_celsius{job}}}") == 36.5
        assert value(f"took_seconds_count{job}}}") == 6
        assert value(f"took_seconds_sum{job}}}") == 25
        assert [value(f'took_seconds_bucket{job},le="{le}"}}') for le in ("1", "5", "+Inf")] == [
            2, 4, 6]
        assert value(f"histogram_count(size_bytes{job}}})") == 6
        assert value(f"histogram_sum(size_bytes{job}}})") == 1400
        assert 150 < value(f"histogram_quantile(0.5, size_bytes{job}}})") < 250
        assert value(f'target_info{job},service_version="1.2.3"}}') == 1
        assert value(f'count(count_over_time(shop_orders_total{job},kind="toy"}}[5m]) >= 2)') == 1
        metadata = d.json("/api/v1/metadata?metric=shop_orders_total")["data"]
        assert metadata["shop_orders_total"][0]["type"] == "counter", metadata
        assert metadata["shop_orders_total"][0]["help"] == "Orders taken."


def the_live_sdk_sends_cumulative_protobuf():
    _live("proto", "cumulative")


def the_live_sdk_sends_cumulative_json():
    _live("http", "cumulative")


def the_live_sdk_sends_delta_protobuf():
    _live("proto", "delta")


if __name__ == "__main__":
    run(globals())
