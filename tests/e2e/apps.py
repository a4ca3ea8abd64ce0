#!/usr/bin/env python3
"""Applications that link libsonde, as the daemon sees them: metrics, signals, questions, crashes,
what is refused, and what survives a daemon that is killed.
"""
# timeout: 240
# suites: plain asan
import http.server
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

from _apps import (ACK, ACK_WANTED, CRASH, ENVELOPE, HEADER, HELLO, LOGS, METRICS, REFUSED, SPANS,
                   App, Refused, crash_record, envelope, facts, lines, write_request)
from _daemon import ROOT, SANITIZED, SONDE, Daemon, Skip, run, wait

QUIET = ["collect.enabled=false"]


class Server(Daemon):
    """A daemon with a socket for applications in its folder."""

    def __init__(self, *settings, config="", data=None):
        super().__init__(config=config, data=data, settings=[*QUIET, *settings])
        self.path = os.path.join(self.folder, "sonde.sock")
        self.argv += ["--set", f"apps.listen=unix:{self.path}"]

    def app(self, *words, **said):
        return App(self.path, *words, **said)

    def data_of(self, path):
        answer = self.json(path)
        assert answer["status"] == "success", answer
        return answer["data"]

    def spool(self, name):
        return next(q for q in self.data_of("/api/spool")["spools"] if q["name"] == name)

    def relay(self, name):
        return next(q for q in self.data_of("/api/spool")["relays"] if q["name"] == name)

    def recent(self, query=""):
        return self.data_of("/api/errors/recent" + query)

    def ask(self, instance, command, post=False):
        path = (f"/api/apps/{urllib.parse.quote(instance, safe='')}/ask?command=" +
                urllib.parse.quote(command))
        status, body = self.get(path, b"" if post else None)
        return status, json.loads(body)

    def check(self, name):
        rows = json.loads(self.get("/health")[1])["checks"].get(name)
        return rows[0] if rows else None

    def cli(self, *words):
        done = subprocess.run([SONDE, *words, "--server", self.url], capture_output=True, text=True,
                              timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    def kill_worker(self):
        """kill -9; the parent starts another, which clients reach at the same socket."""
        before = self.worker()
        os.kill(before, signal.SIGKILL)
        wait("another worker serves", lambda: self.worker() not in (0, before) and
             self.status("/readyz") == 200)

    def value(self, text):
        rows = self.query(text)
        return rows[0][1] if len(rows) == 1 else None

    def becomes(self, text, wanted, patience=20):
        wait(f"{text} is {wanted}, not {self.query(text)}", lambda: self.value(text) == wanted,
             patience)

    def own(self, name):
        for line in self.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0


def metrics_are_seen_within_two_seconds_and_end_with_the_application():
    with Server().start() as d:
        app = d.app()
        begun = time.monotonic()
        app.metrics({"requests_total": 5, "queue": 2})
        d.becomes('requests_total{job="shop",instance="host:1"}', 5)
        took = time.monotonic() - begun
        assert took < 2, took
        d.becomes('up{job="shop",instance="host:1"}', 1)
        time.sleep(0.01)
        app.metrics({"requests_total": 6})
        d.becomes("requests_total", 6)
        wait("a series that is not sent any more ends", lambda: d.query("queue") == [])
        app.close()
        wait("all series end", lambda: d.query('{job="shop"}') == [])
        print(f"  seen after {took * 1000:.0f} ms")


def metrics_of_many_frames_are_one_cycle_and_are_acknowledged_when_durable():
    with Server("apps.series_max=100").start() as d, d.app() as app:
        ts = int(time.time() * 1000)

        def rows(first, n):
            return write_request([({"__name__": "m", "job": "shop", "instance": "host:1",
                                    "i": str(i)}, i, ts) for i in range(first, first + n)])
        app.promised(METRICS, rows(0, 40), flags=2)
        app.promised(METRICS, rows(40, 40))
        d.becomes("count(m)", 80)
        app.promised(METRICS, rows(0, 150))
        assert d.own("sonde_apps_samples_refused_total") == 50
        assert d.value("count(m)") == 100


def the_socket_has_the_mode_that_is_configured():
    with Server("apps.mode=0600").start() as d:
        assert stat.S_IMODE(os.stat(d.path).st_mode) == 0o600
    with Server().start() as d:
        assert stat.S_IMODE(os.stat(d.path).st_mode) == 0o666


def a_socket_that_is_taken_is_a_warning_and_a_stale_one_is_replaced():
    with Server().start() as first:
        second = Server()
        second.path = first.path
        second.argv[-1] = f"apps.listen=unix:{first.path}"
        with second.start() as d:
            assert "apps is not received" in d.said(), d.said()
            with first.app() as app:
                app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "still here"))
    with Server() as d:
        left = socket.socket(socket.AF_UNIX)
        left.bind(d.path)
        left.close()
        d.start()
        d.app().bye()


