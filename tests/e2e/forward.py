#!/usr/bin/env python3
"""What is stored is sent on by remote write: to receivers of this script that refuse, stall and
forget, to another Sonde, to Debian's prometheus and to victoria-metrics; through kill -9 and a full
queue. The rules for senders of Remote-Write 1.0 and 2.0 are cases here.
"""
# timeout: 240
import http.server
import os
import signal
import ssl
import struct
import subprocess
import threading
import time

from _daemon import Daemon, run, wait
from _peers import api, differences, fetch, prometheus, raw_samples, victoria
from _wire import (COUNTER, GAUGE, STALE_BITS, TYPE_V1, TYPE_V2, WriteV2, fields, read_varint,
                   unsnappy, write_v1)

QUIET = ["collect.enabled=false"]
NOW = int(time.time() * 1000)


class Receiver:
    """A server that keeps what it is sent. script: answers before it begins to say yes, each a
    status, (status, headers) or "hang"."""

    def __init__(self, script=(), counts=True, versions=(1, 2)):
        self.script, self.counts, self.versions = list(script), counts, versions
        self.series, self.exemplars, self.metadata = {}, [], {}
        self.order, self.requests, self.twice = [], [], 0
        self.lock = threading.Lock()
        self.always = None
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self, body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # killed daemons break off
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/write"
        self.released = threading.Event()

    def by_tls(self, folder):
        """Speaks TLS as localhost; the path of the certificate."""
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=receiver",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/write"
        return cert

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, status, headers=()):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def take(self, handler, body):
        with self.lock:
            step = self.script.pop(0) if self.script else self.always or 204
            version = 2 if "v2" in handler.headers["Content-Type"] else 1
            if step == 204 and version not in self.versions:
                step = 415
            self.requests.append((time.monotonic(), step, dict(handler.headers), body))
            rows = 0
            if step == 204:
                rows = self.keep(unsnappy(body), version)
        if step == "hang":
            self.released.wait(60)
            return
        status, headers = step if isinstance(step, tuple) else (step, ())
        if status == 204 and version == 2 and self.counts:
            headers = [("X-Prometheus-Remote-Write-Samples-Written", str(rows)),
                       ("X-Prometheus-Remote-Write-Histograms-Written", "0"),
                       ("X-Prometheus-Remote-Write-Exemplars-Written", "0")]
        self.answer(handler, status, headers)

    def keep(self, raw, version):
        if version == 2:
            return self.keep_v2(raw)
        rows = 0
        for number, one in fields(raw):
            if number == 3:
                m = dict(fields(one))
                self.metadata[m[2].decode()] = (m[1], m.get(4, b"").decode(), m.get(5, b"").decode())
            if number != 1:
                continue
            parts = fields(one)
            labels = [tuple(x.decode() for _, x in fields(v)) for n, v in parts if n == 1]
            rows += self.rows(labels, [v for n, v in parts if n == 2],
                              [v for n, v in parts if n == 4])
            for n, v in parts:
                if n == 3:
                    own = [tuple(x.decode() for _, x in fields(w)) for k, w in fields(v) if k == 1]
                    self.exemplars.append((tuple(labels), tuple(own)))
        return rows

    def keep_v2(self, raw):
        symbols = [v.decode() for n, v in fields(raw) if n == 4]
        assert symbols[0] == ""
        rows = 0

        def named(packed):
            at, refs = 0, []
            while at < len(packed):
                ref, at = read_varint(packed, at)
                refs.append(symbols[ref])
            return list(zip(refs[::2], refs[1::2]))

        for number, one in fields(raw):
            if number != 5:
                continue
            parts = fields(one)
            labels = named(next(v for n, v in parts if n == 1))
            samples = [v for n, v in parts if n == 2]
            assert samples or any(n == 3 for n, _ in parts)
            rows += self.rows(labels, samples, [v for n, v in parts if n == 3])
            for n, v in parts:
                if n == 4:
                    self.exemplars.append((tuple(labels),
                                           tuple(named(next(w for k, w in fields(v) if k == 1)))))
                if n == 5:
                    m = dict(fields(v))
                    self.metadata[dict(labels)["__name__"]] = (m[1], symbols[m.get(3, 0)],
                                                               symbols[m.get(4, 0)])
        return rows

    def rows(self, labels, samples, histograms):
        names = [k for k, _ in labels]
        assert names == sorted(names) and len(set(names)) == len(names), names
        assert all(k and v for k, v in labels), labels
        there = self.series.setdefault(tuple(labels), {})
        for sample in samples:
            m = dict(fields(sample))
            ts = m.get(2, 0)
            bits = struct.unpack("<Q", m.get(1, bytes(8)))[0]
            self.twice += ts in there
            there[ts] = "stale" if bits == STALE_BITS else struct.unpack("<d", m.get(1, bytes(8)))[0]
            self.order.append((tuple(labels), ts))
        for h in histograms:
            m = fields(h)
            there[next(v for n, v in m if n == 15)] = sorted(m, key=str)
        return len(samples) + len(histograms)

    def values(self, name):
        """{ts: value} of the one series of that name."""
        with self.lock:
            found = [dict(v) for k, v in self.series.items() if ("__name__", name) in k]
        assert len(found) <= 1, found
        return found[0] if found else {}

    def total(self):
        with self.lock:
            return sum(len(v) for v in self.series.values())


