#!/usr/bin/env python3
"""Pushgateway's API: the same pushes to Debian's prometheus-pushgateway give the same groups."""
# timeout: 120
# suites: plain asan
import base64
import gzip
import json
import os
import signal
import struct
import subprocess
import time

from _daemon import SANITIZED, Daemon, run, wait
from _peers import fetch, needs
from _port import free_port

TEXT = """# HELP jobs_done Jobs that are done.
# TYPE jobs_done counter
jobs_done{queue="a",instance="own"} 3
jobs_done{queue="b"} 4.5
# TYPE size gauge
size 1e6
bare 7
# TYPE took histogram
took_bucket{le="0.1"} 1
took_bucket{le="1"} 3
took_bucket{le="+Inf"} 4
took_sum 2.5
took_count 4
# TYPE rpc summary
rpc{quantile="0.5",job="elsewhere"} 0.2
rpc{quantile="0.99",job="elsewhere"} 0.9
rpc_sum{job="elsewhere"} 17
rpc_count{job="elsewhere"} 20
"""


class Gateway:
    """Debian's Pushgateway."""

    def __enter__(self):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            ["prometheus-pushgateway", "--web.listen-address=" + self.url[7:]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait("the gateway is ready", lambda: status(self.url, "GET", "/-/ready") == 200)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def daemon(*settings, **more):
    return Daemon(settings=["collect.enabled=false", "pushgateway.interval_ms=1000", *settings],
                  **more)


def request(url, method, path, body=b"", **headers):
    import urllib.error
    import urllib.request
    body = body.encode() if isinstance(body, str) else body
    r = urllib.request.Request(url + path, data=body if method in ("PUT", "POST") else None,
                               method=method,
                               headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(r, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError:
        return 0, ""


def status(*args, **headers):
    return request(*args, **headers)[0]


def groups(url):
    """What /api/v1/metrics lists, without empty labels and the times of pushes."""
    found = {}
    for group in json.loads(request(url, "GET", "/api/v1/metrics")[1])["data"]:
        families = {}
        for name, family in group.items():
            if name in ("labels", "last_push_successful"):
                continue
            for metric in family["metrics"]:
                metric["labels"] = {k: v for k, v in metric["labels"].items() if v}
                for part in ("buckets", "quantiles"):
                    # The peer leaves out what stands for all, and does not write 1.0 for 1.
                    metric[part] = {float(k): v for k, v in (metric.get(part) or {}).items()
                                    if k != "+Inf"}
                if name.startswith("push_"):
                    metric["value"] = float(metric["value"]) > 0
            family["metrics"].sort(key=lambda m: json.dumps(m["labels"], sort_keys=True))
            family["type"] = family["type"].upper()
            families[name] = (family.get("help", ""), family["type"], family["metrics"])
        key = tuple(sorted(group["labels"].items()))
        found[key] = (group["last_push_successful"], families)
    return found


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


def same_pushes_make_same_groups():
    needs("prometheus-pushgateway")
    steps = [
        ("PUT", "/metrics/job/one", TEXT),
        ("POST", "/metrics/job/one", "size 2\nother 5\n"),
        ("POST", "/metrics/job/two/instance/web-1", TEXT),
        ("PUT", "/metrics/job/two/instance/web-1", "only 1\n"),
        ("PUT", "/metrics/job/two/instance/web-2/", "only 1\n"),
        ("PUT", f"/metrics/job@base64/{encoded('a/b')}/path@base64/{encoded('/var/tmp')}", "x 1\n"),
        ("PUT", "/metrics/job/empty/dim@base64/=", "x 1\n"),
        ("PUT", "/metrics/job/three/", "x 1\n"),
        ("PUT", "/metrics/job/gone", "y 1\n"),
        ("DELETE", "/metrics/job/gone", ""),
        ("DELETE", "/metrics/job/never", ""),
        ("PUT", "/metrics/job/cleared", "z 1\n"),
        ("PUT", "/metrics/job/cleared", ""),
        # Refused, as what they say contradicts what is there, or themselves.
        ("PUT", "/metrics/job/bad", "# TYPE x counter\nx 1\n"),
        ("POST", "/metrics/job/bad", "t 1 1600000000000\n"),
        ("PUT", "/metrics/job/bad", "d 1\nd 2\n"),
        ("PUT", "/metrics/job/bad", "no number\n"),
        ("PUT", "/metrics/job/bad/odd", "x 1\n"),
        ("PUT", "/metrics/job/bad/0x/y", "x 1\n"),
        ("PUT", "/metrics/job/bad/__x/y", "x 1\n"),
        ("PUT", "/metrics/job@base64/!!", "x 1\n"),
    ]
    with daemon() as d, Gateway() as gateway:
        d.start()
        for method, path, body in steps:
            ours, theirs = request(d.url, method, path, body), request(gateway.url, method, path, body)
            assert ours[0] == theirs[0], (method, path, body, ours, theirs)
        ours, theirs = groups(d.url), groups(gateway.url)
        assert ours.keys() == theirs.keys(), (ours.keys(), theirs.keys())
        for key, group in theirs.items():
            assert ours[key] == group, (key, ours[key], group)
        # Every series that a scraper of the gateway sees is in our store, with its value.
        scraped = {}
        for line in request(gateway.url, "GET", "/metrics")[1].splitlines():
            name = line.split("{")[0]
            if 'job="' in line and line[0] != "#" and not name.startswith("push_"):
                labels, value = line.rsplit(" ", 1)
                scraped[labels.replace('instance="",', "").replace(',instance=""', "")
                        .replace('dim="",', "")] = float(value)
        wait("all are stored", lambda: len(d.query('{job!=""}')) >= len(scraped))
        stored = {}
        for labels, value in d.query('{job!="",__name__!~"push_.*"}'):
            name = labels.pop("__name__")
            if "le" in labels:
                labels["le"] = labels["le"].removesuffix(".0")
            stored[name + "{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}"] = value
        assert stored == scraped, (set(stored.items()) ^ set(scraped.items()))


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def protobuf_and_packed_bodies_are_taken():
    metric = field(1, field(1, b"a") + field(2, b"b")) + field(3, b"\x09" + struct.pack("<d", 5))
    family = field(1, b"proto") + field(2, b"help") + b"\x18\x00" + field(4, metric)
    body = varint(len(family)) + family
    protobuf = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                "encoding=delimited")
    openmetrics = "# TYPE o counter\no_total 3\n# EOF\n"
    with daemon() as d:
        d.start()
        assert status(d.url, "PUT", "/metrics/job/p", body, Content_Type=protobuf) == 200
        assert status(d.url, "PUT", "/metrics/job/z", gzip.compress(b"z 1\n"),
                      Content_Encoding="gzip") == 200
        assert status(d.url, "PUT", "/metrics/job/o", openmetrics,
                      Content_Type="application/openmetrics-text; version=1.0.0") == 200
        assert status(d.url, "PUT", "/metrics/job/p", b"\xff", Content_Type=protobuf) == 400
        wait("all are stored", lambda: len(d.query('{job=~"[pzo]",__name__!~"push_.*"}')) == 3)
        assert d.query('proto{a="b",job="p"}')[0][1] == 5
        assert d.query("o_total")[0][1] == 3
        listed = d.json("/api/pushgateway")["data"]
        assert {"name": "proto", "type": "counter", "series": 1} in \
            [f for g in listed for f in g["families"]], listed
        assert d.json("/api/v1/status")["data"]["groups"] == 3
        assert d.json("/api/v1/metadata?metric=proto")["data"]["proto"][0]["help"] == "help"


def groups_are_written_until_they_are_deleted():
    with daemon() as d:
        d.start()
        assert status(d.url, "PUT", "/metrics/job/j", "v 1\nw 2\n") == 200
        time.sleep(3.2)
        count = d.query("count_over_time(v[1m])")[0][1]
        assert 3 <= count <= 6, count
        assert status(d.url, "PUT", "/metrics/job/j", "v 1\n") == 200
        wait("w has ended", lambda: not d.query("w"))
        assert d.query("v")
        assert status(d.url, "DELETE", "/metrics/job/j") == 202
        wait("all has ended", lambda: not d.query('{job="j"}'))
        assert status(d.url, "PUT", "/metrics/job/l", "v 1\n", X_Sonde_Lifetime="2s") == 200
        wait("it is there", lambda: d.query("v"))
        wait("its lifetime is over", lambda: not d.query("v"), 10)
        assert d.json("/api/pushgateway")["data"] == []
        assert status(d.url, "PUT", "/metrics/job/l", "v 1\n", X_Sonde_Lifetime="soon") == 400


def groups_outlive_the_daemon():
    with daemon() as d:
        d.start()
        assert status(d.url, "PUT", "/metrics/job/kept/a/b", TEXT) == 200
        before = groups(d.url)
        time.sleep(2.5)  # until the file is written
        d.stop(signal.SIGKILL)
        wait("the worker is gone", lambda: status(d.url, "GET", "/livez") == 0)
        d.start()
        assert groups(d.url) == before, (groups(d.url), before)
        assert status(d.url, "POST", "/metrics/job/kept/a/b", "more 1\n") == 200
        before = groups(d.url)
        assert d.stop() == 0
        d.start()
        assert groups(d.url) == before
        d.stop()
        # A damaged file is put aside.
        path = os.path.join(d.data, "pushgateway")
        with open(path, "r+b") as f:
            f.seek(40)
            f.write(b"xx")
        d.start()
        assert groups(d.url) == {} and os.path.exists(path + ".damaged"), d.said()


def limits_of_groups_are_kept():
    with daemon("pushgateway.groups_max=2", "pushgateway.bytes_max=1048576") as d:
        d.start()
        for i, wanted in enumerate([200, 200, 413]):
            assert status(d.url, "PUT", f"/metrics/job/g{i}", "v 1\n") == wanted
        body = "".join(f"m{i} {i}\n" for i in range(20000))
        assert status(d.url, "PUT", "/metrics/job/g0", body) == 413
        assert len(d.json("/api/pushgateway")["data"]) == 2
        assert status(d.url, "PUT", "/metrics/job/g0", b"\x00\x01", Content_Encoding="br") == 415
        # The page of our own metrics is where it was.
        assert b"sonde_pushgateway_groups 2" in wait("", lambda: fetch(d.url + "/metrics")[1])


run(globals())
