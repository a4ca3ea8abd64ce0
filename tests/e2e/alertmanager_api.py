#!/usr/bin/env python3
"""Alertmanager's API, by its real clients and beside the real one: amtool, prometheus and
prometheus-alertmanager of Debian; and our own API of alerts.
"""
# timeout: 150
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from _daemon import Daemon, run, wait
from _peers import Peer, fetch, needs, prometheus

QUIET = ["collect.enabled=false", "rules.evaluation_interval_ms=500"]


class Webhook:
    """A receiver that keeps what it is sent."""

    def __init__(self):
        self.got, self.lock = [], threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with hook.lock:
                    hook.got.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hook" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def heard(self, name, status):
        with self.lock:
            return [a for m in self.got for a in m["alerts"]
                    if a["labels"].get("alertname") == name and a["status"] == status]


def alertmanager_file(url, folder):
    path = os.path.join(folder, "alertmanager.yml")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"route": {"receiver": "all", "group_by": ["alertname"], "group_wait": "100ms",
                             "group_interval": "1s", "repeat_interval": "1h",
                             "routes": [{"receiver": "team-x", "matchers": ['team="x"']}]},
                   "receivers": [{"name": "all", "webhook_configs": [{"url": url}]},
                                 {"name": "team-x", "webhook_configs": [{"url": url}]}]}, f)
    return path


class Ours:
    """A daemon with an Alertmanager's configuration file that tells a webhook."""

    def __init__(self, more=()):
        self.hook = Webhook()
        self.folder = tempfile.TemporaryDirectory(prefix="sonde-am-")
        path = alertmanager_file(self.hook.url, self.folder.name)
        self.daemon = Daemon(config="", settings=[f"alert.config_file={path}", *QUIET, *more])

    def __enter__(self):
        self.hook.__enter__()
        self.daemon.start()
        return self.daemon, self.hook

    def __exit__(self, *_):
        self.daemon.__exit__()
        self.hook.__exit__()
        self.folder.cleanup()


def real(url="http://127.0.0.1:9/"):
    """Debian's Alertmanager."""
    with tempfile.TemporaryDirectory() as folder:
        with open(alertmanager_file(url, folder), encoding="utf-8") as f:
            text = f.read()
    return Peer("prometheus-alertmanager", "/-/ready",
                ["--config.file={dir}/am.yml", "--storage.path={dir}/data",
                 "--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
                [("am.yml", text)])


def ask(url, method, path, body=None):
    request = urllib.request.Request(url + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            status, text = r.status, r.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    return status, json.loads(text) if text.strip()[:1] in (b"{", b"[", b'"') else text.decode()


def stamp(offset_s):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset_s))


# ---- amtool

def amtool(url, *words):
    out = subprocess.run([needs("amtool"), f"--alertmanager.url={url}", *words],
                         capture_output=True, text=True, timeout=30, check=False,
                         env={**os.environ, "HOME": "/nonexistent"})
    assert out.returncode == 0, (words, out.stdout, out.stderr)
    return out.stdout


def amtool_adds_and_finds_alerts_and_silences():
    with Ours() as (d, hook):
        amtool(d.url, "alert", "add", "alertname=Disk", "team=x", "severity=critical",
               "--annotation=summary=full")
        wait("told", lambda: hook.heard("Disk", "firing"))
        assert "Disk" in amtool(d.url, "alert", "query")
        assert "Disk" in amtool(d.url, "alert", "query", "team=x")
        assert "Disk" not in amtool(d.url, "alert", "query", "team=y")
        found = json.loads(amtool(d.url, "-o", "json", "alert", "query", "alertname=~D.*"))
        assert found[0]["labels"]["severity"] == "critical", found
        assert found[0]["receivers"] == [{"name": "team-x"}], found
        identity = amtool(d.url, "silence", "add", "-a", "me", "-c", "known", "-d", "1h",
                          "alertname=Disk").strip()
        assert re.fullmatch(r"[0-9a-f-]{36}", identity), identity
        assert identity in amtool(d.url, "silence", "query", "alertname=Disk")
        rows = json.loads(amtool(d.url, "-o", "json", "alert", "query", "--silenced"))
        assert rows and rows[0]["status"]["silencedBy"] == [identity], rows
        assert rows[0]["status"]["state"] == "suppressed", rows
        amtool(d.url, "silence", "update", "-c", "still known", "-d", "2h", identity)
        text = amtool(d.url, "-o", "extended", "silence", "query")
        assert "still known" in text, text
        amtool(d.url, "silence", "expire", *[s["id"] for s in ask(
            d.url, "GET", "/api/v2/silences?expired=false")[1]])
        assert not ask(d.url, "GET", "/api/v2/silences?expired=false")[1]
        expired = amtool(d.url, "-o", "json", "silence", "query", "--expired", "--within=2h")
        path = os.path.join(d.folder, "silences.json")
        silences = json.loads(expired)
        for s in silences:
            s["endsAt"] = stamp(3600)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(silences[:1], f)
        amtool(d.url, "silence", "import", path)
        assert len(ask(d.url, "GET", "/api/v2/silences?expired=false")[1]) == 1