# A listener that ends when its pipe does; its child holds the socket until its input says "end".
HELD = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
if os.fork() == 0:
    print("held", flush=True)
    while sys.stdin.readline().strip() != "end":
        pass
    os._exit(0)
os.read(int(sys.argv[2]), 1)
"""


def zombie(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "Z"


def a_socket_that_a_killed_daemon_has_left_to_others_is_taken():
    with Server() as d:
        stay, go = os.pipe()
        holder = subprocess.Popen([sys.executable, "-c", HELD, d.path, str(stay)], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[stay])
        try:
            assert holder.stdout.readline() == "held\n"
            with Server() as second:  # as long as it lives, the socket is its own
                second.argv[-1] = f"apps.listen=unix:{d.path}"
                second.start()
                assert "apps is not received" in second.said(), second.said()
            os.close(go)
            wait("the listener is dead, not yet waited for", lambda: zombie(holder.pid))
            d.start()
            assert "apps is not received" not in d.said(), d.said()
            with d.app() as app:
                app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "taken"))
        finally:
            holder.stdin.write("end\n")
            holder.stdin.close()
            holder.stdout.close()
            holder.wait(20)
            os.close(stay)


def a_daemon_that_is_killed_whole_serves_applications_when_it_is_started_again():
    with Server() as d:
        for i in range(4):
            d.start()
            assert "apps is not received" not in d.said(), d.said()
            with d.app() as app:
                app.promised(ENVELOPE, envelope(uuid.uuid4().hex, f"number {i}"))
                os.kill(d.worker(), signal.SIGSTOP)  # it is still there when the next one comes
                d.process.kill()
                d.process.wait()
        d.start()
        wait("all are listed", lambda: len(d.recent()) == 4)


def another_socket_is_taken_over_by_a_reload():
    with Server() as d:
        d.argv = d.argv[:-2]
        d.write_config(f'[apps]\nlisten = ["unix:{d.path}"]\n')
        d.argv = [a for a in d.argv if a != "apps.listen="]
        d.argv.pop(d.argv.index("--set", d.argv.index("statsd.listen=") + 1))
        d.start()
        app, before = d.app(), d.worker()
        d.write_config(f'[apps]\nlisten = ["unix:{d.path}.2"]\nmode = "0600"\n')
        os.kill(d.process.pid, signal.SIGHUP)
        wait("the new socket is there", lambda: os.path.exists(d.path + ".2"))
        wait("another worker serves", lambda: d.worker() not in (0, before))
        assert app.receive() is None
        App(d.path + ".2").bye()


def what_is_acknowledged_survives_a_worker_that_is_killed():
    with Server().start() as d:
        app = d.app()
        ids = [uuid.uuid4().hex for _ in range(5)]
        for i, event_id in enumerate(ids):
            app.promised(ENVELOPE, envelope(event_id, f"number {i}"))
        app.promised(SPANS, b"spans " * 1000)
        app.promised(LOGS, b"logs")
        big = envelope(uuid.uuid4().hex, "big", extra={"text": os.urandom(1 << 20).hex()})
        assert len(big) > 2 << 20
        app.promised(ENVELOPE, big)
        d.kill_worker()
        assert app.receive() is None
        with d.app() as again:
            while (answer := d.json("/api/errors/recent")).get("partial"):
                time.sleep(0.01)
            assert [e["title"] for e in answer["data"]] == [
                "Broken: big"] + [f"Broken: number {i}" for i in (4, 3, 2, 1, 0)], answer
            again.promised(ENVELOPE, envelope(ids[2], "number 2"))  # known: not stored twice
            assert len(d.recent()) == 6
            assert d.spool("errors")["records"] == 6, d.spool("errors")
            assert d.spool("spans")["records"] == 1 and d.spool("logs")["records"] == 1
            assert d.spool("errors")["duplicates"] == 1
        newest = d.recent("?limit=1")[0]
        assert newest["service"] == "shop" and newest["release"] == "shop@1", newest
        assert newest["frames"][0] == {"function": "pay", "file": "pay.c", "line": 42}, newest
        assert d.recent("?service=nobody") == []


def an_envelope_sent_while_the_worker_is_killed_is_stored_once():
    with Server().start() as d:
        acknowledged = []
        for _ in range(4):
            with d.app() as app:
                promised = []
                for _ in range(20):
                    event_id = uuid.uuid4().hex
                    promised.append((app.send(ENVELOPE, envelope(event_id, event_id), ACK_WANTED),
                                     event_id))
                d.kill_worker()
                while (frame := app.receive()) is not None:
                    if frame[0] == ACK:
                        acknowledged += [i for s, i in promised if s == frame[2]]
            with d.app() as app:  # what was not acknowledged is sent again, as the library does
                for _, event_id in promised:
                    if event_id not in acknowledged:
                        app.promised(ENVELOPE, envelope(event_id, event_id))
                        acknowledged.append(event_id)
        titles = [e["title"] for e in d.recent("?limit=1000")]
        assert sorted(titles) == sorted(f"Broken: {i}" for i in acknowledged), len(titles)
        assert len(titles) == 80


def what_is_no_envelope_is_refused_and_the_connection_goes_on():
    with Server().start() as d, d.app() as app:
        for bad in (b"", b"no json", b"{}\n{\"type\":\"event\",\"length\":99}\n{}"):
            try:
                app.promised(ENVELOPE, bad)
                raise AssertionError(f"taken: {bad}")
            except Refused as e:
                assert e.said["code"] == "bad_format" and e.said["retry_ms"] == "0", e.said
        try:
            app.promised(METRICS, b"\x0a\xff\xff\xff\xff\xff")
            raise AssertionError("taken")
        except Refused as e:
            assert e.said["code"] == "bad_format", e.said
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "fine"))


def bad_frames_close_the_connection_and_are_counted():
    hello = lines(service="s", instance="i")
    cases = [
        HEADER.pack(0, HELLO, 0, 0, 9, 1),                                # another version
        HEADER.pack(0, 99, 0, 0, 1, 1),                                   # an unknown kind
        HEADER.pack((4 << 20) + 1, HELLO, 0, 0, 1, 1),                    # too long
        HEADER.pack(3, METRICS, 0, 0, 1, 1) + b"abc",                     # not HELLO first
        HEADER.pack(3, HELLO, 0, 0, 1, 1) + b"abc",                       # no lines
        HEADER.pack(9, CRASH, 0, 0, 1, 1) + b"no record",
        HEADER.pack(len(hello), HELLO, 0, 0, 1, 1) + hello +
        HEADER.pack(len(hello), HELLO, 0, 0, 1, 2) + hello,               # HELLO twice
        os.urandom(64)[:7] + b"\x07" + os.urandom(56),
    ]
    with Server().start() as d:
        for case in cases:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(20)
            s.connect(d.path)
            s.sendall(case)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass  # until the daemon closes
            s.close()
        wait("all are counted", lambda: sum(d.own(f'sonde_apps_closed_total{{by="{w}"}}') for w in
                                            ("frame", "hello")) >= 7)
        app = d.app()
        app.promised(METRICS, write_request([({"__name__": "alive", "job": "shop"}, 1,
                                              int(time.time() * 1000))]))


def too_many_connections_are_refused_with_a_reason():
    with Server("apps.connections_max=2").start() as d:
        kept = [d.app(instance=f"i{i}") for i in range(2)]
        third = App(d.path, hello=False)
        kind, _, _, said = third.receive()
        assert kind == REFUSED and facts(said)["code"] == "busy", said
        assert third.receive() is None
        kept[0].bye()
        wait("there is room again", lambda: d.own("sonde_apps_connected") < 2)
        d.app(instance="i3").bye()


def a_slow_reader_holds_up_nobody_and_is_disconnected():
    with Server().start() as d:
        slow = d.app(instance="slow")
        slow.socket.settimeout(0.2)
        frame = HEADER.pack(4, ENVELOPE, ACK_WANTED, 0, 1, 1) + b"junk"
        until, gone = time.monotonic() + 60, False
        with d.app(instance="quick") as quick:
            while not gone and time.monotonic() < until:
                try:
                    slow.socket.sendall(frame * 2000)  # each is answered by a sentence
                except (TimeoutError, socket.timeout):
                    pass
                except OSError:
                    gone = True
                begun = time.monotonic()
                quick.promised(ENVELOPE, envelope(uuid.uuid4().hex, "x"))
                assert time.monotonic() - begun < 5
        assert gone
        assert d.own('sonde_apps_closed_total{by="slow"}') == 1


def a_spool_that_is_full_drops_its_oldest_and_counts_them():
    with Server("apps.errors_bytes_max=33554432").start() as d, d.app() as app:
        for i in range(24):
            app.promised(ENVELOPE, envelope(uuid.uuid4().hex, f"number {i}",
                                            extra={"text": os.urandom(1 << 20).hex()}))
        facts_ = d.spool("errors")
        assert facts_["dropped"] > 0 and facts_["dropped"] + facts_["records"] == 24, facts_
        assert facts_["bytes"] <= facts_["bytes_max"], facts_
        assert d.own('sonde_spool_dropped_total{spool="errors"}') == facts_["dropped"]


def the_health_knows_the_spool():
    with Server().start() as d, d.app() as app:
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "one"))
        wait("its checks have run", lambda: d.check("spool:used") and
             0 < d.check("spool:used")["observedValue"] < 1)
        assert d.check("spool:used")["status"] == "pass"
        assert d.check("spool:writable")["status"] == "pass"
        assert d.check("spool:relay") is None  # nothing is sent on
        code, out, _ = d.cli("status")
        assert code == 0 and "spool" in out, out


def a_backup_has_the_spool_and_a_restore_brings_it_back():
    with Server() as d:
        d.start()
        with d.app() as app:
            for i in range(3):
                app.promised(ENVELOPE, envelope(uuid.uuid4().hex, f"number {i}"))
        to = os.path.join(d.folder, "backups")
        for words in (["backup", to, "--data", d.data, "--server", d.url],
                      ["restore", to, "--data", os.path.join(d.folder, "restored")]):
            done = subprocess.run([SONDE, *words], capture_output=True, text=True, timeout=60,
                                  check=False)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        d.stop()
        with Server(data=os.path.join(d.folder, "restored")).start() as again:
            wait("all are listed", lambda: [e["title"] for e in again.recent()] == [
                f"Broken: number {i}" for i in (2, 1, 0)])


def an_encrypted_spool_needs_its_key_after_a_rotation_which_says_so():
    with Server() as d:
        keys = os.path.join(d.folder, "keys")
        first, second = (f"k{i} {os.urandom(32).hex()}\n" for i in (1, 2))

        def put_keys(text):
            with open(keys, "w", encoding="ascii") as f:
                f.write(text)
            os.chmod(keys, 0o600)

        def rotated():
            done = subprocess.run([SONDE, "store", "rotate-key", "--data", d.data, "--key-file",
                                   keys], capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done
            return done.stdout
        put_keys(first)
        d.argv += ["--set", f"store.key_file={keys}"]
        d.start()
        d.stop()
        assert "older keys may leave" in rotated()
        d.start()
        with d.app() as app:
            app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "secret"))
        d.stop()
        put_keys(second + first)
        assert "older keys are needed until" in rotated()
        d.start()
        wait("it can be read", lambda: [e["title"] for e in d.recent()] == ["Broken: secret"])


# ---- questions

def table(line, level):
    words = line.replace("'", "").split()
    if words[0] == "services":
        return {"services": [{"service": "shop", "operations": 2, "count": 7},
                             {"service": "stock", "operations": 1, "count": 1}]}
    if words[0] in ("operations", "slowest", "recent", "errors", "active",
                    "reset") and words[1] == "shop":
        return {"line": line, "level": level, "operations": [{"operation": "pay", "count": 7}]}
    if words[0] == "prometheus" and words[1] == "shop":
        return {"prometheus": "shop_calls_total 7\n"}
    if words[0] == "silence":
        return None
    if words[0] == "big":
        return {"text": "x" * (3 << 20)}
    return {"error": {"code": "not_found", "message": f"there is no {line}"}}


def questions_are_answered_by_the_application():
    with Server().start() as d, d.app("shop", "host:1", answers=table) as one, \
            d.app("shop", "host:2", answers=table):
        assert d.ask("host:1", "operations shop") == (200, {
            "line": "operations shop", "level": 0, "operations": [{"operation": "pay",
                                                                  "count": 7}]})
        assert d.ask("host:1", "reset shop", post=True)[1]["level"] == 1
        assert len(d.ask("host:1", "big")[1]["text"]) == 3 << 20
        assert d.ask("nobody", "info")[0] == 404
        begun = time.monotonic()
        assert d.ask("host:1", "silence")[0] == 504
        assert 1.5 < time.monotonic() - begun < 5
        assert d.ask("host:1", "two\nlines")[0] == 400
        assert d.ask("host:1", "")[0] == 400
        services = d.data_of("/api/services")
        assert {(s["application"], s["instance"], s["service"]) for s in services["services"]} == {
            ("shop", i, s) for i in ("host:1", "host:2") for s in ("shop", "stock")}, services
        shop = d.data_of("/api/services/shop")
        assert [i["instance"] for i in shop["instances"]] == ["host:1", "host:2"], shop
        assert d.data_of("/api/services/shop/slowest?limit=3&instance=host%3A1")["instances"][0][
            "line"] == "slowest 'shop' 3"
        for part in ("errors", "active", "recent"):
            assert d.data_of(f"/api/services/shop/{part}")["instances"], part
        assert d.status("/api/services/nothing") == 404
        assert d.status("/api/services/shop/wrong") == 404
        assert d.status("/api/services/shop/reset") == 405
        status, body = d.get("/api/services/shop/reset", b"")
        assert status == 200 and json.loads(body)["data"]["instances"][0]["level"] == 1
        assert d.get("/api/services/shop/prometheus")[1] == b"".join(
            b'shop_calls_total{job="shop",instance="host:%d"} 7\n' % i for i in (1, 2))
        with d.app("other", "host:1", answers=table):
            assert d.ask("host:1", "info")[0] == 409
        one.bye()
        wait("it is gone", lambda: d.ask("host:1", "info")[0] == 409)


def the_command_line_asks_the_same():
    with Server().start() as d, d.app("shop", "host:1", answers=table):
        with d.app("shop", "host:9") as app:
            app.promised(ENVELOPE, envelope("0" * 31 + "1", "from the command line"))
        status, out, _ = d.cli("apps")
        assert status == 0 and out.splitlines()[0].split()[:3] == ["service", "instance", "state"]
        assert out.splitlines()[1].split()[:3] == ["shop", "host:1", "connected"], out
        status, out, _ = d.cli("apps", "host:1")
        assert status == 0 and "environment              test" in out, out
        status, out, _ = d.cli("apps", "ask", "host:1", "operations", "shop", "--format", "json")
        assert status == 0 and json.loads(out)["level"] == 1, out
        status, out, _ = d.cli("services")
        assert status == 0 and "stock" in out and "host:1" in out, out
        for switch in (["--slowest", "3"], ["--errors"], ["--active"], ["--recent"], ["--reset"]):
            status, out, said = d.cli("services", "shop", *switch)
            assert status == 0 and "host:1" in out, (switch, out, said)
        assert d.cli("services", "shop", "--prometheus")[1] == (
            'shop_calls_total{job="shop",instance="host:1"} 7\n')
        status, out, _ = d.cli("errors", "--limit", "5")
        assert status == 0 and "Broken: from the command line" in out, out
        assert json.loads(d.cli("errors", "--format", "json")[1])[0]["event_id"] == "0" * 31 + "1"
        for words in (("apps", "nobody"), ("apps", "ask", "nobody", "info"),
                      ("apps", "ask", "host:1", "nonsense"), ("services", "nothing")):
            status, out, said = d.cli(*words)
            assert status == 1 and out == "" and said, (words, status, out, said)
        for words in (("apps", "ask"), ("services", "--reset"), ("errors", "--nonsense")):
            assert d.cli(*words)[0] == 2, words
    assert d.cli("apps")[0] == 2  # nobody answers


def one_that_does_not_answer_is_named_and_holds_up_no_other():
    with Server().start() as d, d.app("shop", "well", answers=table), \
            d.app("shop", "hung", answers=lambda line, level: None):
        services = d.data_of("/api/services")
        assert {s["instance"] for s in services["services"]} == {"well"}, services
        assert [u["instance"] for u in services["unanswered"]] == ["hung"], services
        asks = [threading.Thread(target=d.ask, args=("hung", "info")) for _ in range(20)]
        for t in asks:
            t.start()
        begun = time.monotonic()
        assert d.ask("well", "services")[0] == 200  # no thread of the pool waits
        assert time.monotonic() - begun < 1.5
        for t in asks:
            t.join()


def applications_are_listed_with_how_they_ended():
    with Server().start() as d:
        first = d.app("shop", "a")
        second = d.app("shop", "b")
        first.promised(ENVELOPE, envelope(uuid.uuid4().hex, "x"))
        rows = {r["instance"]: r for r in d.data_of("/api/apps")}
        assert rows["a"]["state"] == "connected" and rows["a"]["errors"] == 1, rows
        assert rows["a"]["pid"] == os.getpid() and rows["a"]["uid"] == os.getuid(), rows
        assert rows["a"]["language"] == "c" and rows["a"]["ended"] is None
        first.bye()
        second.close()
        wait("both are gone", lambda: all(r["state"] == "gone" for r in d.data_of("/api/apps")))
        assert d.data_of("/api/apps/a")["end"] == "it ended on purpose"
        assert "broke" in d.data_of("/api/apps/b")["end"]
        assert d.status("/api/apps/c") == 404


# ---- crashes

HELPER = """#!/usr/bin/env python3
import json, sys
data = sys.stdin.buffer.read()
open(LOG, "ab").write(data[:8] + b"\\n")
if data[4208:4211] == b"BAD":
    print("cannot be read", file=sys.stderr)
    sys.exit(1)
