#!/usr/bin/env python3
"""A failure in its context on the running daemon: a deployment, a metric that jumps, an alert, and
the incident that names both; the runbook's actions with their limits."""
# timeout: 120
# suites: plain asan
import http.server
import json
import os
import random
import shutil
import threading
import time

from _daemon import Daemon, run, wait
from _watch import Watch

RULES = """
groups:
- name: api
  interval: 1s
  rules:
  - alert: ApiSlow
    expr: http_latency_seconds{service="api"} > 1
    labels: {severity: critical}
    annotations: {summary: "api on {{ $labels.instance }} is slow"}
  - alert: QueueLong
    expr: queue_length{service="api"} > 100
    labels: {severity: warning}
  - alert: Watchdog
    expr: vector(1)
    labels: {severity: none}
"""

CONFIG = """
[rules]
files = ["{folder}/*.yml"]
[collect]
enabled = false
[incident]
quiet_seconds = 2
[[remedy]]
name = "note-it"
match = ['alertname="ApiSlow"']
action = "command"
command = ["/bin/sh", "-c", "cat >> {folder}/ran; echo did it"]
cooldown_seconds = 1
runs_max = 2
[[remedy]]
name = "would"
match = ['alertname=~"Api.*"', 'severity="critical"']
action = "command"
command = ["/bin/sh", "-c", "touch {folder}/never"]
dry_run = true
cooldown_seconds = 3600
[[remedy]]
name = "fails"
match = ['alertname="Nothing"']
action = "command"
command = ["/bin/sh", "-c", "echo broken >&2; exit 3"]
"""


def daemon():
    d = Daemon(config="")
    d.write_config(CONFIG.replace("{folder}", d.folder))
    with open(os.path.join(d.folder, "rules.yml"), "w", encoding="utf-8") as f:
        f.write(RULES)
    return d.start()