def amtool_reads_the_configuration_and_its_routes():
    with Ours() as (d, _):
        shown = amtool(d.url, "config", "show")
        assert "team-x" in shown, shown
        assert "team-x" in amtool(d.url, "config", "routes", "show")
        assert amtool(d.url, "config", "routes", "test", "team=x").strip() == "team-x"
        assert amtool(d.url, "config", "routes", "test", "team=y").strip() == "all"
        path = os.path.join(d.folder, "shown.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(shown)
        amtool(d.url, "check-config", path)


# ---- beside the real one

def shape(value, path=""):
    """The structure of an answer: names and types, texts that are not ids or times."""
    if isinstance(value, dict):
        if "matchers" in value:  # ours are sorted
            value = {**value, "matchers": sorted(value["matchers"], key=lambda m: m["name"])}
        return {k: shape(v, path + "." + k) for k, v in value.items()
                if k not in ("mutedBy", "routeLabels")}
    if isinstance(value, (list, tuple)):
        return [shape(v, path) for v in value]
    if isinstance(value, str) and (re.match(r"^\d{4}-\d\d-\d\dT", value)):
        assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", value), (path, value)
        return "time"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f-]{36}", value):
        return "uuid"
    return value


ALERTS = [{"labels": {"alertname": "A", "team": "x"}, "annotations": {"s": "1"},
           "generatorURL": "http://x/"}, {"labels": {"alertname": "B"}}]
SILENCE = {"matchers": [{"name": "alertname", "value": "A", "isRegex": False},
                        {"name": "team", "value": "x|y", "isRegex": True},
                        {"name": "no", "value": "b", "isRegex": False, "isEqual": False}],
           "createdBy": "me", "comment": "known"}

ERRORS = [
    ("POST", "/api/v2/alerts", [{"labels": {}}]), ("POST", "/api/v2/alerts", [{"annotations": {}}]),
    ("POST", "/api/v2/alerts", [{"labels": {"a": "c"}, "startsAt": "2030-01-01T00:00:00Z",
                                 "endsAt": "2029-01-01T00:00:00Z"}]),
    ("GET", "/api/v2/alerts?filter=foo", None),
    ("GET", "/api/v2/silences?filter=foo", None), ("GET", "/api/v2/silence/foo", None),
    ("DELETE", "/api/v2/silence/foo", None),
    ("GET", "/api/v2/silence/0b4f1b52-1a1c-4b0e-8a3a-1f6f0f7d1d11", None),
    ("POST", "/api/v2/silences", {}),
    ("POST", "/api/v2/silences", {**SILENCE, "matchers": [], "startsAt": "2020-01-01T00:00:00Z",
                                  "endsAt": "2099-01-01T00:00:00Z"}),
    ("POST", "/api/v2/silences", {**SILENCE, "startsAt": "2020-01-01T00:00:00Z",
                                  "endsAt": "2019-01-01T00:00:00Z"}),
    ("POST", "/api/v2/silences", {**SILENCE, "startsAt": "2020-01-01T00:00:00Z",
                                  "endsAt": "2021-01-01T00:00:00Z"}),
    ("POST", "/api/v2/silences", {**SILENCE, "startsAt": "2020-01-01T00:00:00Z",
                                  "endsAt": "2099-01-01T00:00:00Z",
                                  "id": "0b4f1b52-1a1c-4b0e-8a3a-1f6f0f7d1d11"}),
    ("POST", "/api/v2/silences", {**SILENCE, "startsAt": "2020-01-01T00:00:00Z", "matchers": [
        {"name": "a", "value": "", "isRegex": False}], "endsAt": "2099-01-01T00:00:00Z"}),
]