def config(receiver, more="", before=""):
    return f"""{before}
[[forward.remote_write]]
name = "there"
url = "{receiver.url}"
batch_deadline_ms = 50
{more}
"""


def write(d, series, metadata=()):
    status, body = d.get("/api/v1/write", write_v1(series, metadata),
                         {"Content-Type": TYPE_V1, "Content-Encoding": "snappy"})
    assert status == 204, (status, body)


def metric(d, name, **labels):
    """The value of one of the daemon's own metrics."""
    for line in d.get("/metrics")[1].decode().splitlines():
        if line.startswith(name + "{") or line.startswith(name + " "):
            if all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"no {name} {labels}")


def series(name, n, first=NOW, step=1000, **labels):
    return ({"__name__": name, **labels}, [(first + i * step, float(i)) for i in range(n)])


HISTOGRAM = {"count": 5, "sum": 2.5, "schema": 1, "zero": 1, "positive": {0: 1, 1: 3}}


def version_1_sends_all_kinds_with_the_headers_that_are_asked_for():
    with Receiver() as r, Daemon(config(r), settings=QUIET) as d:
        d.start()
        write(d, [({"__name__": "a_total", "Zone": "x", "job": "j"}, [(NOW, 1.5), (NOW + 1, 2.0)]),
                  ({"__name__": "gone", "job": "j"}, [(NOW, 1.0), (NOW + 1, "stale")]),
                  ({"__name__": "h", "job": "j"}, [(NOW, HISTOGRAM)])],
              [("a_total", COUNTER, "Helps.", "s")])
        wait("all rows", lambda: r.total() == 5)
        assert r.values("a_total") == {NOW: 1.5, NOW + 1: 2.0}
        assert r.values("gone") == {NOW: 1.0, NOW + 1: "stale"}
        headers = r.requests[0][2]
        assert headers["Content-Type"] == "application/x-protobuf", headers
        assert headers["Content-Encoding"] == "snappy", headers
        assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0", headers
        assert headers["User-Agent"].startswith("Sonde/"), headers
        wait("metadata", lambda: r.metadata.get("a_total") == (COUNTER, "Helps.", "s"))
        wait("counted", lambda: metric(d, "sonde_forward_samples_total", destination="there") == 4)
        assert metric(d, "sonde_forward_histograms_total", destination="there") == 1
        assert r.twice == 0


