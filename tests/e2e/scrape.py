#!/usr/bin/env python3
"""Scraping: a prometheus.yml as it is, real exporters beside Debian's prometheus, targets that
misbehave, protobuf, TLS and credentials, reloads, and what the API tells of it all."""
# timeout: 240
import base64
import json
import os
import shutil
import signal
import ssl
import struct
import tempfile
import time
import urllib.parse

from _daemon import Daemon, run, wait
from _peers import Peer, Target, api, key_of, prometheus, settle
from _rogue import TEXT, Rogue, certificates, job


class Scraper:
    """A daemon with a prometheus.yml of these scrape_configs, at one second."""

    def __init__(self, scrapes, settings=()):
        self.folder = tempfile.mkdtemp(prefix="sonde-scrape-")
        self.path = os.path.join(self.folder, "prometheus.yml")
        self.write(scrapes)
        self.daemon = Daemon(config="", settings=[f"prometheus.config_file={self.path}",
                                                  "collect.enabled=false", *settings])

    def write(self, scrapes):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": scrapes}, f)
        os.rename(self.path + ".new", self.path)

    def reload(self, scrapes):
        self.write(scrapes)
        self.daemon.process.send_signal(signal.SIGHUP)

    def __enter__(self):
        self.daemon.start()
        return self.daemon

    def __exit__(self, *_):
        self.daemon.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)


def targets(d, path="/api/v1/targets"):
    return d.json(path)["data"]["activeTargets"]


def scraped(d, n=1):
    """Waits until each target has been scraped n times; the targets by job."""
    def ready():
        found = targets(d)
        return found and all(t["health"] != "unknown" for t in found)
    wait("all targets scraped", ready)
    settle(n - 1)
    return {t["labels"]["job"]: t for t in targets(d)}


def value(d, query):
    """The one value of a query, or None."""
    found = d.query(query)
    return found[0][1] if len(found) == 1 else None


# ---- beside prometheus


def exporter():
    return Peer("prometheus-node-exporter", "/", ["--web.listen-address=127.0.0.1:{port}",
                                                  "--collector.textfile.directory={dir}"])


def bound(labels):
    """Bounds as prometheus 3 has them; 2.42 leaves those of the exposition."""
    return {k: f"{float(v)}".replace("inf", "+Inf").replace("++", "+")
            if k in ("le", "quantile") else v for k, v in labels.items()}


def series(url):
    found = api(url, "query", query='{job=~"node|self"}')["result"]
    return {key_of(bound(s["metric"])): float(s["value"][1]) for s in found}


def an_exporter_and_prometheus_give_what_they_give_to_prometheus():
    with exporter() as node, prometheus() as target:
        scrapes = [
            job("node", f"127.0.0.1:{node.port}",
                metric_relabel_configs=[{"source_labels": ["__name__"], "regex": "go_memstats_.*",
                                         "action": "drop"}]),
            job("self", f"127.0.0.1:{target.port}", relabel_configs=[
                {"source_labels": ["__address__"], "regex": ".*:(.*)", "replacement": "p$1",
                 "target_label": "port"}])]
        with prometheus(scrapes) as peer, Scraper(scrapes) as d:
            def same():
                ours, theirs = series(d.url), series(peer.url)
                return set(ours) == set(theirs) and len(ours) > 500 and (ours, theirs)
            ours, theirs = wait("the same series", same, 30)
            assert {dict(k)["job"] for k in ours if "go_memstats" in dict(k)["__name__"]} == {"self"}
            constant = [k for k in ours if dict(k)["__name__"] in (
                "node_boot_time_seconds", "node_uname_info", "node_memory_MemTotal_bytes", "up",
                "node_filesystem_size_bytes", "prometheus_build_info", "node_exporter_build_info",
                "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
                "node_network_mtu_bytes", "process_start_time_seconds")]
            assert len(constant) > 10, constant
            wrong = [k for k in constant if ours[k] != theirs[k]]
            assert not wrong, [(k, ours[k], theirs[k]) for k in wrong][:5]
            assert all(ours[k] == 1 for k in ours if dict(k)["__name__"] == "up")
            names = {m["metric"]: (m["type"], m["help"])
                     for m in api(d.url, "targets/metadata", match_target='{job="node"}')}
            known = {m["metric"]: (m["type"], m["help"])
                     for m in api(peer.url, "targets/metadata", match_target='{job="node"}')}
            wrong = {k for k in known if names.get(k) != known[k]}
            assert not wrong, [(k, names.get(k), known[k]) for k in sorted(wrong)[:5]]


