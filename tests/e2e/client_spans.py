#!/usr/bin/env python3
"""The examples of spans and logs do what they say: headers in and out, levels, callbacks, masking."""
import json
import os
import subprocess
import tempfile

from _daemon import run

BUILD = os.path.dirname(os.path.abspath(os.environ.get("SONDE", "build/sonde")))
TRACE = "0af7651916cd43dd8448eb211c80319c"


def program(name):
    with tempfile.TemporaryDirectory() as spool:
        env = dict(os.environ, SONDE_SOCKET="none", SONDE_SPOOL_DIR=spool)
        done = subprocess.run([os.path.join(BUILD, name)], env=env, capture_output=True, text=True,
                              timeout=30, check=False)
    assert done.returncode == 0 and done.stderr == "", (name, done.returncode, done.stderr)
    return done.stdout.splitlines()


def header(lines, name):
    return [line.split(": ", 1)[1] for line in lines if line.startswith(name + ": ")]


def a_trace_goes_on_through_the_example_of_spans():
    lines = program("example-spans")
    assert [x for x in lines if x.startswith("status")] == ["status 200", "status 502"], lines
    parents = header(lines, "traceparent")
    assert len(parents) == 2 and parents[0].split("-")[1] == TRACE, parents
    assert parents[0].split("-")[2] != "b7ad6b7169203331" and parents[0].endswith("-01"), parents
    assert parents[1].split("-")[1] != TRACE and parents[1].endswith("-03"), parents
    assert header(lines, "tracestate") == ["shop=1", "ot=th:0"], lines
    assert header(lines, "baggage") == ["user=Ann%20Lee"], lines
    answers = [json.loads(x) for x in lines if x.startswith("{")]
    (first,), (second,) = (a["spans"] for a in answers)
    assert first["parent_id"] == "b7ad6b7169203331" and first["kind"] == "server", first
    assert first["attributes"] == {"url.path": "/cart", "enduser.name": "Ann Lee",
                                   "http.response.status_code": 200}, first
    assert first["events"] == 1 and "parent_id" not in second, second


def the_example_of_logs_masks_levels_and_hears():
    lines = program("example-logs")
    assert lines[:4] == ["heard: queue: 17 mails wait", "heard: smtp: ann@example.org was refused",
                         "heard: queue: now this is let through", "own: the disk is full"], lines
    crumbs = json.loads(lines[-1])["breadcrumbs"]
    said = [(c["category"], c["level"], c["message"]) for c in crumbs]
    assert said == [("queue", "info", "17 mails wait"), ("smtp", "warning", "[email] was refused"),
                    ("ui", "info", "clicked"), ("own", "error", "the disk is full")], said
    assert crumbs[1]["data"] == {"size": 20480, "password": "[filtered]"}, crumbs[1]


run(globals())