if data.startswith(b"{"):
    out = data.replace(b'"function": ""', b'"function": "named"')
    head, item, body = out.split(b"\\n")[:3]
    out = head + b"\\n" + json.dumps({"type": "event", "length": len(body)}).encode() + b"\\n" + body
else:
    event = {"event_id": data[408:424].hex(), "level": "fatal", "platform": "native",
             "exception": {"values": [{"type": "SIGSEGV", "value": "Segfault",
                 "mechanism": {"type": "signalhandler", "handled": False,
                               "meta": {"signal": {"name": "SIGSEGV", "number": 11}}},
                 "stacktrace": {"frames": [{"function": "main"}, {"function": "boom"}]}}]}}
    body = json.dumps(event).encode()
    out = (json.dumps({"event_id": event["event_id"]}).encode() + b"\\n" +
           json.dumps({"type": "event", "length": len(body)}).encode() + b"\\n" + body + b"\\n")
sys.stdout.buffer.write(out)
"""


class Symbolising(Server):
    """A daemon beside which a stand-in for sonde-helper-symbols lies."""

    def __init__(self, *settings, helper=True, **more):
        super().__init__(*settings, **more)
        self.log = os.path.join(self.folder, "helper.log")
        self.program = os.path.join(self.folder, "sonde")
        shutil.copy(SONDE, self.program)
        self.argv[self.argv.index(SONDE)] = self.program
        if helper:
            self.add_helper()

    def add_helper(self):
        path = os.path.join(self.folder, "sonde-helper-symbols")
        with open(path, "w", encoding="utf-8") as f:
            f.write(HELPER.replace("LOG", repr(self.log)))
        os.chmod(path, 0o755)

    def crash(self, record):
        with App(self.path, hello=False) as handler:
            handler.send(CRASH, record)
            kind, _, _, said = handler.receive()
            assert kind == ACK, (kind, said)
            assert handler.receive() is None

    def events_of(self, kind):
        return [e for e in self.data_of("/api/events?kind=" + kind)]


def a_crash_becomes_an_error_with_its_stack_and_an_event():
    with Symbolising().start() as d, d.app("shop", "host:1"):
        event_id = uuid.uuid4().hex
        d.crash(crash_record(event_id))
        wait("the error is listed", d.recent)
        error = d.recent()[0]
        assert error["event_id"] == event_id and error["signal"] == "SIGSEGV", error
        assert [f["function"] for f in error["frames"]] == ["boom", "main"], error
        assert error["service"] == "shop" and error["instance"] == "host:1", error
        wait("the event is written", lambda: d.events_of("crash"))
        event = d.events_of("crash")[0]
        assert event["title"] == "shop crashed: SIGSEGV", event
        assert event["labels"]["pid"] == str(os.getpid()), event
        d.kill_worker()
        wait("it is listed again", d.recent)
        time.sleep(0.5)
        assert len(d.recent()) == 1  # its envelope is there: it is not made again
        with open(d.log, "rb") as f:
            assert len(f.read().splitlines()) == 1


def a_crash_without_its_envelope_is_tried_again_at_the_next_start():
    with Symbolising(helper=False).start() as d:
        event_id = uuid.uuid4().hex
        d.crash(crash_record(event_id, "shop", "host:7", 6))
        wait("an event says that its stack could not be read", lambda: d.events_of("crash"))
        event = d.events_of("crash")[0]
        assert event["title"] == "shop crashed: SIGABRT", event
        assert event["labels"]["instance"] == "host:7", event
        assert d.recent() == []
        d.stop()
        d.add_helper()
        d.start()
        wait("the record was kept", d.recent)
        assert d.recent()[0]["event_id"] == event_id


def errors_with_bare_addresses_get_names_and_a_bad_helper_loses_nothing():
    frames = {"values": [{"type": "E", "value": "bare", "stacktrace": {"frames": [
        {"instruction_addr": "0x1234", "function": ""}]}}]}
    with Symbolising().start() as d, d.app() as app:
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "", exception=frames))
        assert d.recent()[0]["frames"][0]["function"] == "named", d.recent()
        d.crash(crash_record(uuid.uuid4().hex, message="BAD"))
        wait("its failure is counted", lambda: d.data_of("/api/spool")["symbols"]["failed"] == 1)
        os.unlink(os.path.join(d.folder, "sonde-helper-symbols"))
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "", exception=frames))
        assert d.recent()[0]["frames"][0]["function"] == "0x1234", d.recent()[0]


PROGRAM = """
#include <sonde/sonde.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) static int boom(long n) { return *(volatile int *)n + 1; }
int main(int argc, char **argv)
{
    char socket[200], spool[200];
    snprintf(socket, sizeof socket, "socket=%s", argv[1]);
    snprintf(spool, sizeof spool, "spool.dir=%s", argv[2]);
    const char *settings[] = {socket, spool, NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "real";
    o.instance = "one";
    o.settings = settings;
    if (sonde_init(&o) != 0)
        return 3;
    sonde_operation *pay = sonde_operation_get("till", "pay");
    for (int i = 0; i < 10; i++) {
        sonde_tracker t = sonde_operation_begin(pay);
        sonde_operation_complete(&t);
    }
    sonde_error_capture(SONDE_LEVEL_ERROR, "Broken", "for real");
    char line[10];
    if (fgets(line, sizeof line, stdin) && strcmp(line, "crash\\n") == 0)
        return boom(8);
    sonde_shutdown(2000);
    return 0;
}
"""


class Program:
    """A program that links the library that was built beside the daemon."""

    def __init__(self, d):
        folder, compiler = os.path.dirname(SONDE), shutil.which("cc") or shutil.which("gcc")
        if SANITIZED or not compiler or not os.path.exists(os.path.join(folder, "libsonde.so")):
            raise Skip("no compiler, or no plain libsonde.so beside the daemon")
        source, self.path = os.path.join(d.folder, "real.c"), os.path.join(d.folder, "real")
        with open(source, "w", encoding="utf-8") as f:
            f.write(PROGRAM)
        subprocess.run([compiler, "-g", "-O1", "-I", os.path.join(ROOT, "include"), source, "-o",
                        self.path, "-L", folder, "-lsonde", "-Wl,-rpath," + folder], check=True)
        self.process = subprocess.Popen([self.path, d.path, os.path.join(d.folder, "real-spool")],
                                        stdin=subprocess.PIPE, text=True)
        self.begun = time.monotonic()

    def end(self, word):
        self.process.communicate(word + "\n", timeout=20)
        return self.process.returncode


def a_program_that_links_the_library_is_seen_asked_and_its_crash_is_told():
    with Server() as d:
        d.start()
        program = Program(d)
        d.becomes('sum(sonde_operation_total{service="till",job="real",instance="one"})', 10)
        took = time.monotonic() - program.begun
        assert took < 2, took
        services = d.data_of("/api/services")["services"]
        assert [(s["instance"], s["service"], s["count"]) for s in services] == [
            ("one", "till", 10)], services
        till = d.data_of("/api/services/till")["instances"][0]
        assert till["operations"][0]["operation"] == "pay", till
        for part in ("slowest", "recent", "errors", "active"):
            assert d.data_of(f"/api/services/till/{part}")["instances"], part
        assert 'operation="pay"' in d.get("/api/services/till/prometheus")[1].decode()
        wait("its error is listed", lambda: [e["title"] for e in d.recent()] == [
            "Broken: for real"])
        status, body = d.get("/api/services/till/reset", b"")
        assert status == 200, body
        wait("its figures are forgotten", lambda: [
            s["count"] for s in d.data_of("/api/services")["services"]] == [0])
        d.kill_worker()  # it connects again by itself
        wait("it is back", lambda: d.ask("one", "info")[0] == 200)
        assert program.end("crash") == -signal.SIGSEGV
        if os.path.exists(os.path.join(os.path.dirname(SONDE), "sonde-helper-symbols")):
            wait("its crash is listed", lambda: d.recent()[0].get("signal") == "SIGSEGV")
            crash = d.recent()[0]
            assert crash["frames"][0]["function"] == "boom", crash
            assert crash["frames"][0]["file"] == "real.c" and crash["service"] == "real", crash
        wait("its series end", lambda: d.query('up{job="real"}') == [])
        print(f"  seen {took * 1000:.0f} ms after its start")


# ---- relay

class Collector:
    """A server of Sentry's protocol and OTLP; answers() says what comes next."""

    def __init__(self):
        self.got, self.next = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers = outer.next.pop(0) if outer.next else (200, {})
                outer.got.append((self.path, dict(self.headers), body, status))
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.dsn = f"http://abc123@127.0.0.1:{self.port}/42"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def taken(self, part=b"Broken"):
        return [b for _, _, b, status in self.got if status == 200 and part in b]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


SESSION = (b"{}\n" + b'{"type":"session"}\n' + b'{"sid":"1","status":"ok"}\n')


def errors_are_sent_on_and_limits_are_waited_for():
    with Collector() as c, Server(f"sentry.dsn={c.dsn}").start() as d, d.app() as app:
        first = envelope(uuid.uuid4().hex, "first")
        c.next = [(200, {"X-Sentry-Rate-Limits": "3:error:organization, junk, :"})]
        app.promised(ENVELOPE, first)
        wait("the first has come", lambda: c.taken())
        path, headers, body, _ = c.got[0]
        assert path == "/api/42/envelope/" and body == first, (path, body)
        assert "sentry_key=abc123" in headers["X-Sentry-Auth"], headers
        limited = time.monotonic()
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "second"))
        app.promised(ENVELOPE, SESSION)
        wait("a session is no error: it is not held up", lambda: c.taken(b"session"))
        assert len(c.taken()) == 1
        wait("the second waits, and comes", lambda: len(c.taken()) == 2)
        assert time.monotonic() - limited > 2
        c.next = [(429, {"Retry-After": "1"}), (500, {}), (400, {})]
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "third"))
        app.promised(ENVELOPE, envelope(uuid.uuid4().hex, "fourth"))
        wait("the fourth has come", lambda: len(c.taken()) == 3)
        assert b"fourth" in c.taken()[-1]  # the third was refused for good with 400
        statuses = [s for _, _, b, s in c.got if b"third" in b]
        assert statuses == [429, 500, 400], statuses
        wait("all are settled", lambda: d.relay("errors")["behind"] == 0)
        facts_ = d.relay("errors")
        assert facts_["sent"] == 3 and facts_["dropped"] == 1, facts_
        assert "abc123" not in json.dumps(d.data_of("/api/spool"))