def version_2_sends_exemplars_and_metadata_beside_samples():
    with Receiver() as r, Daemon(config(r, 'protocol = "2.0"'), settings=QUIET) as d:
        d.start()
        body = WriteV2().add({"__name__": "b_total", "job": "j"}, [(NOW, 3.0, NOW - 5)],
                             [({"trace_id": "7"}, NOW, 0.5)], COUNTER, "Counts.", "s").bytes()
        status, _ = d.get("/api/v1/write", body, {"Content-Type": TYPE_V2,
                                                  "Content-Encoding": "snappy"})
        assert status == 204, status
        wait("the row", lambda: r.values("b_total") == {NOW: 3.0})
        headers = r.requests[0][2]
        assert headers["Content-Type"] == TYPE_V2, headers
        assert headers["X-Prometheus-Remote-Write-Version"] == "2.0.0", headers
        assert r.exemplars[0][1] == (("trace_id", "7"),), r.exemplars
        write(d, [({"__name__": "b_total", "job": "j"}, [(NOW + 1, 4.0)])])
        wait("metadata", lambda: r.metadata.get("b_total") == (COUNTER, "Counts.", "s"))


def who_knows_version_1_alone_gets_it():
    for receiver in (Receiver(versions=(1,)), Receiver(counts=False)):
        with receiver as r, Daemon(config(r, 'protocol = "2.0"'), settings=QUIET) as d:
            d.start()
            write(d, [series("a", 10)])
            wait("all rows", lambda: len(r.values("a")) == 10)
            wait("a second request of 1.0", lambda: len(r.requests) >= 2)
            assert "v2" in r.requests[0][2]["Content-Type"]
            assert r.requests[1][2]["X-Prometheus-Remote-Write-Version"] == "0.1.0"
            write(d, [series("b", 10)])
            wait("more rows", lambda: len(r.values("b")) == 10)
            assert sum("v2" in q[2]["Content-Type"] for q in r.requests) == 1


def what_may_pass_is_tried_again_in_order():
    with Receiver([500, 503, 599, "hang"]) as r, \
            Daemon(config(r, "timeout_ms = 500"), settings=QUIET) as d:
        d.start()
        for i in range(20):
            write(d, [({"__name__": "a", "job": "j"}, [(NOW + i, float(i))])])
        wait("all rows", lambda: len(r.values("a")) == 20)
        assert [ts for _, ts in r.order] == sorted(ts for _, ts in r.order)
        first = [q[3] for q in r.requests[:5]]
        assert first[0] == first[1] == first[2] == first[3] == first[4]
        pauses = [b[0] - a[0] for a, b in zip(r.requests, r.requests[1:4])]
        assert pauses[0] >= 0.029 and pauses[1] >= 0.058 and pauses[2] >= 0.115, pauses
        assert metric(d, "sonde_forward_retries_total", destination="there") == 4
        assert r.twice == 0


def a_server_that_says_when_is_left_alone_until_then():
    for status in (503, 429):
        with Receiver([(status, [("Retry-After", "1")])]) as r, \
                Daemon(config(r), settings=QUIET) as d:
            d.start()
            write(d, [series("a", 5)])
            wait("all rows", lambda: len(r.values("a")) == 5)
            pause = r.requests[1][0] - r.requests[0][0]
            assert 0.95 <= pause < 5, pause


def what_is_refused_for_good_is_dropped_and_counted():
    for status in (400, 401, 404, 409, 413, 422):
        with Receiver([status]) as r, Daemon(config(r), settings=QUIET) as d:
            d.start()
            write(d, [series("a", 5)])
            wait("refused", lambda: metric(d, "sonde_forward_dropped_total", destination="there",
                                           reason="refused") == 5)
            write(d, [series("b", 5)])
            wait("the next", lambda: len(r.values("b")) == 5)
            assert len(r.requests) == 2 and r.values("a") == {}, r.requests
            assert any(f"status {status}" in line for line in d.errors), d.said()


def a_rate_limit_drops_where_it_is_said():
    with Receiver([429]) as r, Daemon(config(r, "retry_on_rate_limit = false"),
                                      settings=QUIET) as d:
        d.start()
        write(d, [series("a", 5)])
        wait("refused", lambda: metric(d, "sonde_forward_dropped_total", destination="there",
                                       reason="refused") == 5)
        assert len(r.requests) == 1


