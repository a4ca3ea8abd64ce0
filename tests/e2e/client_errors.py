#!/usr/bin/env python3
"""Errors of a program that links libsonde, sent to a DSN: to a receiver that reads the envelopes
strictly, and to Spotlight, Sentry's own tool for developers, which must show them.

Spotlight comes from npm into a folder of the user's cache; its case is skipped where it is not to be
had.
"""
# timeout: 240
# suites: plain asan
import gzip
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
import zlib

from _daemon import SONDE, Skip, run, wait
from _peers import Peer, fetch
from _port import free_port

KEY = "0123456789abcdef0123456789abcdef"
# The web framework is pinned too: a newer one breaks Spotlight 4.11.8.
PACKAGES = ["@spotlightjs/spotlight@4.11.8", "hono@4.12.25"]
EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(SONDE)), "example-errors")
SECRETS = ("jane", "bob@example", "never sent")


def example(port, spool, **more):
    """Runs examples/errors.c with a DSN at that port; (seconds, the event's id, its process)."""
    environment = {**os.environ, "SONDE_SOCKET": "", "SONDE_SEND_DIRECT_AFTER_MS": "0",
                   "SONDE_SPOOL_DIR": spool, "SONDE_DSN": f"http://{KEY}@127.0.0.1:{port}/42",
                   **more}
    begin = time.monotonic()
    done = subprocess.run([EXAMPLE], env=environment, capture_output=True, text=True, timeout=60,
                          check=False)
    took = time.monotonic() - begin
    assert done.stdout.startswith("event "), (done.returncode, done.stdout, done.stderr)
    return took, done.stdout.split()[1], done


def items_of(body):
    """(header, [(item header, payload)]) of an envelope, strictly by the grammar."""
    header, _, rest = body.partition(b"\n")
    items = []
    while rest:
        head, _, rest = rest.partition(b"\n")
        head = json.loads(head)
        payload, rest = rest[:head["length"]], rest[head["length"]:]
        assert len(payload) == head["length"] and rest[:1] in (b"\n", b""), head
        items.append((head, json.loads(payload)))
        rest = rest[1:]
    return json.loads(header), items


class Receiver:
    """A web server that takes envelopes as Sentry does, and answers `status`."""

    def __init__(self, port=0):
        self.envelopes, self.paths, self.auths, self.status = [], set(), set(), 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                elif self.headers.get("Content-Encoding") == "deflate":
                    body = zlib.decompress(body)
                receiver.paths.add(self.path)
                receiver.auths.add(self.headers.get("X-Sentry-Auth", ""))
                if receiver.status == 200:
                    receiver.envelopes.append(body)
                answer = b"{}"
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def items(self, kind):
        return [payload for body in list(self.envelopes) for head, payload in items_of(body)[1]
                if head["type"] == kind]


def types(events):
    return sorted(e["exception"]["values"][-1]["type"] for e in events if "exception" in e)


def check_events(events, event_id):
    assert types(events) == ["EACCES", "MailError", "OrderError", "PrinterError", "ThemeError"], \
        types(events)
    by_type = {e["exception"]["values"][-1]["type"]: e for e in events}
    order = by_type["OrderError"]
    assert order["event_id"] == event_id
    assert [v["type"] for v in order["exception"]["values"]] == ["StockError", "OrderError"]
    frames = order["exception"]["values"][0]["stacktrace"]["frames"]
    assert "main" in [f.get("function") for f in frames], frames
    assert any(i.get("debug_id") for i in order["debug_meta"]["images"])
    assert order["release"] == "shop@1.4.2" and order["tags"]["region"] == "eu"
    assert order["tags"]["shop"] == "Mainstreet"  # by before_send
    assert order["user"] == {"id": "u1", "email": "[email]"}, order["user"]
    assert order["contexts"]["cart"] == {"articles": 3, "token": "[filtered]"}
    assert [b["message"] for b in order["breadcrumbs"]] == ["opened the cart"], order
    mail = by_type["MailError"]["exception"]["values"][0]["value"]
    assert mail == "mail 0 to [email] was refused", mail
    printer = by_type["PrinterError"]["contexts"]["recovery"]
    assert printer["outcome"] == "retried" and printer["retries"] == 2, printer
    assert by_type["ThemeError"]["contexts"]["recovery"]["outcome"] == "degraded"
    assert by_type["EACCES"]["exception"]["values"][0]["value"] == \
        "open /home/[user]/theme: Permission denied"