# ---- targets that misbehave


def each_misbehaving_target_costs_only_itself():
    ways = {"good": "", "hang": "no whole answer within", "long": "", "error":
            "server returned HTTP status 500 Internal Server Error", "html":
            'received unsupported Content-Type "text/html"', "blank":
            "non-compliant scrape target sending blank Content-Type", "bomb":
            "body size limit exceeded", "endless": "body size limit exceeded", "twice": "",
            "changing": "", "broken": "line 2: ", "short": ""}
    # What follows a body that is longer than it says is the next answer: on a server of its own.
    with Rogue() as rogue, Rogue() as liar:
        scrapes = [job(w, (liar if w == "short" else rogue).address, metrics_path="/" + w, body_size_limit="1MB")
                   for w in ways]
        scrapes += [job("refused", "127.0.0.1:1"), job("nowhere", "no-such-host.invalid:80")]
        with Scraper(scrapes) as d:
            found = scraped(d, 4)
            up = {k["job"]: v for k, v in d.query("up")}
            good = {"good", "twice", "changing"}
            for way, error in ways.items():
                if way == "short":  # the head of the body is a body: it may be one or none
                    continue
                t = found[way]
                assert (t["health"] == "up") == (way in good), (way, t)
                assert up[way] == (way in good), (way, up[way])
                assert t["lastError"].startswith(error), (way, t["lastError"])
                assert bool(t["lastError"]) == (way not in good), (way, t)
            assert found["refused"]["lastError"] and found["nowhere"]["lastError"]
            # The good one was asked each second, whatever the others did.
            seen = value(d, 'count_over_time(fine[4s])')
            assert seen and seen >= 3, seen
            assert value(d, 'dup{a="1"}') == 1 and value(d, "scrape_samples_scraped{job='twice'}") == 3
            assert len(d.query("moving")) == 1 and value(d, "staying") == 1
            assert value(d, "scrape_series_added{job='changing'}") == 1
            assert not d.query('{__name__=~"half|lie_more|endless|untyped_body"}')
            assert not d.query('lie{job!="short"}')
            text = d.get("/metrics")[1].decode()
            assert 'sonde_scrape_limit_exceeded_total{limit="body_size"}' in text
            missed = [l for l in text.splitlines() if l.startswith("sonde_scrape_missed_total{")]
            assert len(missed) == 3 and all(l.endswith(" 0") for l in missed), missed


def a_target_that_goes_away_ends_its_series_and_comes_back():
    with Target(lambda n, _: (TEXT, b"here 1\n")) as target, \
            Scraper([job("j", target.address)]) as d:
        wait("up", lambda: value(d, "here") == 1)
        target.down = True
        wait("down", lambda: value(d, "up") == 0)
        assert not d.query("here")
        assert value(d, "scrape_samples_scraped") == 0
        target.down = False
        wait("back", lambda: value(d, "here") == 1)
        # It was not forgotten meanwhile.
        assert value(d, "scrape_series_added") == 0


# ---- formats


def field(number, kind, payload):
    return varint(number << 3 | kind) + payload


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def text(number, s):
    s = s.encode() if isinstance(s, str) else s
    return field(number, 2, varint(len(s)) + s)


def double(number, v):
    return field(number, 1, struct.pack("<d", v))


