#!/usr/bin/env python3
"""Alerts become messages in the running daemon: a rule that fires, Alertmanager's file, a webhook;
over a restart, a kill -9 and a reload.
"""
# timeout: 120
import http.server
import json
import os
import shutil
import signal
import tempfile
import threading
import time

from _daemon import Daemon, run, wait

RULES = """
groups:
- name: tested
  interval: 250ms
  rules:
  - alert: Hot
    expr: temperature > 30
    labels: {severity: critical, team: metal}
    annotations: {summary: 'it is {{ $value }} in {{ $labels.room }}'}
  - alert: Warm
    expr: temperature > 20
    labels: {severity: warning, team: metal}
"""

ALERTMANAGER = """
global: {resolve_timeout: 5m}
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
  - matchers: [room="lab"]
    receiver: other
    continue: %s
  - matchers: [team="metal"]
    receiver: hook
    group_by: [alertname, team]
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [room]
receivers:
- name: hook
  webhook_configs: [{url: '%s/hook'}]
- name: other
  webhook_configs: [{url: '%s/other', send_resolved: false}]
"""


class Hook:
    """Gets messages; says 503 while it is down."""

    def __init__(self):
        hook = self
        self.got, self.down = [], False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not hook.down:
                    hook.got.append((self.path, json.loads(body)))
                self.send_response(503 if hook.down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, path, status=None, alertname=None):
        return [m for p, m in list(self.got) if p == path and status in (None, m["status"])
                and alertname in (None, m["groupLabels"].get("alertname"))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Alerting:
    """A daemon with the rules and the file above, and a hook."""

    def __init__(self):
        self.hook = Hook()
        self.folder = tempfile.mkdtemp(prefix="sonde-alerting-")
        self.file = os.path.join(self.folder, "alertmanager.yml")
        self.put("rules.yml", RULES)
        self.configure("false")
        self.daemon = Daemon(config="", settings=[
            f"rules.files={self.folder}/rules.yml", f"alert.config_file={self.file}",
            "collect.enabled=false", "alert.external_url=http://sonde.example"])
        self.feeding = threading.Event()
        self.rooms = {}

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def configure(self, go_on):
        self.put("alertmanager.yml", ALERTMANAGER % (go_on, self.hook.url, self.hook.url))

    def feed(self):
        """Writes the temperatures again and again, also while the daemon is away."""
        while not self.feeding.wait(0.3):
            try:
                for room, value in list(self.rooms.items()):
                    self.daemon.push({"name": "temperature", "value": value,
                                      "labels": {"room": room}})
            except OSError:
                pass

    def __enter__(self):
        self.daemon.start()
        threading.Thread(target=self.feed, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.feeding.set()
        self.daemon.__exit__()
        self.hook.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)


def a_rule_that_fires_is_told_in_alertmanagers_words_and_once_more_when_it_is_over():
    with Alerting() as a:
        a.rooms["cellar"] = 35
        wait("a message", lambda: a.hook.of("/hook", "firing", "Hot"))
        m = a.hook.of("/hook", "firing", "Hot")[0]
        assert m["version"] == "4" and m["receiver"] == "hook", m
        assert m["groupKey"] == '{}/{team="metal"}:{alertname="Hot", team="metal"}', m["groupKey"]
        assert m["externalURL"] == "http://sonde.example", m
        assert m["commonLabels"]["room"] == "cellar" and len(m["alerts"]) == 1, m
        alert = m["alerts"][0]
        assert alert["status"] == "firing" and alert["endsAt"].startswith("0001-"), alert
        assert alert["annotations"]["summary"] == "it is 35 in cellar", alert
        assert "/graph?g0.expr=" in alert["generatorURL"], alert
        assert not a.hook.of("/hook", None, "Warm"), "Hot inhibits Warm"
        a.rooms["cellar"] = 10
        over = wait("its end", lambda: a.hook.of("/hook", "resolved", "Hot"))[0]
        assert over["alerts"][0]["status"] == "resolved" and over["groupKey"] == m["groupKey"], over
        time.sleep(2.5)  # two more looks at the group, if there were one
        assert len(a.hook.of("/hook", None, "Hot")) == 2, a.hook.got


def routes_of_a_file_that_is_read_again_count_at_once():
    with Alerting() as a:
        a.rooms["lab"] = 35
        wait("who is in charge of the lab", lambda: a.hook.of("/other", "firing", "Hot"))
        assert not a.hook.of("/hook", None, "Hot"), a.hook.got
        a.configure("true")
        a.daemon.process.send_signal(signal.SIGHUP)
        wait("both", lambda: a.hook.of("/hook", "firing", "Hot"))
        a.rooms["lab"] = 10
        wait("its end", lambda: a.hook.of("/hook", "resolved", "Hot"))
        assert len(a.hook.of("/other", None, "Hot")) == 1, "who was told is known over a reload"


def a_receiver_that_is_down_and_a_daemon_that_is_killed_lose_nothing_and_tell_it_once():
    with Alerting() as a:
        a.hook.down = True
        a.rooms["cellar"] = 35
        wait("a decision", lambda: b'sonde_alert_decided_total{reason="first"} 1'
             in a.daemon.get("/metrics")[1])
        os.kill(a.daemon.worker(), signal.SIGKILL)
        a.hook.down = False
        wait("the message", lambda: a.hook.of("/hook", "firing", "Hot"))
        wait("the daemon", lambda: a.daemon.status("/readyz") == 200)
        a.daemon.stop(signal.SIGKILL)
        a.daemon.start()
        time.sleep(3)
        assert len(a.hook.of("/hook", "firing", "Hot")) == 1, a.hook.got
        assert not a.hook.of("/hook", "resolved", "Hot"), "it fires still"
        a.rooms["cellar"] = 10
        wait("its end", lambda: a.hook.of("/hook", "resolved", "Hot"))


if __name__ == "__main__":
    run(globals())
