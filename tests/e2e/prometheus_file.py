#!/usr/bin/env python3
"""A prometheus.yml that sonde.toml names: what comes from it, reloads, and `sonde check`."""
# timeout: 180
import os
import shutil
import signal
import subprocess
import tempfile

from _daemon import SANITIZED, SONDE, Daemon, Skip, run, wait

RULES = "groups: [{name: g, rules: [{record: %s, expr: vector(%d)}]}]\n"
FILE = """\
global:
  evaluation_interval: 1s
  external_labels: {site: %(site)s}
rule_files: [%(rules)s]
alerting:
  alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]
"""


class Setup:
    """A daemon with a prometheus.yml and rules in folders."""

    def __init__(self, settings=(), **words):
        self.folder = tempfile.mkdtemp(prefix="sonde-prometheus-")
        self.path = self.put("conf/prometheus.yml", self.text(**words))
        self.put("conf/rules/a.yml", RULES % ("one", 1))
        self.daemon = Daemon(config="", settings=[f"prometheus.config_file={self.path}",
                                                  "collect.enabled=false", *settings])

    @staticmethod
    def text(site="here", rules="rules/*.yml"):
        return FILE % {"site": site, "rules": rules}

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def hup(self):
        self.daemon.process.send_signal(signal.SIGHUP)

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)


def config_of(d):
    return d.json("/api/v1/status/config")["data"]["yaml"]


def reload_went_well(d):
    text = d.get("/metrics")[1].decode()
    values = [l.split()[-1] for l in text.splitlines()
              if l.startswith("sonde_config_last_reload_successful")]
    info = d.json("/api/v1/status/runtimeinfo")["data"]["reloadConfigSuccess"]
    assert values == ["1" if info else "0"], (values, info)
    return info


def has(d, name, value):
    return [v for _, v in d.query(name)] == [value]