def native_family():
    """A histogram of schema 0 with 5 observations: 2 in (1,2], 3 in (2,4], and its classic form."""
    span = field(1, 0, varint(2)) + field(2, 0, varint(2))  # offset 1 (zigzag), two buckets
    bucket = text(3, field(1, 0, varint(5)) + double(2, 4.0))
    histogram = (field(1, 0, varint(5)) + double(2, 11.5) + bucket + field(5, 0, varint(0)) +
                 double(6, 1e-128) + field(7, 0, varint(0)) + text(12, span) +
                 field(13, 0, varint(4)) + field(13, 0, varint(2)) +
                 text(15, field(1, 0, varint(1700000000))))
    metric = text(1, text(1, "code") + text(2, "200")) + text(7, histogram)
    family = text(1, "wait_seconds") + text(2, "How long.") + field(3, 0, varint(4)) + \
        text(4, metric)
    return varint(len(family)) + family


PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; " \
    "encoding=delimited"


def protobuf_brings_native_histograms():
    asked = []

    def page(_, accept):
        asked.append(accept)
        return PROTOBUF, native_family()
    with Target(page) as target, Scraper([
            job("native", target.address, scrape_native_histograms=True,
                scrape_protocols=["PrometheusProto", "OpenMetricsText1.0.0"]),
            job("both", target.address, scrape_native_histograms=True,
                always_scrape_classic_histograms=True),
            job("classic", target.address, scrape_protocols=["PrometheusProto"])]) as d:
        scraped(d)
        assert value(d, 'histogram_count(wait_seconds{job="native",code="200"})') == 5
        assert value(d, 'histogram_sum(wait_seconds{job="native"})') == 11.5
        assert value(d, 'histogram_fraction(2, 4, wait_seconds{job="native"})') == 0.6
        assert not d.query('wait_seconds_bucket{job="native"}')
        assert value(d, 'wait_seconds_bucket{job="both",le="4.0"}') == 5
        assert value(d, 'wait_seconds_bucket{job="both",le="+Inf"}') == 5
        assert value(d, 'histogram_count(wait_seconds{job="both"})') == 5
        assert not d.query('wait_seconds{job="classic"}')
        assert value(d, 'wait_seconds_count{job="classic"}') == 5
        assert any(a.startswith("application/vnd.google.protobuf") for a in asked), asked[0]


def openmetrics_brings_exemplars_and_classic_histograms_may_become_native():
    body = (b"# TYPE hits counter\n# HELP hits All.\n"
            b"hits_total{p=\"/\"} 7 # {trace_id=\"abc\"} 1 %d.5\nhits_created{p=\"/\"} 1700000000\n"
            b"# TYPE t histogram\nt_bucket{le=\"1\"} 2\nt_bucket{le=\"+Inf\"} 3\nt_sum 5\nt_count 3\n"
            b"# EOF\n" % int(time.time()))
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    with Target(lambda n, _: (kind, body)) as target, Scraper([
            job("plain", target.address),
            job("custom", target.address, convert_classic_histograms_to_nhcb=True)]) as d:
        scraped(d)
        assert value(d, 'hits_total{job="plain"}') == 7
        assert not d.query("hits_created")
        assert value(d, 't_bucket{job="plain",le="1.0"}') == 2
        assert value(d, 'histogram_count(t{job="custom"})') == 3
        assert not d.query('t_bucket{job="custom"}')
        now = time.time()
        found = api(d.url, "query_exemplars", query='hits_total{job="plain"}', start=now - 60,
                    end=now + 60)
        assert found and found[0]["exemplars"][0]["labels"] == {"trace_id": "abc"}, found


def limits_and_honours_are_those_of_the_file():
    body = b'a{job="x",instance="i"} 1 %d\nb 2\n'

    def page(*_):
        return TEXT, body % int((time.time() - 30) * 1000)
    with Target(page) as target, Scraper([
            job("honour", target.address, honor_labels=True),
            job("rename", target.address, honor_timestamps=False),
            job("samples", target.address, sample_limit=1, extra_scrape_metrics=True),
            job("labels", target.address, label_limit=2),
            job("many", target.address, "127.0.0.1:1", target_limit=1)]) as d:
        found = scraped(d)
        assert value(d, 'a{job="x",instance="i"}') == 1
        assert 29 < value(d, 'time() - timestamp(a{job="x"})') < 40
        assert value(d, 'a{job="rename",exported_job="x",exported_instance="i"}') == 1
        assert value(d, 'time() - timestamp(a{job="rename"})') < 10
        assert found["samples"]["lastError"] == "sample limit exceeded"
        assert value(d, 'scrape_samples_scraped{job="samples"}') == 2
        assert value(d, 'scrape_sample_limit{job="samples"}') == 1
        assert value(d, 'scrape_timeout_seconds{job="samples"}') == 1
        assert found["labels"]["lastError"].startswith("label_limit exceeded (metric: a"), found
        assert found["many"]["lastError"].startswith("target_limit exceeded"), found


