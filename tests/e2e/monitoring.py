#!/usr/bin/env python3
"""The files of docs/monitoring: each is loaded by the tool that it is for, where that is here, and
every panel of the dashboards has data of the running daemon."""
# timeout: 120
import glob
import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse

import yaml

from _daemon import ROOT, SONDE, Daemon, Skip, run, wait

FOLDER = os.path.join(ROOT, "docs", "monitoring")
PATTERNS = (r"\$__rate_interval", "1m"), (r"\$__interval", "15s")


def path(name):
    return os.path.join(FOLDER, name)


def promtool_and_sonde_take_rules_and_configuration():
    for argv in ([SONDE, "check", "rules", path("rules.yml")],
                 [SONDE, "check", "prometheus", path("prometheus.yml")]):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
    if not shutil.which("promtool"):
        raise Skip("no promtool")
    for argv in (["rules", path("rules.yml")], ["config", path("prometheus.yml")]):
        done = subprocess.run(["promtool", "check", *argv], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done


def compose_takes_its_file():
    with open(path("docker-compose.yml"), encoding="utf-8") as f:
        file = yaml.safe_load(f)
    named = set(file["volumes"])
    for name, service in file["services"].items():
        assert "image" in service or "build" in service, name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            there = source in named or os.path.exists(os.path.join(FOLDER, source))
            assert there, (name, source)
    assert os.path.exists(os.path.join(FOLDER, file["services"]["sonde"]["build"]["context"],
                                       file["services"]["sonde"]["build"]["dockerfile"]))
    compose = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, timeout=30).returncode == 0
    if not compose:
        raise Skip("no docker compose; its file was read as YAML, and what it names is there")
    done = subprocess.run(["docker", "compose", "-f", path("docker-compose.yml"), "config", "-q"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done


def names(expr):
    """The metrics that an expression names: without strings, matchers, ranges, lists of labels,
    functions, words and numbers."""
    expr = re.sub(r'"(?:[^"\\\\]|\\\\.)*"', "", expr)
    expr = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", expr)
    expr = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expr)
    return {w for w in re.findall(r"(?<![\w.$:])[A-Za-z_:][\w:]*(?!\w*\s*\()", expr)
            if w not in ("and", "or", "unless", "bool", "offset", "NaN", "Inf", "inf", "nan")}


def names_of_the_source(source):
    """What the daemon may say of itself, also that which comes with a feature alone."""
    found = set()
    for folder, _, files in os.walk(source):
        for file in files:
            if file.endswith((".c", ".h")) and not file.endswith(("_test.c", "_testbed.h")):
                with open(os.path.join(folder, file), encoding="utf-8") as f:
                    found.update(re.findall(r'"(sonde_\w+)"', f.read()))
    return found


def unknown(expr, known):
    """Names that are neither a metric nor a series of a histogram or summary."""
    return [n for n in sorted(names(expr))
            if n not in known and re.sub("_(bucket|sum|count)$", "", n) not in known]


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions():
    for file in sorted(glob.glob(path("grafana/*.json"))):
        with open(file, encoding="utf-8") as f:
            dashboard = json.load(f)
        assert dashboard["uid"] and dashboard["title"] and dashboard["schemaVersion"] >= 36, file
        ids = [p["id"] for p in panels(dashboard)]
        assert len(ids) == len(set(ids)), file
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield os.path.basename(file), panel["title"], target["expr"]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield os.path.basename(file), "$" + variable["name"], variable["query"]["query"]


def no_panel_of_the_dashboards_is_empty():
    with Daemon(config=f'[rules]\nfiles = ["{path("rules.yml")}"]\nevaluation_interval_ms = 1000\n'
                ) as d:
        d.start()
        assert d.get("/api/checkin/job/start")[0] == 200
        assert d.get("/api/checkin/job/0")[0] == 200
        wait("the host's series", lambda: d.query("node_load1"))
        instance = d.query("node_load1")[0][0]["instance"]

        def ask(expr):
            for pattern, text in PATTERNS:
                expr = re.sub(pattern, text, expr)
            expr = expr.replace("$instance", instance)
            values = re.fullmatch(r"label_values\((\w+), (\w+)\)", expr)
            if values:
                expr = f"count by ({values[2]}) ({values[1]})"
            now = time.time()
            answer = d.json("/api/v1/query_range?" + urllib.parse.urlencode(
                {"query": expr, "start": now - 60, "end": now, "step": 5}))
            assert answer["status"] == "success", (expr, answer)
            return any(v[1] != "NaN" for r in answer["data"]["result"] for v in r["values"])

        asked = list(expressions())
        assert len(asked) > 40, len(asked)
        empty = []

        def all_there():
            empty[:] = [e for e in asked if not ask(e[2])]
            return not empty
        try:
            wait("every panel", all_there, 40)
        except AssertionError as e:
            raise AssertionError(f"without data: {empty}") from e

        # "or vector(0)" and a rule that does not fire would hide a metric that is nowhere
        known = set(d.json("/api/v1/label/__name__/values")["data"])
        known |= names_of_the_source(os.path.join(ROOT, "src"))
        known.add("up")  # of targets: this daemon has none
        assert unknown("rate(sonde_nowhere_total{a='b'}[1m]) or vector(0)", known) == \
            ["sonde_nowhere_total"]
        with open(path("rules.yml"), encoding="utf-8") as f:
            rules = [r for g in yaml.safe_load(f)["groups"] for r in g["rules"]]
        said = [(file, title, re.sub(r"label_values\((\w+),.*", r"\1", expr))
                for file, title, expr in asked]
        said += [("rules.yml", r.get("alert", r.get("record")), r["expr"]) for r in rules]
        strange = [(file, title, n) for file, title, expr in said for n in unknown(expr, known)]
        assert not strange, strange
        assert sum(bool(names(expr)) for _, _, expr in said) > 50, said


def the_rules_run_and_only_the_watchdog_fires_on_a_machine_that_is_well():
    with Daemon(config=f'[rules]\nfiles = ["{path("rules.yml")}"]\nevaluation_interval_ms = 1000\n'
                ) as d:
        d.start()
        wait("the watchdog", lambda: d.query('ALERTS{alertname="Watchdog",alertstate="firing"}'))
        groups = d.json("/api/v1/rules")["data"]["groups"]
        rules = [r for g in groups for r in g["rules"]]
        wait("all evaluated", lambda: all(
            r["health"] == "ok" for g in d.json("/api/v1/rules")["data"]["groups"]
            for r in g["rules"]))
        assert len(rules) == 17, len(rules)
        own = [a for a, _ in d.query('ALERTS{alertstate="firing",alertname=~"Sonde.*"}')]
        assert not own, own


run(globals())