def the_same_posts_get_the_answers_of_alertmanager():
    with Ours() as (d, _), real() as peer:
        both = (d.url, peer.url)
        answers = [[ask(url, method, path, body) for url in both] for method, path, body in ERRORS]
        for (method, path, body), (ours, theirs) in zip(ERRORS, answers):
            assert ours == theirs, (method, path, body, ours, theirs)
        for url in both:
            assert ask(url, "POST", "/api/v2/alerts", ALERTS) == (200, ""), url
            status, made = ask(url, "POST", "/api/v2/silences", {
                **SILENCE, "startsAt": stamp(0), "endsAt": stamp(3600)})
            assert status == 200 and list(made) == ["silenceID"], made
            wait("groups", lambda url=url: len(ask(url, "GET", "/api/v2/alerts/groups")[1]) == 2)
            wait("silenced", lambda url=url: any(
                a["status"]["silencedBy"] for a in ask(url, "GET", "/api/v2/alerts")[1]))
        for path in ("/api/v2/alerts", "/api/v2/alerts?silenced=false", "/api/v2/alerts?active=false",
                     "/api/v2/alerts?filter=team%3Dx", "/api/v2/alerts?receiver=team-x",
                     "/api/v2/alerts/groups", "/api/v2/receivers",
                     "/api/v2/silences?filter=team%3D%22x%7Cy%22",
                     "/api/v2/silences?filter=team%3D~%22x%7Cy%22&filter=alertname%3DA"):
            ours, theirs = (shape(ask(url, "GET", path)) for url in both)
            for silence in ours[1] if "silences" in path else []:
                silence.pop("annotations")
            assert ours == theirs, (path, ours, theirs)
        ours, theirs = (shape(ask(url, "GET", "/api/v2/silences")[1][0]) for url in both)
        assert ours.pop("annotations") == {}  # of newer ones
        assert ours == theirs, (ours, theirs)
        ours, theirs = (ask(url, "GET", "/api/v2/status")[1] for url in both)
        assert ours.keys() == theirs.keys() and ours["cluster"] == theirs["cluster"], ours
        assert ours["versionInfo"].keys() == theirs["versionInfo"].keys(), ours


# ---- prometheus -> here -> webhook; here -> alertmanager

def prometheus_sends_its_alerts_here_and_they_go_on():
    with Ours() as (d, hook):
        folder = tempfile.mkdtemp(dir=d.folder)
        rules = os.path.join(folder, "r.yml")
        with open(rules, "w", encoding="utf-8") as f:
            f.write("groups: [{name: g, interval: 1s, rules: [{alert: FromPrometheus, "
                    "expr: 'vector(7)', labels: {team: x}, annotations: {s: 'is {{ $value }}'}}]}]")
        more = {"rule_files": [rules], "alerting": {"alertmanagers": [
            {"static_configs": [{"targets": [d.url.split("//")[1]]}]}]},
            "global": {"external_labels": {"from": "peer"}, "evaluation_interval": "1s"}}
        # It finds Alertmanagers some seconds after it began; what it sent before is sent again.
        with prometheus(more=more, flags=["--rules.alert.resend-delay=1s"]):
            heard = wait("told", lambda: hook.heard("FromPrometheus", "firing"), 40)[0]
            assert heard["labels"] == {"alertname": "FromPrometheus", "team": "x", "from": "peer"}
            assert heard["annotations"] == {"s": "is 7"}, heard
        row = d.json("/api/alerts")["data"][0]
        assert row["state"] == "firing" and row["receivers"] == ["team-x"], row