def what_could_not_be_sent_waits_on_disk_for_the_server():
    with Collector() as c:
        with Server(f"sentry.dsn=http://key@127.0.0.1:{c.port}/1") as d:
            c.server.shutdown()
            c.server.server_close()
            d.start()
            with d.app() as app:
                for i in range(3):
                    app.promised(ENVELOPE, envelope(uuid.uuid4().hex, f"number {i}"))
            wait("it tries", lambda: d.relay("errors")["failures"] > 0)
            wait("all wait", lambda: d.relay("errors")["behind"] == 3)
            d.kill_worker()
            c.server = http.server.ThreadingHTTPServer(("127.0.0.1", c.port),
                                                       c.server.RequestHandlerClass)
            threading.Thread(target=c.server.serve_forever, daemon=True).start()
            wait("all have come", lambda: len(c.taken()) == 3, 60)
            time.sleep(1.5)
            d.kill_worker()
            time.sleep(1)
            assert len(c.taken()) == 3  # where it is is on disk


def spans_and_logs_are_sent_on_to_a_collector():
    with Collector() as c, Server(f"apps.otlp_endpoint=http://127.0.0.1:{c.port}/").start() as d, \
            d.app() as app:
        app.promised(SPANS, b"\x0a\x00spans")
        app.promised(LOGS, b"\x0a\x00logs")
        wait("both have come", lambda: len(c.got) == 2)
        assert {(p, b) for p, _, b, _ in c.got} == {("/v1/traces", b"\x0a\x00spans"),
                                                    ("/v1/logs", b"\x0a\x00logs")}
        assert {h["Content-Type"] for _, h, _, _ in c.got} == {"application/x-protobuf"}


if __name__ == "__main__":
    run(globals())
