#!/usr/bin/env python3
"""Custom alerts over HTTP and from sonde.toml: made, changed, kept over kill -9; hysteresis as it
happens; backtests over stored data, beside the rules that then run.
"""
# timeout: 120
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from _daemon import SONDE, Daemon, run, wait

QUIET = ["collect.enabled=false", "rules.evaluation_interval_ms=1000",
         "store.out_of_order_window_s=3200000000"]


def send(d, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(d.url + path, data=data, method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as r:
            text = r.read()
            return r.status, json.loads(text) if text else None
    except urllib.error.HTTPError as e:
        text = e.read()
        return e.code, json.loads(text) if text[:1] == b"{" else text


def put(d, *lines):
    status, body = d.get("/api/metrics", "".join(line + "\n" for line in lines).encode(),
                         {"Content-Type": "text/plain"})
    assert status // 100 == 2, (status, body)


def kill(d):
    """kill -9 of the daemon and its worker."""
    worker = d.worker()
    os.kill(d.process.pid, signal.SIGKILL)
    d.process.wait()
    try:
        os.kill(worker, signal.SIGKILL)
    except ProcessLookupError:
        pass


def states(d):
    return {r["name"]: r["state"] for r in d.json("/api/alerts/rules")["data"]}


def an_alert_is_made_changed_and_dropped_over_http():
    with Daemon(config="", settings=QUIET) as d:
        d.start()
        status, answer = send(d, "POST", "/api/alerts/rules", {
            "name": "Queue", "metric": "queue", "above": 10, "clear": 5, "severity": "critical",
            "labels": {"team": "mail"}, "annotations": {"summary": "{{ $value }} wait"},
            "owner": "ops"})
        assert status == 201, answer
        row = answer["data"]
        assert row["query"] == "queue > 10" and row["hold_query"] == "queue > 5", row
        assert send(d, "POST", "/api/alerts/rules",
                    {"name": "Queue", "metric": "q", "above": 1})[0] == 409
        assert send(d, "POST", "/api/alerts/rules", {"name": "X", "above": 1})[0] == 400
        put(d, "queue 20")
        wait("firing", lambda: states(d)["Queue"] == "firing")
        labels = d.json("/api/v1/alerts")["data"]["alerts"][0]["labels"]
        assert labels["severity"] == "critical" and labels["team"] == "mail", labels
        assert labels["owner"] == "ops" and labels["alertname"] == "Queue", labels
        put(d, "queue 7")  # below the limit, above what clears it
        wait("the value", lambda: d.json("/api/v1/alerts")["data"]["alerts"][0]["value"] == "7e+00")
        assert states(d)["Queue"] == "firing"
        put(d, "queue 5")
        wait("over", lambda: states(d)["Queue"] == "inactive")
        put(d, "queue 7")
        time.sleep(2.5)  # two runs: it must not fire
        assert states(d)["Queue"] == "inactive"
        status, answer = send(d, "PUT", "/api/alerts/rules/Queue", {
            "metric": "queue", "above": 6, "enabled": True})
        assert status == 200 and answer["data"]["query"] == "queue > 6", answer
        wait("firing by the new limit", lambda: states(d)["Queue"] == "firing")
        send(d, "PUT", "/api/alerts/rules/Queue", {"metric": "queue", "above": 6, "enabled": False})
        assert states(d)["Queue"] == "disabled"
        assert send(d, "DELETE", "/api/alerts/rules/Queue")[0] == 204
        assert send(d, "DELETE", "/api/alerts/rules/Queue")[0] == 404
        assert states(d) == {}


def alerts_of_the_file_and_of_the_api_stand_beside_each_other():
    config = ('[[alert.rule]]\nname = "From file"\nmetric = "up_time"\nbelow = 10\n'
              'labels = ["team=a"]\n')
    with Daemon(config=config, settings=QUIET) as d:
        d.start()
        send(d, "POST", "/api/alerts/rules", {"name": "From API", "kind": "absence",
                                              "metric": "never", "window": "1m"})
        assert send(d, "DELETE", "/api/alerts/rules/From%20file")[0] == 403
        wait("absent", lambda: states(d) == {"From API": "firing", "From file": "inactive"})
        kill(d)
        d.start()
        wait("both again", lambda: states(d) == {"From API": "firing", "From file": "inactive"})
        d.write_config("")
        d.process.send_signal(signal.SIGHUP)
        wait("one left", lambda: list(states(d)) == ["From API"])


def a_bad_row_of_the_file_is_refused_with_its_member():
    with Daemon(config='[[alert.rule]]\nname = "x"\nmetric = "m"\n') as d:
        out = subprocess.run([SONDE, "check", d.config], capture_output=True, text=True, timeout=30,
                             check=False)
        assert out.returncode != 0, out
        assert 'alert.rule "x": one of above and below is missing' in out.stdout + out.stderr, out


def states_of_pending_and_firing_alerts_survive_kills():
    with Daemon(config="", settings=QUIET) as d:
        d.start()
        send(d, "POST", "/api/alerts/rules", {"name": "Long", "metric": "x", "above": 0,
                                              "for": "1h", "interval": "1s"})
        send(d, "POST", "/api/alerts/rules", {"name": "Now", "metric": "x", "above": 0,
                                              "interval": "1s"})
        put(d, "x 1")

        def seen():
            return {a["labels"]["alertname"]: (a["state"], a["activeAt"])
                    for a in d.json("/api/v1/alerts")["data"]["alerts"]}
        before = wait("both", lambda: seen() if len(seen()) == 2 else None)
        assert before["Long"][0] == "pending" and before["Now"][0] == "firing", before
        for _ in range(3):
            kill(d)
            d.start()
            assert seen() == before, (seen(), before)


def a_backtest_tells_what_would_have_fired():
    with Daemon(config="", settings=QUIET) as d:
        d.start()
        now = int(time.time())
        start = now - 6 * 86400
        start -= start % 60
        samples = []
        for i in range(0, 6 * 1440, 5):  # high for an hour on three days
            minute = i % 1440
            high = i // 1440 in (0, 2, 4) and 600 <= minute < 660
            value = 80 + i // 1440 if high else 20
            samples.append(f"temp {value} {(start + i * 60) * 1000}")
        put(d, *samples)
        rule = {"metric": "temp", "above": 70, "for": "10m", "interval": "5m"}
        status, answer = send(d, "POST", "/api/alerts/backtest", {"rule": rule, "range": "7d"})
        assert status == 200, answer
        data = answer["data"]
        assert data["fired"] == 3, data
        assert data["summary"] == "would have fired 3 times in 7 days", data["summary"]
        assert [f["peak"] for f in data["firings"]] == [80, 82, 84], data
        first = data["firings"][0]
        assert 45 * 60000 <= first["end_time_ms"] - first["start_time_ms"] <= 60 * 60000, first
        status, answer = send(d, "POST", "/api/alerts/backtest", {
            "rule": {"expr": "temp > 83"}, "range": "7d"})
        assert status == 200 and answer["data"]["fired"] == 1, answer
        status, answer = send(d, "POST", "/api/alerts/backtest", {"rule": {"expr": "temp >"}})
        assert status == 400, answer
        out = subprocess.run([SONDE, "rules", "backtest", "--expr", "temp > 70", "--for", "10m",
                              "--range", "7d", "--interval", "5m", "--server", d.url],
                             capture_output=True, text=True, timeout=60, check=False)
        assert out.returncode == 0, out
        assert "would have fired 3 times in 7 days" in out.stdout, out.stdout
        path = os.path.join(d.folder, "r.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("groups: [{name: g, interval: 5m, rules: [{alert: Hot, expr: 'temp > 81'},"
                    " {record: x, expr: '1'}]}]")
        out = subprocess.run([SONDE, "rules", "backtest", path, "--range", "7d",
                              "--server", d.url],
                             capture_output=True, text=True, timeout=60, check=False)
        assert out.returncode == 0 and "Hot: would have fired 2 times in 7 days" in out.stdout, out


if __name__ == "__main__":
    run(globals())