def post(d, path, body):
    status, answer = d.get(path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert status in (200, 204), (status, answer)
    return json.loads(answer) if answer else None


def push(d, samples):
    status, answer = d.get("/api/metrics", json.dumps(samples).encode(),
                           {"Content-Type": "application/json"})
    assert status == 200 and not json.loads(answer).get("refused_total"), (answer, d.said())


def write_past(d, seconds=1200, step=15):
    """Twenty minutes of series that only tremble, up to now."""
    seeded = random.Random(5)
    now = int(time.time() * 1000)
    series = {"http_latency_seconds": 0.1, "queue_length": 10, "threads": 20, "heap_bytes": 5e6}
    for back in range(seconds, 0, -step):
        at = now - back * 1000
        samples = [{"name": name, "value": value * seeded.uniform(0.95, 1.05), "timestamp": at,
                    "tags": {"service": "api", "instance": "web1", "job": "api"}}
                   for name, value in series.items()]
        samples += [{"name": f"other_{i}", "value": seeded.uniform(0, 10), "timestamp": at,
                     "tags": {"instance": "web1", "job": "other"}} for i in range(20)]
        push(d, samples)


def write_now(d, **values):
    push(d, [{"name": name, "value": value,
              "tags": {"service": "api", "instance": "web1", "job": "api"}}
             for name, value in values.items()])


def until(d, what, condition, **values):
    """Writes the values again and again until the condition holds."""
    def look():
        write_now(d, **values)
        return condition()
    return wait(what, look)


def incidents(d, query=""):
    return d.json("/api/incidents" + query)["data"]


def an_incident_names_the_deployment_and_the_metric_that_jumped():
    with daemon() as d:
        write_past(d)
        post(d, "/api/events", {"kind": "configuration", "title": "log level changed",
                                "time_ms": int(time.time() * 1000) - 600000})
        post(d, "/api/events", {"kind": "deployment", "service": "api", "version": "1.2",
                                "status": "succeeded",
                                "time_ms": int(time.time() * 1000) - 120000})
        until(d, "an incident", lambda: incidents(d), http_latency_seconds=2.5, queue_length=10)
        # The metric has to stand there for more than one step before it counts as moved.
        one = until(d, "the metric among the three that moved most",
                    lambda: (lambda f: f if any(m["metric"]["__name__"] == "http_latency_seconds"
                                                for m in f["moved"][:3]) else None)(
                        d.json("/api/incidents/1")["data"]),
                    http_latency_seconds=2.5, queue_length=10)
        assert one["state"] == "open" and one["title"] == "api on web1 is slow", one
        assert "api 1.2 was deployed" in one["summary"], one["summary"]
        kinds = [e["kind"] for e in one["timeline"]]
        assert kinds.index("configuration") < kinds.index("deployment") < kinds.index("alert"), kinds
        assert len(incidents(d)) == 1, incidents(d)  # the watchdog opens none
        # Another alert of the same instance joins it.
        until(d, "two alerts", lambda: d.json("/api/incidents/1")["data"]["alerts_n"] == 2,
              http_latency_seconds=2.5, queue_length=500)
        post(d, "/api/incidents/1/notes", {"who": "ada", "text": "rolling back"})
        assert any(e["text"] == "rolling back" and e["source"] == "ada"
                   for e in d.json("/api/incidents/1")["data"]["timeline"])
        # All is over: it is closed after the quiet time.
        until(d, "closed", lambda: d.json("/api/incidents/1")["data"]["state"] == "closed",
              http_latency_seconds=0.1, queue_length=10)
        one = d.json("/api/incidents/1")["data"]
        assert one["firing_n"] == 0 and all(a["ends_ms"] for a in one["alerts"]), one
        assert any(e["kind"] == "resolved" for e in one["timeline"]), one
        assert not incidents(d, "?state=open")
        assert any(e["kind"] == "incident" and e["status"] == "closed"
                   for e in d.json("/api/events")["data"])
        assert d.get("/api/incidents/99")[0] == 404


class Chat(http.server.BaseHTTPRequestHandler):
    """A chat that takes messages as Discord does."""
    seen = []

    def do_POST(self):
        Chat.seen.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


ALERTMANAGER = """
route: {receiver: chat, group_by: [alertname], group_wait: 3s, group_interval: 5s}
receivers:
- name: chat
  discord_configs: [{webhook_url: 'http://127.0.0.1:%d/chat'}]
"""


def the_notification_says_what_changed_before():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with daemon() as d:
            d.stop()
            path = os.path.join(d.folder, "alertmanager.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(ALERTMANAGER % server.server_port)
            with open(d.config, "a", encoding="utf-8") as f:
                f.write(f'[alert]\nconfig_file = "{path}"\n')
            d.start()
            write_past(d)
            post(d, "/api/events", {"kind": "deployment", "service": "api", "version": "7",
                                    "time_ms": int(time.time() * 1000) - 240000})
            until(d, "a message", lambda: any("ApiSlow" in m for m in Chat.seen),
                  http_latency_seconds=2.5, queue_length=10)
            text = [m for m in Chat.seen if "ApiSlow" in m][0]
            assert "deployment: api 7 was deployed, 4 min before" in text, text
            assert "incident=" in text, text
    finally:
        server.shutdown()


def a_remedy_restarts_a_program_of_sonde_watch():
    w = Watch('[[watch.program]]\nname = "backend"\ncommand = ["/bin/sleep", "1000"]\n')
    config = CONFIG + f"""
[watch]
folder = "{w.folder}/data/watch"
poll_interval_ms = 200
[[remedy]]
name = "restart-backend"
match = ['alertname="ApiSlow"']
program = "backend"
runs_max = 1
"""
    d = Daemon(config="")
    try:
        w.start()
        pid = w.running("backend")["pid"]
        d.write_config(config.replace("{folder}", d.folder))
        with open(os.path.join(d.folder, "rules.yml"), "w", encoding="utf-8") as f:
            f.write(RULES)
        d.start()

        def restarted():
            u = w.unit("backend")
            return u["state"] == "running" and u["pid"] not in (0, pid)
        until(d, "another process", restarted, http_latency_seconds=3)
        record = wait("its record", lambda: [
            h for h in d.json("/api/remedies/history?name=restart-backend")["data"]
            if h["outcome"] == "succeeded"])[0]
        assert record["action"] == "restart backend" and record["who"] == "alert", record
        assert record["labels"]["alertname"] == "ApiSlow", record
    finally:
        d.__exit__()
        w.stop()
        shutil.rmtree(w.folder, ignore_errors=True)


def an_open_incident_is_there_after_a_restart():
    with daemon() as d:
        until(d, "an incident", lambda: incidents(d), http_latency_seconds=3)
        d.stop()
        d.start()
        assert [i["state"] for i in incidents(d)] == ["open"]
        until(d, "closed", lambda: incidents(d)[0]["state"] == "closed", http_latency_seconds=0.1)
        assert len(incidents(d)) == 1, incidents(d)


def a_remedy_acts_within_its_limits_and_a_dry_run_does_nothing():
    with daemon() as d:
        ran = os.path.join(d.folder, "ran")

        def history(name):
            return [h["outcome"] for h in d.json(f"/api/remedies/history?name={name}")["data"]]

        until(d, "the limit", lambda: "limited" in history("note-it"), http_latency_seconds=3)
        assert sorted(history("note-it")) == ["limited", "succeeded", "succeeded"], history("note-it")
        with open(ran, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        assert len(lines) == 2 and lines[0]["labels"]["alertname"] == "ApiSlow", lines
        assert lines[0]["annotations"]["summary"] == "api on web1 is slow", lines
        record = d.json("/api/remedies/history?name=note-it")["data"][-1]
        assert record["text"] == "did it\n" and record["who"] == "alert", record
        assert history("would") == ["dry run"]
        assert not os.path.exists(os.path.join(d.folder, "never"))
        assert any(e["kind"] == "remediation" for e in d.json("/api/events")["data"])
        # By hand: a dry run, then one that fails.
        answer = post(d, "/api/remedies/fails/run?dry_run=true&who=ada", {})
        assert answer["data"]["outcome"] == "dry run", answer
        answer = post(d, "/api/remedies/fails/run?who=ada", {})
        assert answer["data"]["outcome"] == "failed" and "broken" in answer["data"]["text"], answer
        assert d.get("/api/remedies/none/run", b"")[0] == 404
        view = {r["name"]: r for r in d.json("/api/remedies")["data"]["remedies"]}
        assert view["note-it"]["runs_in_window"] == 2 and view["would"]["dry_run"], view


run(globals())