def our_alerts_reach_a_real_alertmanager_and_are_resolved():
    with tempfile.TemporaryDirectory() as folder, real() as peer:
        with open(os.path.join(folder, "r.yml"), "w", encoding="utf-8") as f:
            f.write("groups: [{name: g, interval: 1s, rules: [{alert: FromSonde, expr: 'x > 0', "
                    "labels: {team: x}}]}]")
        with Daemon(config="", settings=[f"rules.files={folder}/r.yml", *QUIET,
                                         f"alert.alertmanagers={peer.url}",
                                         "rules.external_labels=from=sonde"]) as d:
            d.start()
            d.get("/api/metrics", b"x 1\n", {"Content-Type": "text/plain"})

            def seen():
                return [a for a in ask(peer.url, "GET", "/api/v2/alerts")[1]
                        if a["labels"]["alertname"] == "FromSonde"]
            found = wait("arrived", seen)[0]
            assert found["labels"] == {"alertname": "FromSonde", "team": "x", "from": "sonde"}
            assert "/graph?g0.expr=x" in found["generatorURL"], found
            known = d.json("/api/v1/alertmanagers")["data"]
            assert known == {"activeAlertmanagers": [{"url": peer.url + "/api/v2/alerts"}],
                             "droppedAlertmanagers": []}, known
            d.get("/api/metrics", b"x 0\n", {"Content-Type": "text/plain"})
            wait("resolved", lambda: not seen())


# ---- our own

def people_acknowledge_assign_and_comment():
    with Ours() as (d, hook):
        ask(d.url, "POST", "/api/v2/alerts", [{"labels": {"alertname": "Mine", "team": "x"}}])
        wait("told", lambda: hook.heard("Mine", "firing"))
        row = d.json("/api/alerts")["data"][0]
        path = f"/api/alerts/{row['fingerprint']}/"
        assert ask(d.url, "POST", path + "acknowledge", {"who": "ann", "comment": "looking"})[0] == 200
        assert ask(d.url, "POST", path + "assign", {"who": "ann", "to": "bob"})[0] == 200
        assert ask(d.url, "POST", path + "comment", {"comment": "it is the disk"})[0] == 200
        assert ask(d.url, "POST", path + "comment", {})[0] == 400
        assert ask(d.url, "POST", "/api/alerts/1234567890abcdef/acknowledge", {})[0] == 404
        assert ask(d.url, "POST", "/api/alerts/xyz/acknowledge", {})[0] == 400
        row = d.json("/api/alerts")["data"][0]
        assert row["acknowledged"] and row["acknowledged_by"] == "ann", row
        assert row["assigned_to"] == "bob" and row["state"] == "acknowledged", row
        history = d.json("/api/alerts/history?fingerprint=" + row["fingerprint"])["data"]
        said = {(h["what"], h["who"]) for h in history}
        assert {("acknowledged", "ann"), ("assigned", "ann"), ("comment", "anonymous")} <= said, said
        assert ask(d.url, "POST", path + "unacknowledge", {"who": "ann"})[0] == 200
        assert not d.json("/api/alerts")["data"][0]["acknowledged"]
        status, answer = ask(d.url, "POST", "/api/silences/preview", {"matchers": '{team="x"}'})
        assert status == 200 and answer["data"]["hides"] == 1, answer
        status, answer = ask(d.url, "POST", "/api/silences/preview", {"matchers": [
            {"name": "team", "value": "y", "isRegex": False}]})
        assert status == 200 and answer["data"]["hides"] == 0, answer


def a_receiver_is_tested_and_its_integrations_are_shown():
    with Ours() as (d, hook):
        status, answer = ask(d.url, "POST", "/api/notify/test", {"receiver": "team-x"})
        assert status == 200 and answer["data"][0]["sent"], answer
        assert hook.heard("Test", "firing"), hook.got
        assert ask(d.url, "POST", "/api/notify/test", {"receiver": "nobody"})[0] == 404
        assert ask(d.url, "POST", "/api/notify/test", {"receiver": "team-x", "kind": "slack"})[0] == 404
        ask(d.url, "POST", "/api/v2/alerts", [{"labels": {"alertname": "Shown", "team": "x"}}])
        wait("told", lambda: hook.heard("Shown", "firing"))
        wait("shown", lambda: [r for r in d.json("/api/notify")["data"]
                               if r["receiver"] == "team-x" and r["sent"] >= 1])
        assert fetch(d.url + "/-/ready")[0] == 200 and fetch(d.url + "/-/healthy")[0] == 200


if __name__ == "__main__":
    run(globals())
