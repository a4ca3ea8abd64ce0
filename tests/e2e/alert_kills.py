#!/usr/bin/env python3
"""No notification, silence, acknowledgement or `for` state is lost over kill -9 of the daemon and of
the receiver; what is told more than once has the same key, at most once more for each kill.

SONDE_KILLS says how many kills (10).
"""
# timeout: 150
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from _daemon import Daemon, free_port, run, wait

KILLS = int(os.environ.get("SONDE_KILLS", "10"))

# A receiver of its own process, so that it can be killed: a line for each message, written and
# flushed before it answers.
RECEIVER = r'''
import http.server, json, os, sys
out = open(sys.argv[2], "ab", buffering=0)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        for a in body["alerts"]:
            line = {"key": self.headers.get("Idempotency-Key") or self.headers.get("X-Sonde-Id")
                           or body.get("id", ""), "name": a["labels"]["alertname"],
                    "status": a["status"]}
            out.write((json.dumps(line) + "\n").encode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Receiver:
    def __init__(self, folder):
        self.port, self.path = free_port(), os.path.join(folder, "heard")
        self.script = os.path.join(folder, "receiver.py")
        with open(self.script, "w", encoding="utf-8") as f:
            f.write(RECEIVER)
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, self.script, str(self.port), self.path])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def heard(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as f:
            return [json.loads(line) for line in f.read().split("\n") if line.endswith("}")]


def ask(d, method, path, body=None):
    request = urllib.request.Request(d.url + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            text = r.read()
            return r.status, json.loads(text) if text.strip() else None
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError as e:
        return 0, str(e)


def kill(d):
    worker = d.worker()
    os.kill(d.process.pid, signal.SIGKILL)
    d.process.wait()
    if worker:
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Ledger:
    """What was answered, and therefore has to be there."""

    def __init__(self):
        self.posted, self.silences, self.acknowledged, self.states = [], [], [], {}


def act(d, receiver, ledger, round_number):
    """A moment of life: an alert from outside, a silence, an acknowledgement."""
    name = f"Posted{round_number}"
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
    if ask(d, "POST", "/api/v2/alerts", [{"labels": {"alertname": name}, "endsAt": end}])[0] == 200:
        ledger.posted.append(name)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    status, made = ask(d, "POST", "/api/v2/silences", {
        "matchers": [{"name": "alertname", "value": f"Quiet{round_number}", "isRegex": False}],
        "startsAt": now, "endsAt": end, "createdBy": "test", "comment": "kept"})
    if status == 200:
        ledger.silences.append(made["silenceID"])
    status, rows = ask(d, "GET", "/api/alerts")
    # One that is acknowledged before it was told is not told any more.
    told = {h["name"] for h in receiver.heard()}
    rows = [r for r in rows["data"] if r["labels"]["alertname"].startswith("Posted")
            and r["labels"]["alertname"] in told and not r["acknowledged"]] if status == 200 else []
    if rows and ask(d, "POST", f"/api/alerts/{rows[0]['fingerprint']}/acknowledge",
                    {"who": "test"})[0] == 200:
        ledger.acknowledged.append(rows[0]["fingerprint"])
    status, answer = ask(d, "GET", "/api/v1/alerts")
    for a in answer["data"]["alerts"] if status == 200 else []:
        ledger.states[a["labels"]["alertname"]] = (a["state"], a["activeAt"])


def check(d, ledger):
    kept = {s["id"]: s["status"]["state"] for s in ask(d, "GET", "/api/v2/silences")[1]}
    lost = [s for s in ledger.silences if kept.get(s) != "active"]
    assert not lost, ("silences lost", lost)
    rows = {r["fingerprint"]: r for r in ask(d, "GET", "/api/alerts")[1]["data"]}
    lost = [f for f in ledger.acknowledged if not rows.get(f, {}).get("acknowledged")]
    assert not lost, ("acknowledgements lost", lost)
    names = {r["labels"]["alertname"] for r in rows.values()}
    assert set(ledger.posted) <= names, ("alerts lost", set(ledger.posted) - names)
    seen = {a["labels"]["alertname"]: (a["state"], a["activeAt"])
            for a in ask(d, "GET", "/api/v1/alerts")[1]["data"]["alerts"]}
    for name, (state, active) in ledger.states.items():
        assert name in seen and seen[name][1] == active, ("for state lost", name, state, active, seen)
        assert state != "firing" or seen[name][0] == "firing", ("firing lost", name, seen)


def nothing_is_lost_over_kills_of_daemon_and_receiver():
    rng = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="sonde-kills-") as folder:
        receiver, ledger = Receiver(folder), Ledger()
        with open(os.path.join(folder, "am.yml"), "w", encoding="utf-8") as f:
            json.dump({"route": {"receiver": "hook", "group_by": ["..."], "group_wait": "50ms",
                                 "group_interval": "1s", "repeat_interval": "24h"},
                       "receivers": [{"name": "hook", "webhook_configs": [
                           {"url": f"http://127.0.0.1:{receiver.port}/"}]}]}, f)
        rules = [{"alert": f"Long{i}", "expr": "vector(1)", "for": "2h"} for i in range(5)]
        rules += [{"alert": f"Now{i}", "expr": "vector(1)"} for i in range(5)]
        with open(os.path.join(folder, "r.yml"), "w", encoding="utf-8") as f:
            json.dump({"groups": [{"name": "g", "interval": "1s", "rules": rules}]}, f)
        receiver.start()
        with Daemon(config="", settings=["collect.enabled=false", f"rules.files={folder}/r.yml",
                                         "alert.rate_per_minute=100000",
                                         f"alert.config_file={folder}/am.yml"]) as d:
            try:
                d.start()
                wait("rules", lambda: len(d.json("/api/v1/alerts")["data"]["alerts"]) == 10)
                daemon_kills = 0
                for i in range(KILLS):
                    act(d, receiver, ledger, i)
                    time.sleep(rng.uniform(0, 0.4))
                    if i % 4 == 3:
                        receiver.kill()
                        act(d, receiver, ledger, f"{i}down")
                        receiver.start()
                    else:
                        kill(d)
                        daemon_kills += 1
                        d.start()
                    check(d, ledger)
                wanted = set(ledger.posted) | {f"Now{i}" for i in range(5)}
                def missing():
                    return wanted - {h["name"] for h in receiver.heard() if h["status"] == "firing"}
                try:
                    wait("all told", lambda: not missing(), 30)
                except AssertionError:
                    print("not told:", missing(), ask(d, "GET", "/api/notify"), d.said()[-2000:])
                    raise
                heard = [h for h in receiver.heard() if h["status"] == "firing"]
                again = len(heard) - len({h["name"] for h in heard})
                keys = {}
                for h in heard:
                    keys.setdefault(h["name"], set()).add(h["key"])
                assert all(h["key"] for h in heard), "messages without a key"
                different = {n: k for n, k in keys.items() if len(k) > 1}
                assert not different, ("told again with another key", different)
                assert again <= KILLS, (again, KILLS)
                print(f"{KILLS} kills ({daemon_kills} of the daemon): {len(wanted)} alerts told, "
                      f"{again} once more; {len(ledger.silences)} silences, "
                      f"{len(ledger.acknowledged)} acknowledgements and {len(ledger.states)} "
                      "states kept, none lost")
            finally:
                receiver.kill()


if __name__ == "__main__":
    run(globals())