def labels_are_added_and_rules_applied():
    more = 'labels = ["region=eu", "job=never"]\n[[forward.relabel]]\nsource_labels = ["job"]\n' \
           'regex = "drop.*"\naction = "drop"\n[[forward.relabel]]\nremote_write = "there"\n' \
           'regex = "secret"\naction = "labeldrop"\n'
    with Receiver() as r, Daemon(config(r, more), settings=QUIET) as d:
        d.start()
        write(d, [series("a", 1, job="dropped"), series("b", 1, job="kept", secret="x")])
        wait("the row", lambda: r.total() == 1)
        assert list(r.series) == [(("__name__", "b"), ("job", "kept"), ("region", "eu"))], r.series


def credentials_are_sent_and_never_shown():
    with Receiver() as r, Daemon(config(r, 'username = "me"\npassword = "geheim"'),
                                 settings=QUIET) as d:
        d.start()
        write(d, [series("a", 1)])
        wait("the row", lambda: r.total() == 1)
        assert r.requests[0][2]["Authorization"] == "Basic bWU6Z2VoZWlt"
        assert "geheim" not in d.said() + d.get("/api/v1/status/config")[1].decode()


def tls_and_names_work_from_the_confined_worker():
    with Receiver() as r, Daemon("", settings=QUIET) as d:
        cert = r.by_tls(d.folder)
        d.write_config(config(r, f'ca_file = "{cert}"'))
        d.start()
        write(d, [series("a", 3)])
        wait("all rows", lambda: len(r.values("a")) == 3)
        d.stop()
        d.write_config(config(r))  # the system's authorities alone
        d.start()
        write(d, [series("b", 3)])
        wait("told", lambda: any("certificate" in line for line in d.errors))
        assert r.values("b") == {}


def nothing_is_lost_or_changed_by_kill_9():
    with Receiver() as r, Daemon(config(r, "request_rows_max = 50"), settings=QUIET) as d:
        d.start()
        wanted = {}
        for i in range(60):
            rows = [({"__name__": f"m{k}", "job": "j"}, [(NOW + i * 1000, float(i * k))])
                    for k in range(20)]
            try:
                write(d, rows)
            except (OSError, AssertionError):
                wait("ready again", lambda: d.status("/readyz") == 200)
                write(d, rows)
            for labels, samples in rows:
                wanted.setdefault(tuple(sorted(labels.items())), {}).update(dict(samples))
            if i in (15, 30, 45):
                os.kill(d.worker(), signal.SIGKILL)
                wait("ready again", lambda: d.status("/readyz") == 200)
        wait("all rows", lambda: r.total() == 1200)
        with r.lock:
            assert r.series == wanted
        assert r.twice <= 200, r.twice  # what was on its way at a kill may come twice


def a_server_that_was_away_gets_what_it_missed():
    with Receiver() as r, Daemon(config(r), settings=QUIET) as d:
        r.always = 503
        d.start()
        for i in range(30):
            write(d, [series(f"m{i}", 100)])
        d.stop()
        d.start()
        write(d, [series("last", 1)])
        time.sleep(0.3)
        assert r.total() == 0
        r.always = None
        wait("all rows", lambda: r.total() == 3001)


def a_full_queue_drops_the_oldest_and_counts_them():
    before = "[forward]\nqueue_bytes_max = 4194304\n"
    with Receiver() as r, Daemon(config(r, before=before), settings=QUIET) as d:
        r.always = 503
        d.start()
        sent = 0
        for i in range(60):  # labels that pack badly
            rows = [({"__name__": f"m{i}_{k}", "job": os.urandom(400).hex()}, [(NOW + i, 1.0)])
                    for k in range(400)]
            write(d, rows)
            sent += len(rows)
        assert metric(d, "sonde_forward_queue_bytes") <= 4194304
        r.always = None

        def lost():
            return metric(d, "sonde_forward_dropped_total", destination="there", reason="queue")
        wait("every row, sent or counted", lambda: r.total() + lost() >= sent, 60)
        assert r.total() + lost() == sent and lost() > 0, (r.total(), lost(), sent)
        assert any(("__name__", "m59_0") in k for k in r.series)