def all_of_an_example_reaches_a_dsn_masked_and_counted():
    with Receiver() as r, tempfile.TemporaryDirectory() as spool:
        _, event_id, done = example(r.port, spool)
        assert done.returncode == 0, done.stderr
        wait("all envelopes", lambda: r.items("client_report"), 10)
        assert r.paths == {"/api/42/envelope/"}, r.paths
        assert all(KEY in a and "sentry_version=7" in a for a in r.auths), r.auths
        check_events(r.items("event"), event_id)
        everything = b"".join(r.envelopes).decode()
        # The build folder may lie below a home folder: paths of images are masked as well.
        assert not [s for s in SECRETS if s in everything], everything
        last = r.items("session")[-1]
        assert last["status"] == "exited" and last["errors"] == 2, last
        assert r.items("check_in")[0]["monitor_slug"] == "nightly-stock"
        lost = {(d["reason"], d["category"]): d["quantity"]
                for d in r.items("client_report")[0]["discarded_events"]}
        assert lost == {("deduplicated", "error"): 999, ("before_send", "error"): 1}, lost


def what_was_promised_while_the_receiver_is_away_comes_with_the_next_start():
    port = free_port()
    with tempfile.TemporaryDirectory() as spool:
        took, event_id, _ = example(port, spool)
        assert took < 15, took
        with Receiver(port) as r:
            example(port, spool)
            wait("the envelopes of the first run",
                 lambda: event_id in [e["event_id"] for e in r.items("event")], 20)


def _spotlight():
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                          "sonde-tests", "spotlight-4.11.8")
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Skip("no npm")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    if int(version.stdout.lstrip("v").split(".")[0] or 0) < 20:
        raise Skip("Spotlight needs Node 20, here is " + version.stdout.strip())
    if not os.path.exists(os.path.join(folder, "whole")):
        os.makedirs(folder, exist_ok=True)
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                                   *PACKAGES], capture_output=True, timeout=150, check=False)
        except subprocess.TimeoutExpired:
            raise Skip("npm does not answer") from None
        if done.returncode:
            raise Skip("npm has not given Spotlight: " + done.stderr.decode()[-200:].strip())
        with open(os.path.join(folder, "whole"), "w", encoding="utf-8"):
            pass
    start = os.path.join(folder, "node_modules", "@spotlightjs", "spotlight", "dist", "run.js")
    return Peer("node", "/health", [start, "server", "-p", "{port}"])


class Stream:
    """What Spotlight shows: its event stream, read beside."""

    def __init__(self, url):
        request = urllib.request.Request(url + "/stream", headers={"Accept": "text/event-stream"})
        self.envelopes = []
        self.answer = urllib.request.urlopen(request, timeout=60)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self.answer:
                if line.startswith(b"data: ["):
                    self.envelopes.append(json.loads(line[6:]))
        except (OSError, ValueError):
            pass  # it has ended

    def items(self, kind):
        return [payload for _, items in list(self.envelopes) for head, payload in items
                if head["type"] == kind]


def spotlight_shows_the_events_of_an_example():
    with _spotlight() as s, tempfile.TemporaryDirectory() as spool:
        shown = Stream(s.url)
        _, event_id, done = example(s.port, spool)
        assert done.returncode == 0, done.stderr
        wait("the report, which comes last", lambda: shown.items("client_report"), 15)
        check_events(shown.items("event"), event_id)
        assert shown.items("session")[-1]["attrs"]["release"] == "shop@1.4.2"
        assert fetch(s.url + "/health")[0] == 200


if __name__ == "__main__":
    run(globals())