def rules_labels_and_intervals_come_from_the_file():
    with Setup() as s:
        d = s.daemon
        wait("the rule's series", lambda: has(d, "one", 1))
        yaml = config_of(d)
        assert "site: here" in yaml and "evaluation_interval: 1s" in yaml, yaml
        groups = d.json("/api/v1/rules")["data"]["groups"]
        assert [g["interval"] for g in groups] == [1], groups
        text = d.get("/federate?match[]=one")[1].decode()
        assert 'site="here"' in text, text
        known = d.json("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
        assert [m["url"] for m in known] == ["http://127.0.0.1:1/api/v2/alerts"], known


def rules_of_sonde_toml_are_there_as_well_and_go_first():
    with Setup(settings=["rules.evaluation_interval_ms=2000", "rules.external_labels=site=there"]) as s:
        more = s.put("more/b.yml", RULES % ("two", 2))
        s.daemon.write_config(f'[rules]\nfiles = ["{more}"]\n')
        s.hup()
        wait("both files' rules", lambda: has(s.daemon, "one", 1) and has(s.daemon, "two", 2))
        text = s.daemon.get("/federate?match[]=two")[1].decode()
        assert 'site="there"' in text, text
        groups = s.daemon.json("/api/v1/rules")["data"]["groups"]
        assert [g["interval"] for g in groups] == [2, 2], groups


def a_broken_file_keeps_the_daemon_from_starting_and_all_is_named():
    s = Setup()
    try:
        s.put("conf/prometheus.yml", "global: {scrape_interval: 1x}\nmore: 1\n"
              "scrape_configs: [{job_name: a}, {job_name: a}]\n")
        s.daemon.start(ready=False)
        assert s.daemon.exit() == 1
        said = s.daemon.said()
        for expected in (":1:27: not a valid duration string: \"1x\"",
                         ":2:1: field more not found in type config.plain",
                         ":3:44: found multiple scrape configs with job name \"a\""):
            assert s.path + expected in said, (expected, said)
    finally:
        s.__exit__()


def a_reload_takes_over_a_good_file_and_refuses_a_broken_one():
    with Setup(settings=["server.lifecycle=true"]) as s:
        d = s.daemon
        worker = d.worker()
        s.put("conf/prometheus.yml", s.text(site="moved"))
        s.hup()
        wait("the new label", lambda: "site: moved" in config_of(d))
        assert reload_went_well(d)
        s.put("conf/prometheus.yml", s.text(site="[broken"))
        status, body = d.get("/-/reload", data=b"")
        assert status == 500 and b"prometheus.yml:" in body, (status, body)
        assert not reload_went_well(d)
        assert "site: moved" in config_of(d)
        wait("the log says so", lambda: "the old configuration stays" in d.said())
        s.put("conf/prometheus.yml", s.text(site="again"))
        s.put("conf/rules/a.yml", RULES % ("three", 3))
        status, body = d.get("/-/reload", data=b"")
        assert status == 200, (status, body)
        assert reload_went_well(d)
        wait("the new rule", lambda: has(d, "three", 3))
        assert d.worker() == worker, "no new worker was needed"


def a_file_that_names_new_folders_gets_a_worker_that_may_open_them():
    if SANITIZED:
        raise Skip("the worker is not confined")
    with Setup() as s:
        d = s.daemon
        worker = d.worker()
        s.put("elsewhere/b.yml", RULES % ("four", 4))
        s.put("conf/prometheus.yml", s.text(rules="rules/*.yml, ../elsewhere/b.yml"))
        s.hup()
        wait("another worker", lambda: d.worker() not in (0, worker))
        wait("its rule", lambda: d.status("/readyz") == 200 and has(d, "four", 4))
        wait("the old rule", lambda: has(d, "one", 1))


def an_included_file_that_breaks_before_a_crash_is_left_out():
    with Setup() as s:
        d = s.daemon
        s.put("conf/more.yml", "scrape_configs: [{job_name: a}]\n")
        s.put("conf/prometheus.yml", "scrape_config_files: [more.yml]\n"
              "scrape_configs: [{job_name: own}]\n")
        s.hup()
        wait("both pools", lambda: d.json("/api/v1/scrape_pools")["data"]["scrapePools"] == ["a", "own"])
        s.put("conf/more.yml", "scrape_configs: [{}]\n")
        worker = d.worker()
        os.kill(worker, signal.SIGKILL)
        wait("another worker", lambda: d.worker() not in (0, worker) and d.status("/readyz") == 200)
        wait("the pool that is left",
             lambda: d.json("/api/v1/scrape_pools")["data"]["scrapePools"] == ["own"])
        assert "more.yml:1:18: job_name is empty" in d.said(), d.said()


SCRAPE = """\
global: {scrape_interval: 1s}
scrape_configs:
- job_name: self
  static_configs: [{targets: ['127.0.0.1:%d'], labels: {team: ours}}]
"""


def targets_are_scraped_as_the_file_says_and_end_with_it():
    with Setup() as s:
        d = s.daemon
        assert d.query("up") == []
        s.put("conf/prometheus.yml", SCRAPE % d.port)
        s.hup()
        wait("the daemon's own metrics", lambda: d.query('sonde_build_info{job="self"}'))
        labels, value = d.query("up")[0]
        assert value == 1 and labels["team"] == "ours", (labels, value)
        assert labels["instance"] == f"127.0.0.1:{d.port}", labels
        s.put("conf/prometheus.yml", s.text())
        s.hup()
        wait("its series end", lambda: d.query("up") == [])


def check(*words):
    p = subprocess.run([SONDE, "check", *words], capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def sonde_check_looks_at_the_file_and_at_all_that_it_names():
    s = Setup()
    try:
        status, out, err = check(s.path)
        assert status == 0 and "1 rule files" in out and "SUCCESS: 1 rules found" in out, (out, err)
        s.put("conf/rules/a.yml", RULES % ("one", 1) + "more: 1\n")
        status, out, err = check("prometheus", s.path)
        assert status == 1 and "a.yml:2:1: field more not found" in err, (out, err)
        s.put("conf/prometheus.yml", "scrape_configs: [{scrape_interval: 1s}]\n")
        status, out, err = check(s.path)
        assert status == 1 and s.path + ":1:18: job_name is empty" in err, (out, err)
        s.daemon.write_config(f'[prometheus]\nconfig_file = "{s.path}"\n')
        status, out, err = check(s.daemon.config)
        assert status == 1 and "job_name is empty" in err, (out, err)
    finally:
        s.__exit__()


if __name__ == "__main__":
    run(globals())