def one_that_is_new_gets_what_comes_from_now_on():
    with Receiver() as r, Daemon("", settings=QUIET) as d:
        d.start()
        write(d, [series("before", 5)])
        d.write_config(config(r))
        d.process.send_signal(signal.SIGHUP)
        wait("reloaded", lambda: any("reloaded" in line for line in d.errors))
        write(d, [series("after", 5)])
        wait("the rows", lambda: len(r.values("after")) == 5)
        assert r.values("before") == {}


def equal(d, url, selector):
    """All of the selector is the same here and there."""
    at = NOW / 1000 + 600
    found = []

    def same():
        found[:] = differences(raw_samples(d.url, selector, at), raw_samples(url, selector, at))
        return not found and raw_samples(d.url, selector, at)
    try:
        wait("equal data", same)
    except AssertionError:
        raise AssertionError("\n".join(map(str, found))) from None


def fill(d, first, n=30):
    """Samples of thirty series from first on, one request a step."""
    for i in range(first, first + n):
        write(d, [({"__name__": f"m{k}", "job": "e2e", "instance": f"i{k % 3}"},
                   [(NOW + i * 1000, float(i * 31 % 17 + k))]) for k in range(30)])


def exemplars(d, version):
    return api(d.url, "query_exemplars", query=f"ex{version[0]}_total",
               start=NOW / 1000 - 60, end=NOW / 1000 + 60)


def another_sonde_has_the_same_afterwards():
    with Daemon(settings=QUIET) as there:
        there.start()
        url = f"{there.url}/api/v1/write"
        for version in ("1.0", "2.0"):
            text = f'[[forward.remote_write]]\nname = "{version}"\nurl = "{url}"\n' \
                   f'protocol = "{version}"\nbatch_deadline_ms = 50\n'
            with Daemon(text, settings=QUIET) as d:
                d.start()
                fill(d, 0)
                write(d, [({"__name__": "native" + version[0], "job": "e2e"},
                           [(NOW + i * 1000, {**HISTOGRAM, "sum": i}) for i in range(5)])])
                equal(d, there.url, '{__name__=~"m.*"}')
                equal(d, there.url, f'{{__name__="native{version[0]}"}}')
                body = WriteV2().add({"__name__": f"ex{version[0]}_total", "job": "e2e"},
                                     [(NOW, 3.0)], [({"trace_id": version}, NOW, 0.5)]).bytes()
                assert d.get("/api/v1/write", body, {"Content-Type": TYPE_V2,
                                                     "Content-Encoding": "snappy"})[0] == 204
                wait("the exemplar", lambda: exemplars(there, version) == exemplars(d, version)
                     and exemplars(d, version))


def prometheus_has_the_same_after_kills_by_its_own_file():
    with prometheus() as peer:
        with Daemon("", settings=QUIET) as d:
            path = os.path.join(d.folder, "prometheus.yml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"remote_write:\n- url: {peer.url}/api/v1/write\n"
                        "  queue_config: {batch_send_deadline: 50ms, max_samples_per_send: 100}\n")
            d.write_config(f'[prometheus]\nconfig_file = "{path}"\n')
            d.argv += [] if "--config" in d.argv else ["--config", d.config]
            d.start()
            for i in range(3):
                fill(d, i * 30)
                os.kill(d.worker(), signal.SIGKILL)
                wait("ready again", lambda: d.status("/readyz") == 200)
            fill(d, 90)
            equal(d, peer.url, '{job="e2e"}')


def victoria_metrics_has_the_same_afterwards():
    with victoria() as peer:
        text = f'[[forward.remote_write]]\nurl = "{peer.url}/api/v1/write"\n' \
               'protocol = "2.0"\nbatch_deadline_ms = 50\n'
        with Daemon(text, settings=QUIET) as d:
            d.start()
            fill(d, 0)
            wait("all rows", lambda: fetch(peer.url + "/internal/force_flush")[0] == 200 and
                 not differences(raw_samples(d.url, '{job="e2e"}', NOW / 1000 + 600),
                                 raw_samples(peer.url, '{job="e2e"}', NOW / 1000 + 600)))


if __name__ == "__main__":
    run(globals())