# ---- who may ask


class Guarded(Rogue):
    """Asks for credentials; gives tokens; is a proxy too."""

    def __init__(self):
        super().__init__()
        self.proxied, handler = [], self.server.RequestHandlerClass
        guarded = self

        def do_get(h):
            if h.path.startswith("http://"):
                guarded.proxied.append(h.path)
                guarded.give(h, b"by_proxy 1\n")
            elif h.path == "/basic":
                want = "Basic " + base64.b64encode(b"me:secret").decode()
                guarded.check(h, want)
            else:
                guarded.check(h, "Bearer sesame")

        def do_post(h):
            length = int(h.headers.get("Content-Length", 0))
            form = urllib.parse.parse_qs(h.rfile.read(length).decode())
            good = form.get("grant_type") == ["client_credentials"]
            guarded.give(h, json.dumps({"access_token": "sesame", "token_type": "Bearer",
                                        "expires_in": 3600}).encode(),
                         kind="application/json", status=200 if good else 400)
        handler.do_GET, handler.do_POST = do_get, do_post

    def check(self, h, want):
        if h.headers.get("Authorization") == want:
            self.give(h, b"allowed 1\n")
        else:
            self.give(h, b"", status=401)


def tls_and_credentials_come_from_the_file():
    folder = tempfile.mkdtemp(prefix="sonde-tls-")
    certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    context.load_verify_locations(os.path.join(folder, "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    with open(os.path.join(folder, "password"), "w", encoding="ascii") as f:
        f.write("secret\n")
    tls = {"ca_file": f"{folder}/ca.pem", "cert_file": f"{folder}/client.pem",
           "key_file": f"{folder}/client.key"}
    basic = {"username": "me", "password_file": f"{folder}/password"}
    with Guarded() as plain, Guarded() as safe:
        safe.server.socket = context.wrap_socket(safe.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        oauth2 = {"client_id": "c", "client_secret": "s", "token_url":
                  f"http://{plain.address}/token"}
        with Scraper([
                job("basic", plain.address, metrics_path="/basic", basic_auth=basic),
                job("nobody", plain.address, metrics_path="/basic"),
                job("bearer", plain.address, authorization={"credentials": "sesame"}),
                job("oauth2", plain.address, oauth2=oauth2),
                job("proxy", "192.0.2.1:80", proxy_url=f"http://{plain.address}"),
                job("tls", safe.address, scheme="https", metrics_path="/basic", basic_auth=basic,
                    tls_config=tls),
                job("stranger", safe.address, scheme="https", tls_config={
                    "ca_file": f"{folder}/ca.pem"}),
                job("unknown_ca", safe.address, scheme="https")]) as d:
            found = scraped(d, 2)
            for name in ("basic", "bearer", "oauth2", "proxy", "tls"):
                assert found[name]["health"] == "up", found[name]
            for name in ("nobody", "stranger", "unknown_ca"):
                assert found[name]["health"] == "down", found[name]
            assert "401" in found["nobody"]["lastError"], found["nobody"]
            assert plain.proxied and plain.proxied[0] == "http://192.0.2.1:80/metrics" or \
                plain.proxied[0] == "http://192.0.2.1/metrics", plain.proxied[:1]
    shutil.rmtree(folder, ignore_errors=True)


# ---- the file changes; what can be asked


def a_reload_keeps_what_stays_and_ends_what_goes():
    with Target(lambda n, _: (TEXT, b"here %d\n" % n)) as target:
        scraper = Scraper([job("stay", target.address), job("go", target.address)])
        with scraper as d:
            wait("both", lambda: len(d.query("here")) == 2)
            scraper.reload([job("stay", target.address), job("come", target.address, params={
                "x": ["1"]})])
            wait("the new job", lambda: value(d, 'here{job="come"}'))
            assert not d.query('{job="go"}'), d.query('{job="go"}')
            found = {t["labels"]["job"]: t for t in targets(d)}
            assert sorted(found) == ["come", "stay"], found
            assert found["come"]["scrapeUrl"].endswith("/metrics?x=1"), found["come"]
            settle(2)
            # Not one second was lost by the reload.
            assert value(d, 'count_over_time(up{job="stay"}[4s])') >= 3
            assert value(d, 'changes(up{job="stay"}[1m])') == 0
            scraper.write([{"job_name": "bad", "scrape_interval": "x"}])
            d.process.send_signal(signal.SIGHUP)
            settle(1)
            assert value(d, 'up{job="stay"}') == 1  # a file that is wrong changes nothing


def the_api_tells_of_targets_pools_and_rules():
    with Target(lambda n, _: (TEXT, b"# HELP g A gauge.\n# TYPE g gauge\ng 1\n")) as target:
        rules = [{"source_labels": ["__address__"], "regex": "drop.*", "action": "drop"},
                 {"source_labels": ["env"], "target_label": "stage"}]
        config = {"job_name": "j", "relabel_configs": rules, "static_configs": [
            {"targets": [target.address, "drop:1", "drop:2"], "labels": {"env": "test"}}]}
        with Scraper([config, job("k", "127.0.0.1:1")]) as d:
            scraped(d)
            data = d.json("/api/v1/targets?scrapePool=j")["data"]
            t = data["activeTargets"][0]
            assert len(data["activeTargets"]) == 1 and data["droppedTargetCounts"] == {"j": 2}
            assert t["labels"] == {"env": "test", "instance": target.address, "job": "j",
                                   "stage": "test"}, t
            assert t["discoveredLabels"]["__scrape_interval__"] == "1s", t
            assert t["scrapeInterval"] == "1s" and t["scrapePool"] == "j", t
            assert t["scrapeUrl"] == f"http://{target.address}/metrics", t
            assert t["lastScrapeDuration"] > 0 and t["lastScrape"] > "2020", t
            dropped = d.json("/api/v1/targets?state=dropped")["data"]
            assert dropped["activeTargets"] == []
            assert [x["discoveredLabels"]["__address__"] for x in dropped["droppedTargets"]] == \
                ["drop:1", "drop:2"], dropped
            active = d.json("/api/v1/targets?state=active")["data"]
            assert len(active["activeTargets"]) == 2 and active["droppedTargets"] == []
            assert d.json("/api/v1/scrape_pools")["data"] == {"scrapePools": ["j", "k"]}
            yaml = d.json("/api/v1/scrape_pools/config?scrapePool=j")["data"]["yaml"]
            assert "job_name: j" in yaml and "relabel_configs" in yaml, yaml
            labels = urllib.parse.quote(json.dumps({"__address__": "a:1", "env": "x"}))
            steps = d.json("/api/v1/targets/relabel_steps?scrapePool=j&labels=" +
                           labels)["data"]["steps"]
            assert [s["keep"] for s in steps] == [True, True], steps
            assert steps[1]["output"] == {"__address__": "a:1", "env": "x", "stage": "x"}, steps
            assert steps[0]["rule"]["action"] == "drop", steps
            labels = urllib.parse.quote(json.dumps({"__address__": "drop:1"}))
            steps = d.json("/api/v1/targets/relabel_steps?scrapePool=j&labels=" +
                           labels)["data"]["steps"]
            assert [s["keep"] for s in steps] == [False, False], steps
            one = api(d.url, "targets/metadata", metric="g")
            assert one == [{"target": t["labels"], "type": "gauge", "help": "A gauge.",
                            "unit": ""}], one
            assert d.get("/api/v1/targets/relabel_steps?scrapePool=no&labels={}")[0] == 400


if __name__ == "__main__":
    run(globals())
