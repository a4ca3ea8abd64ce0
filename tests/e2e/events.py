#!/usr/bin/env python3
"""Events and check-ins on the running daemon: what pipelines, StatsD and collectd send, `sonde
event` and `sonde checkin` as people call them, and the heartbeat that goes out."""
# timeout: 120
# suites: plain asan
import http.server
import json
import os
import socket
import struct
import subprocess
import threading
import time

from _daemon import SONDE, Daemon, run, wait
from _port import free_port

CONFIG = """
[collect]
enabled = false
[[checkin]]
name = "backup"
title = "the nightly backup"
every_seconds = 2
grace_seconds = 1
labels = ["team=ops"]
[[checkin]]
name = "slow"
every_seconds = 3600
max_runtime_seconds = 1
[[checkin]]
name = "berlin"
cron = "0 3 * * mon"
zone = "Europe/Berlin"
"""


def sonde(d, *words, **more):
    return subprocess.run([SONDE, words[0], *words[1:2], "--server", d.url, *words[2:]],
                          capture_output=True, text=True, timeout=60, **more)


def post(d, path, body):
    status, answer = d.get(path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return status, json.loads(answer)


def events(d, query=""):
    return d.json("/api/events" + query)["data"]


def checkin(d, name):
    return d.json(f"/api/checkins/{name}")["data"]


def metric(d, series):
    for line in d.get("/metrics")[1].decode().splitlines():
        if line.startswith(series + " "):
            return float(line.rsplit(" ", 1)[1])
    return None


def a_deployment_begins_and_ends_as_one_event_and_is_counted():
    with Daemon(config=CONFIG) as d:
        d.start()
        words = ("event", "deployment", "--service", "api", "--version", "1.2")
        assert sonde(d, *words, "--status", "started").returncode == 0
        time.sleep(1.1)  # so that it has a duration
        assert sonde(d, *words, "--status", "succeeded", "--label", "team=blue").returncode == 0
        one, = events(d, "?kind=deployment")
        assert one["title"] == "api 1.2 was deployed" and one["status"] == "succeeded", one
        assert one["end_ms"] - one["time_ms"] >= 1000 and one["labels"]["team"] == "blue", one
        assert metric(d, 'sonde_deployments_total{service="api",outcome="succeeded"}') == 1
        assert metric(d, 'sonde_deployment_duration_seconds_count{service="api"}') == 1
        # The same version once more is another deployment.
        assert sonde(d, *words, "--status", "started").returncode == 0
        assert sonde(d, *words, "--status", "failed").returncode == 0
        assert len(events(d, "?kind=deployment")) == 2
        assert metric(d, 'sonde_deployments_total{service="api",outcome="failed"}') == 1
        # What is no event is refused, with the reason; the others of its body are not taken.
        assert sonde(d, "event", "note").returncode == 1
        status, answer = post(d, "/api/events", [{"title": "good"}, {"title": "x", "end_ms": 5}])
        assert status == 400 and "event 1" in answer["error"], answer
        assert not events(d, "?kind=note")
        status, answer = post(d, "/api/events", {"title": "a", "url": "javascript:alert(1)"})
        assert status == 400, answer


def events_are_filtered_deleted_and_there_after_kill_9():
    with Daemon(config=CONFIG) as d:
        d.start()
        now = int(time.time() * 1000)
        status, answer = post(d, "/api/events", [
            {"title": f"n{i}", "time_ms": now - i * 60000, "labels": {"host": f"h{i % 2}"},
             "source": "test"} for i in range(10)])
        assert status == 200 and len(answer["data"]["ids"]) == 10, answer
        os.kill(d.worker(), 9)
        wait("the next worker", lambda: d.status("/readyz") == 200 and len(
            events(d, "?source=test")) == 10)
        assert [e["title"] for e in events(d, "?source=test&limit=2")] == ["n0", "n1"]
        assert len(events(d, "?source=test&label=host=h1")) == 5
        start = (now - 4 * 60000 - 1) / 1000
        assert len(events(d, f"?source=test&start={start}")) == 5
        assert d.get("/api/events?label=x")[0] == 400
        request = f"/api/events/{answer['data']['ids'][0]}"
        import urllib.request
        urllib.request.urlopen(urllib.request.Request(d.url + request, method="DELETE"), timeout=5)
        assert [e["title"] for e in events(d, "?source=test&limit=1")] == ["n1"]
        # Grafana's annotations, in and out.
        status, answer = post(d, "/api/annotations", {"time": now, "tags": ["deploy", "env:prod"],
                                                      "text": "release 7\nby ada"})
        assert status == 200 and answer["id"], answer
        one = d.json(f"/api/annotations?from={now - 1}&to={now + 1}")[0]
        assert one["text"] == "release 7\nby ada" and "env:prod" in one["tags"], one


def statsd_and_collectd_send_events():
    statsd, collectd = free_port(), free_port()
    with Daemon(config=CONFIG, settings=[f"statsd.listen=127.0.0.1:{statsd}",
                                         f"collectd.listen=127.0.0.1:{collectd}"]) as d:
        d.start()
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def text(kind, value):
            value = value.encode() + b"\0"
            return struct.pack(">HH", kind, len(value) + 4) + value

        packet = (text(0, "web1") + struct.pack(">HHQ", 1, 12, int(time.time())) +
                  struct.pack(">HHQ", 0x101, 12, 1) + text(2, "df") + text(0x100, "disk is full"))

        def come():
            out.sendto(b"_e{7,9}:restart|a\\nb done|h:web1|t:warning|#env:prod",
                       ("127.0.0.1", statsd))
            out.sendto(packet, ("127.0.0.1", collectd))
            return events(d, "?source=statsd") and events(d, "?source=collectd")
        wait("both", come)
        one = events(d, "?source=statsd")[0]
        assert one["title"] == "restart", one
        assert one["labels"] == {"alert_type": "warning", "env": "prod", "instance": "web1"}, one
        one = events(d, "?source=collectd")[0]
        assert one["title"] == "disk is full" and one["status"] == "failure", one
        assert one["labels"] == {"instance": "web1", "plugin": "df"}, one


def a_job_that_is_wrapped_tells_how_it_went():
    with Daemon(config=CONFIG) as d:
        d.start()
        job = sonde(d, "checkin", "rotate", "--every", "1h", "--", "sh", "-c",
                    "echo out; echo err >&2; exit 3")
        assert (job.returncode, job.stdout, job.stderr) == (3, "out\n", "err\n"), job
        one = checkin(d, "rotate")
        assert one["state"] == "failed" and one["exit_code"] == 3, one
        assert sorted(one["history"][0]["output"].split()) == ["err", "out"], one
        assert [h["kind"] for h in one["history"]] == ["fail", "start"], one
        assert metric(d, 'sonde_checkin_up{checkin="rotate"}') == 0
        wait("its alert", lambda: any(i["labels"].get("checkin") == "rotate"
                                      for i in d.json("/api/incidents")["data"]))
        assert sonde(d, "checkin", "rotate", "--", "true").returncode == 0
        assert checkin(d, "rotate")["state"] == "up"
        assert metric(d, 'sonde_checkin_up{checkin="rotate"}') == 1
        assert sonde(d, "checkin", "rotate", "--", "/no/such/program").returncode == 127
        assert checkin(d, "rotate")["exit_code"] == 127
        # A daemon that is gone does not keep the job from running.
        d.stop()
        job = sonde(d, "checkin", "rotate", "--patience", "0s", "--", "sh", "-c", "echo ran; exit 4")
        assert job.returncode == 4 and job.stdout == "ran\n" and "not told" in job.stderr, job
        d.start()
        assert checkin(d, "rotate")["state"] == "failed"  # as it was before


def a_job_that_does_not_come_is_late_then_missing_then_well_again():
    with Daemon(config=CONFIG) as d:
        d.start()
        assert d.get("/api/checkin/backup")[0] == 200
        seen = []

        def state():
            now = checkin(d, "backup")["state"]
            if not seen or seen[-1] != now:
                seen.append(now)
            return now == "missing"
        wait("missing", state)
        assert seen == ["up", "late", "missing"], seen
        assert checkin(d, "berlin")["state"] == "new" and checkin(d, "berlin")["due_ms"]
        assert any(e["status"] == "missing" and e["labels"]["team"] == "ops"
                   for e in events(d, "?kind=checkin"))
        os.kill(d.worker(), 9)  # a missing one is missing after a crash, too
        wait("the next worker", lambda: d.status("/readyz") == 200)
        assert checkin(d, "backup")["state"] == "missing"
        assert d.get("/api/checkin/backup", b"all copied")[0] == 200
        one = checkin(d, "backup")
        assert one["state"] == "up" and one["history"][0]["output"] == "all copied", one
        # Started, and not ended in time.
        assert d.get("/api/checkin/slow/start")[0] == 200
        wait("overrun", lambda: checkin(d, "slow")["state"] == "overrun")
        assert d.get("/api/checkin/slow/0")[0] == 200
        assert checkin(d, "slow")["state"] == "up" and checkin(d, "slow")["duration_ms"] >= 1000
        # What is none, and what other sites' pages send.
        assert d.get("/api/checkin/slow/when")[0] == 400
        assert d.get("/api/checkin/no%20name")[0] == 400
        assert d.get("/api/checkin/slow", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert d.get("/api/checkin/x?cron=never")[0] == 400
        assert d.get("/api/checkins/x")[0] == 404


class Listener(http.server.BaseHTTPRequestHandler):
    """Counts what comes; answers what it is told to."""
    status, seen = 200, []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Listener.seen.append((self.headers.get("X-Key"), body))
        self.send_response(Listener.status)
        self.end_headers()

    def log_message(self, *_):
        pass


def a_heartbeat_goes_out_and_its_failure_is_an_alert():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = CONFIG + f"""
[[heartbeat]]
name = "outside"
url = "http://127.0.0.1:{server.server_port}/ping"
method = "POST"
body = "alive"
headers = ["X-Key: secret"]
every_seconds = 1
fall = 2
"""
    try:
        with Daemon(config=config) as d:
            d.start()
            wait("two beats", lambda: len(Listener.seen) >= 2)
            assert Listener.seen[0] == ("secret", b"alive"), Listener.seen[0]
            assert metric(d, 'sonde_heartbeat_up{heartbeat="outside"}') == 1
            Listener.status = 500
            wait("its alert", lambda: any(i["labels"].get("heartbeat") == "outside"
                                          for i in d.json("/api/incidents")["data"]))
            assert metric(d, 'sonde_heartbeat_up{heartbeat="outside"}') == 0
            Listener.status = 200
            wait("well again", lambda: metric(d, 'sonde_heartbeat_up{heartbeat="outside"}') == 1)
            assert "/ping" not in d.said()
    finally:
        server.shutdown()


def a_heartbeat_stays_away_while_no_receiver_takes_anything():
    class Outside(Listener):
        seen = []

        def do_POST(self):
            Outside.seen.append(self.path)
            self.send_response(200)
            self.end_headers()

    class Receiver(Listener):
        status, seen = 503, []

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            Receiver.seen.append(Receiver.status)
            self.send_response(Receiver.status)
            self.end_headers()

    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), c) for c in (Outside, Receiver)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    outside, receiver = (f"http://127.0.0.1:{s.server_port}/" for s in servers)
    try:
        with Daemon(config="") as d:
            routes = os.path.join(d.folder, "routes.yml")
            with open(routes, "w", encoding="utf-8") as f:
                f.write("route: {receiver: team, group_wait: 1s}\nreceivers: [{name: team, "
                        f"webhook_configs: [{{url: '{receiver}'}}]}}]\n")
            d.write_config(f'[collect]\nenabled = false\n[alert]\nconfig_file = "{routes}"\n'
                           f'[[heartbeat]]\nname = "outside"\nurl = "{outside}"\n'
                           'method = "POST"\nevery_seconds = 1\n')
            d.start()
            wait("a beat", lambda: Outside.seen)

            def count(outcome):
                return metric(d, 'sonde_heartbeats_total{heartbeat="outside",outcome="'
                              + outcome + '"}') or 0
            assert count("withheld") == 0
            body = json.dumps([{"labels": {"alertname": "Real"}}]).encode()
            assert d.get("/api/v2/alerts", body, {"Content-Type": "application/json"})[0] == 200
            wait("a refusal", lambda: Receiver.seen)
            wait("none for two seconds", lambda: count("withheld") >= 2)
            before = len(Outside.seen)
            wait("another one withheld", lambda: count("withheld") >= 4)
            assert len(Outside.seen) == before, (before, Outside.seen)
            assert "no receiver with waiting messages has taken one" in d.said(), d.said()
            Receiver.status = 200
            wait("a beat again", lambda: len(Outside.seen) > before, 60)
            assert 200 in Receiver.seen and "outside goes out again" in d.said(), Receiver.seen
    finally:
        for server in servers:
            server.shutdown()


def the_status_is_told_over_http_on_the_command_line_and_as_a_file():
    with Daemon(config="") as d:
        path = os.path.join(d.folder, "out", "status.json")
        os.mkdir(os.path.dirname(path))
        d.write_config(f'[status]\nfile = "{path}"\ninterval_seconds = 1\n')
        d.start()

        def told():
            if not os.path.exists(path):
                return None
            with open(path, encoding="utf-8") as f:
                status = json.load(f)  # never a half of it
            return status if status["system"]["memory"]["total_bytes"] else None
        status = wait("a file with the memory in it", told)
        assert status["database"][0]["kind"] == "store" and status["programs"] == [], status
        assert 0 <= status["system"]["memory"]["used_ratio"] <= 1, status
        said = sonde(d, "status", "--json")
        assert said.returncode in (0, 1) and json.loads(said.stdout)["version"], said
        host = d.json("/api/system/metrics")["data"]
        assert host["load"]["1m"] is not None and host["disk"], host
        own = d.json("/api/v1/monitoring/metrics")["data"]
        assert own["metrics"]["sonde_ingest_samples_total"]["type"] == "counter", own
        assert d.json("/api/v1/system/status")["data"]["uptime_seconds"] > 0


run(globals())
