#!/usr/bin/env python3
"""`sonde query` against a running daemon and against its data directory: the same answers."""
# timeout: 120
import csv
import io
import json
import os
import subprocess

from _daemon import SONDE, Daemon, run, wait

QUIET = ("collect.enabled=false",)
BEGIN = 1_795_300_000  # seconds; samples are written every 10 s from here on
ASCII = {"LC_ALL": "C", "COLUMNS": "60"}


def sonde(*words, status=0, **env):
    done = subprocess.run([SONDE, *words], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, **ASCII, **env})
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def write(d):
    for path in ("/a", "/b"):
        for i in range(31):
            value = i * (2 if path == "/a" else 1)
            sample = {"name": "requests_total", "value": value, "timestamp": BEGIN + 10 * i,
                      "tags": {"path": path}}
            assert d.push(sample)[0] in (200, 204)


QUERIES = (
    ("requests_total", "--time", str(BEGIN + 300)),
    ("sum(rate(requests_total[1m])) by (path)", "--time", str(BEGIN + 300)),
    ("1 + 1", "--time", "1.5"),
    ('"text"', "--time", "1.5"),
    ("nothing_at_all", "--time", str(BEGIN)),
    ("requests_total", "--start", str(BEGIN), "--end", str(BEGIN + 300), "--step", "60s"),
    ("requests_total", "--end", str(BEGIN + 300), "--last", "2m", "--step", "30"),
    ("rate(requests_total[1m])", "--end", "2026-11-22T05:00:00Z", "--last", "1h"),
    ("requests_total[25s]", "--time", str(BEGIN + 300), "--limit", "1"),
    ("histogram_quantile(0.9, requests_total)", "--time", str(BEGIN + 300)),
)
WRONG = (
    ("sum(rate(requests_total[1m])) by (path", "--time", "1"),
    ("rate(requests_total)", "--time", "1"),
    ("requests_total + on(x) requests_total", "--time", str(BEGIN + 300)),
)


def files_of(folder):
    """Every file below a folder with what it holds."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(top, name), "rb") as f:
                found[os.path.relpath(os.path.join(top, name), folder)] = f.read()
    return found


def a_daemon_and_its_directory_answer_alike():
    with Daemon(settings=QUIET) as d:
        d.start()
        write(d)
        forms = ("table", "json", "csv", "chart")
        here = {(q, form): sonde("query", "--server", d.url, "--output", form, *q)
                for q in QUERIES for form in forms}
        refused = {q: sonde("query", "--url", d.url, *q, status=1) for q in WRONG}
        d.stop()
        before = files_of(d.data)
        for (q, form), wanted in here.items():
            said = sonde("query", "--data", d.data, "--output", form, *q)
            assert said == wanted, (q, form, said, wanted)
        for q, wanted in refused.items():
            assert sonde("query", "--data", d.data, *q, status=1) == wanted, q
        assert files_of(d.data) == before


def samples_of_a_log_that_was_never_flushed_are_there():
    with Daemon(settings=QUIET) as d:
        d.start()
        write(d)
        wanted = sonde("query", "--server", d.url, *QUERIES[0])
        d.process.kill()
        d.process.wait()
        wait("the lock is free", lambda: "a daemon is using" not in subprocess.run(
            [SONDE, "query", "--data", d.data, "1"], capture_output=True, text=True, timeout=60,
            check=False).stderr)
        before = files_of(d.data)
        assert sonde("query", "--data", d.data, *QUERIES[0]) == wanted
        assert files_of(d.data) == before


def each_form_says_what_there_is():
    with Daemon(settings=QUIET) as d:
        d.start()
        write(d)
        ask = ("query", "--server=" + d.url, "requests_total")
        at = ("--time", str(BEGIN + 300))
        over = ("--start", str(BEGIN), "--end", str(BEGIN + 300), "--step", "60")
        table, _ = sonde(*ask, *at)
        assert [line.split() for line in table.splitlines()] == [
            ["metric", "path", "value"], ["requests_total", "/a", "60"],
            ["requests_total", "/b", "30"]], table
        answer = json.loads(sonde(*ask, *over, "--output", "json")[0])
        assert answer["data"]["resultType"] == "matrix", answer
        rows = list(csv.DictReader(io.StringIO(sonde(*ask, *over, "--output", "csv")[0])))
        assert len(rows) == 12 and rows[5]["value"] == "60" and rows[5]["path"] == "/a", rows
        chart, _ = sonde(*ask, *over, "--output", "chart")
        assert "60 +" in chart and "max 60" in chart, chart
        assert all(len(line) <= 60 for line in chart.splitlines()[:-2]), chart
        dots, _ = sonde(*ask[:-1], 'requests_total{path="/a"}', *over, "--output", "chart",
                        LC_ALL="C.UTF-8")
        assert any(0x2800 < ord(c) < 0x2900 for c in dots), dots
        stats, _ = sonde(*ask, *at, "--stats")
        assert "samples.totalQueryableSamples 2" in stats, stats
        d.stop()


def failures_have_their_place_and_their_exit_status():
    with Daemon(settings=QUIET) as d:
        d.start()
        _, said = sonde("query", "--server", d.url, "sum(rate(x[5m])", status=1)
        assert said.splitlines()[1:] == ["  sum(rate(x[5m])", "                 ^"], said
        said = sonde("query", "--data", d.data, "up", status=1)[1]
        assert "a daemon is using" in said, said
        for words in ((), ("up", "up"), ("up", "--output", "xml"), ("up", "--step", "1m"),
                      ("up", "--last", "1h", "--time", "5"), ("up", "--limit", "x"),
                      ("up", "--time", "yesterday"), ("up", "--last", "1h", "--start", "1")):
            sonde("query", "--server", d.url, *words, status=2)
        sonde("status", "--server", d.url)
        sonde("status", "--url=" + d.url)
        sonde("status", "--what", d.url, status=2)
        d.stop()
    sonde("query", "--server", d.url, "up", status=1)


def another_tenant_sees_its_own():
    with Daemon(settings=QUIET) as d:
        d.start()
        body = json.dumps({"name": "mine", "value": 7, "timestamp": BEGIN}).encode()
        d.get("/api/metrics", body, {"Content-Type": "application/json", "X-Scope-OrgID": "team"})
        ask = ("query", "--time", str(BEGIN), "mine")
        assert sonde(*ask, "--server", d.url, "--tenant", "team")[0].split()[-1] == "7"
        assert sonde(*ask, "--server", d.url) == ("", "no series\n")
        d.stop()
        assert sonde(*ask, "--data", d.data, "--tenant", "team")[0].split()[-1] == "7"


if __name__ == "__main__":
    run(globals())
