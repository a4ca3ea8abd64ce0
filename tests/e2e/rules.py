#!/usr/bin/env python3
"""Recording and alerting rules: in the running daemon, beside prometheus 2.42, over a kill, after
reloads, over the past, and promtool's unit tests of them.
"""
# timeout: 240
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from _daemon import SONDE, Daemon, run, wait
from _peers import Peer, api, cases, fetch, key_of, needs
from _wire import headers, write_v1

QUIET = ["collect.enabled=false", "store.out_of_order_window_s=3200000000",
         "store.retention_s=3200000000"]


class Rules:
    """A daemon with rule files in a folder."""

    def __init__(self, files, settings=()):
        self.folder = tempfile.mkdtemp(prefix="sonde-rules-")
        for name, text in files.items():
            self.put(name, text)
        self.daemon = Daemon(config="", settings=[
            f"rules.files={self.folder}/*.yml", *QUIET, *settings])

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)


def write(urls, series):
    for url in urls:
        status, body = fetch(url + "/api/v1/write", write_v1(series), headers())
        assert status // 100 == 2, (url, status, body)


def alerts_of(d):
    return d.json("/api/v1/alerts")["data"]["alerts"]


def rules_of(d):
    return [r for g in d.json("/api/v1/rules")["data"]["groups"] for r in g["rules"]]


def in_e2e_folder(files):
    folder = tempfile.mkdtemp(prefix="sonde-unit-")
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    return folder


def test_rules(folder, *words):
    done = subprocess.run([SONDE, "test", "rules", *words], cwd=folder, capture_output=True,
                          text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


# ---- unit tests

RULES_OF_THE_TESTS = """
groups:
- name: base
  rules:
  - {record: 'job:test:count_over_time1m', expr: 'sum without(instance) (count_over_time(test[1m]))'}
  - {record: fixed_data, expr: 1}
  - {record: suquery_interval_test, expr: 'count_over_time(up[5m:])'}
- name: alerts
  rules:
  - alert: InstanceDown
    expr: up == 0
    for: 5m
    labels: {severity: page}
    annotations:
      summary: 'Instance {{ $labels.instance }} down'
      description: '{{ $labels.instance }} of job {{ $labels.job }} has been down for more than 5 minutes.'
  - {alert: AlwaysFiring, expr: 1}
"""
BAD_RULES = "groups: [{name: g, rules: [{record: bad, expr: '%s'}]}]"


def _promtools_folder():
    shared = cases("conformance/promtool/testdata")
    folder = in_e2e_folder({"rules.yml": RULES_OF_THE_TESTS,
                            "bad-rules-error.yml": BAD_RULES % "join_1 + on(a) join_2",
                            "bad-rules-syntax.yml": BAD_RULES % "sum(",
                            "negative-offset.yml": BAD_RULES % "requests offset -5m",
                            "rules_extrafields.yml":
                            "groups: [{name: g, owner: me, rules: [{record: r, expr: 1}]}]"})
    for name in os.listdir(shared):
        shutil.copy(os.path.join(shared, name), folder)
    return folder


def promtools_unit_tests_pass_and_fail_as_they_should():
    folder = _promtools_folder()
    try:
        for name in ("unittest", "long-period", "no-test-group-interval", "negative-offset-test"):
            status, out, err = test_rules(folder, name + ".yml")
            assert status == 0 and "SUCCESS" in out, (name, out, err)
        for name, said in (("bad-input-series", "bad labels"),
                           ("bad-rules-error-test", "many-to-many"),
                           ("bad-rules-syntax-test", "parse error"),
                           ("rules_run_no_fuzzy", "2.9999999999999996E+00"),
                           ("rules_run_extrafields", "owner")):
            status, out, err = test_rules(folder, name + ".yml")
            assert status == 1 and "FAILED" in err and said in err, (name, out, err)
        status, _, err = test_rules(folder, "rules_run_extrafields.yml", "--ignore-unknown-fields")
        assert status == 0, err
    finally:
        shutil.rmtree(folder)


def vmalerts_unit_test_in_promtools_words_passes():
    source = cases("conformance/rules/vmalert_tool_unittest/disable-group-label.yaml")
    rules = cases("conformance/rules/vmalert_tool_unittest/rules.yaml")
    with open(source, encoding="utf-8") as f:
        text = f.read()
    with open(rules, encoding="utf-8") as f:
        folder = in_e2e_folder({"as-it-is.yml": text, "rules.yaml": f.read(), "in-our-words.yml":
                                text.replace("metricsql_expr_test", "promql_expr_test")
                                # [5m:] has five steps of the evaluation interval here
                                .replace("value: 1", "value: 5")})
    try:
        status, _, err = test_rules(folder, "as-it-is.yml")
        assert status == 1 and "field metricsql_expr_test not found" in err, err
        status, out, err = test_rules(folder, "in-our-words.yml")
        assert status == 0, (out, err)
    finally:
        shutil.rmtree(folder)


UNIT_TEST = """
rule_files: ['*.rules']
evaluation_interval: 1m
fuzzy_compare: true
group_eval_order: [second, first]
tests:
- name: times begin where they are told to
  interval: 1m
  start_timestamp: 2021-01-01T00:00:00Z
  external_labels: {site: north}
  external_url: http://sonde.example
  input_series:
  - {series: 'up{job="a"}', values: '1 0x10'}
  - {series: 'h', values: '{{count:3 sum:5 buckets:[1 2]}}x10'}
  alert_rule_test:
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a, site: north}
      exp_annotations: {text: 'a is down at http://sonde.example: 0'}
  - {eval_time: 2m, alertname: Down, exp_alerts: []}
  promql_expr_test:
  - {expr: time(), eval_time: 30s, exp_samples: [{value: 1609459230}]}
  - {expr: chained, eval_time: 2m, exp_samples: [{labels: chained, value: 11}]}
  - {expr: doubled, eval_time: 1m,
     exp_samples: [{labels: doubled, histogram: '{{count:6 sum:10 counter_reset_hint:not_reset buckets:[2 4]}}'}]}
  - {expr: 0.1 + 0.2, eval_time: 0, exp_samples: [{value: 0.3}]}
- name: wrong on purpose
  input_series: [{series: up, values: '1 1'}]
  promql_expr_test:
  - {expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 2}]}
"""
UNIT_RULES = """
groups:
- name: first
  rules: [{record: chained, expr: one + 10}]
- name: second
  rules:
  - {record: one, expr: vector(1)}
  - {record: doubled, expr: h * 2}
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {site: '{{ $externalLabels.site }}'}
    annotations: {text: '{{ $labels.job }} is down at {{ $externalURL }}: {{ $value }}'}
"""


def a_unit_test_file_of_every_kind_of_line_is_run():
    folder = in_e2e_folder({"t.yml": UNIT_TEST, "r.rules": UNIT_RULES})
    try:
        status, out, err = test_rules(folder, "t.yml", "--run", "^times", "--junit", "j.xml")
        assert status == 0 and "SUCCESS" in out, (out, err)
        with open(os.path.join(folder, "j.xml"), encoding="utf-8") as f:
            xml = f.read()
        assert 'testcase name="times begin' in xml and "<failure>" not in xml, xml
        status, out, err = test_rules(folder, "t.yml", "--junit", "j.xml")
        assert status == 1, (out, err)
        assert 'expr: "up", time: 1m,\n        exp: {__name__="up"} 2E+00\n' in err, err
        with open(os.path.join(folder, "j.xml"), encoding="utf-8") as f:
            assert f.read().count("<failure>") == 1
        assert test_rules(folder, "none.yml")[0] == 1
        assert test_rules(folder)[0] == 2
    finally:
        shutil.rmtree(folder)


WORDS_RULES = """
groups:
- name: first
  rules:
  - {record: chained, expr: one + 10}
  - {record: 'job:up:sum', expr: 'sum by (job) (up)', labels: {x: y}}
- name: second
  rules:
  - {record: one, expr: vector(1)}
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {site: '{{ $externalLabels.site }}', sev: 'p{{ $value }}'}
    annotations: {text: '{{ $labels.job }} is down at {{ $externalURL }}: {{ $value | humanize }}'}
  - {alert: Twice, expr: up == 1}
- name: third
  rules: [{alert: Twice, expr: x == 2}]
"""
WORDS_TEST = """
rule_files: [r.yml]
group_eval_order: [second, first]
tests:
- name: one
  interval: 30s
  external_labels: {site: north}
  external_url: http://sonde.example
  input_series:
  - {series: 'up{job="a"}', values: '1 0x10'}
  - {series: 'up{job="b"}', values: '1x3 stale 0x3 _x3 1'}
  - {series: 'x', values: '1+1x20'}
  alert_rule_test:
  - {eval_time: 4m, alertname: Down, exp_alerts: []}
  - eval_time: 3m30s
    alertname: Twice
    exp_alerts: [{exp_labels: {job: a}}, {exp_labels: {job: z}, exp_annotations: {a: b}}]
  - {eval_time: 1m, alertname: Nope, exp_alerts: [{}]}
  promql_expr_test:
  - {expr: 'x', eval_time: 2m45s, exp_samples: [{labels: x, value: 12}]}
  - {expr: 'chained', eval_time: 4m, exp_samples: [{labels: 'chained{a="b"}', value: 1e300}]}
  - {expr: 'ALERTS', eval_time: 4m, exp_samples: [{labels: 'foo', value: 1}]}
  - {expr: 'ALERTS_FOR_STATE', eval_time: 4m}
  - {expr: '{__name__=~"job.*"}', eval_time: 4m}
  - {expr: 'sum(', eval_time: 1h}
  - {expr: 'up[1m]', eval_time: 1m}
  - {expr: '1 / 0 * vector(-1)', eval_time: 1m}
  - {expr: 'vector(123456789.25)', eval_time: 1m}
- input_series: [{series: 'up', values: '0x100'}]
  alert_rule_test: [{eval_time: 1h30m, alertname: Twice}]
"""


def faults_are_told_in_promtools_words():
    promtool = needs("promtool")
    folder = in_e2e_folder({"t.yml": WORDS_TEST, "r.yml": WORDS_RULES})
    try:
        theirs = subprocess.run([promtool, "test", "rules", "t.yml"], cwd=folder, text=True,
                                capture_output=True, timeout=60)
        status, out, err = test_rules(folder, "t.yml")
        assert status == theirs.returncode == 1
        assert err.rstrip() == theirs.stderr.rstrip(), (err, theirs.stderr)
        assert out.split() == theirs.stdout.split(), (out, theirs.stdout)
    finally:
        shutil.rmtree(folder)


# ---- the daemon

def external_labels_go_with_what_others_read():
    rules = ("groups: [{name: g, interval: 1s, rules: [{alert: A, expr: 'vector(1)', annotations: "
             "{text: '{{ $externalLabels.site }} {{ $externalURL }}'}}]}]")
    with Rules({"r.yml": rules}, ["rules.external_labels=site=north,zone=a",
                                  "rules.external_url=https://sonde.example/x/"]) as r:
        d = r.daemon
        alert, = wait("the alert", lambda: alerts_of(d))
        assert alert["annotations"] == {"text": "north https://sonde.example/x"}, alert
        now = int(time.time() * 1000)
        write([d.url], [({"__name__": "m", "zone": "own"}, [(now, 1.0)]),
                        ({"__name__": "m"}, [(now, 2.0)])])
        page = d.get("/federate?match%5B%5D=m")[1].decode()
        shown = {frozenset(line[2:line.index("}")].split(",")): line.split()[1]
                 for line in page.splitlines() if line.startswith("m{")}
        assert shown == {frozenset(('zone="own"', 'site="north"', 'instance=""')): "1",
                         frozenset(('zone="a"', 'site="north"', 'instance=""')): "2"}, page
        config = {"remote_read": [{"url": d.url + "/api/v1/read", "read_recent": True}]}
        reader = Peer("prometheus", "/-/ready",
                      ["--config.file={dir}/prometheus.yml", "--storage.tsdb.path={dir}/data",
                       "--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
                      [("prometheus.yml", json.dumps(config))])
        with reader as p:
            got = {key_of(s["metric"]): s["value"][1] for s in
                   api(p.url, "query", query='m{site="north"}')["result"]}
        assert got == {(("__name__", "m"), ("site", "north"), ("zone", "own")): "1",
                       (("__name__", "m"), ("site", "north"), ("zone", "a")): "2"}, got


def the_node_exporters_rules_run_over_this_host():
    alerts = cases("conformance/rules/mixins/node-exporter/alerts.yaml")
    with open(alerts, encoding="utf-8") as f:
        text = f.read()
    own = ("groups: [{name: own, interval: 1s, rules: [{record: 'instance:load1:max', "
           "expr: 'max by (instance) (node_load1)'}]}]")
    with Rules({"alerts.yml": text, "own.yml": own},
               ["collect.enabled=true", "rules.evaluation_interval_ms=1000"]) as r:
        wait("all rules ran", lambda: all(x["health"] == "ok" for x in rules_of(r.daemon)))
        assert len(rules_of(r.daemon)) > 15
        (labels, value), = wait("recorded", lambda: r.daemon.query("instance:load1:max"))
        (_, load), = r.daemon.query("node_load1")
        assert set(labels) == {"__name__", "instance"} and abs(value - load) < 5, (labels, value)
        metrics = r.daemon.get("/metrics")[1].decode()
        own = f'sonde_rule_group_rules{{rule_group="{r.folder}/own.yml;own"}} 1'
        assert own in metrics, metrics[:3000]


def every_rule_file_of_the_field_runs_without_a_fault():
    source = cases("conformance/rules")
    files = {}
    for folder, _, names in sorted(os.walk(source)):
        # Resources of Kubernetes, and tests of another dialect.
        if "kube-prometheus" in folder or "vmalert_t" in folder:
            continue
        for name in sorted(names):
            if name.endswith((".yml", ".yaml")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    files[f"{len(files)}.yml"] = f.read()
    assert len(files) > 150, len(files)
    with Rules(files, ["collect.enabled=true", "rules.evaluation_interval_ms=3000"]) as r:
        d = r.daemon

        def still_to_run():
            return [x for g in d.json("/api/v1/rules")["data"]["groups"] for x in g["rules"]
                    if g["interval"] == 3 and x["health"] == "unknown"]
        wait("all ran", lambda: not still_to_run())
        rules = rules_of(d)
        assert len(rules) > 1200 and not [x for x in rules if x["health"] == "err"], rules
        assert d.json("/health")["checks"]["rules:failing"][0]["observedValue"] == 0


PAIR_RULES = """
groups:
- name: g
  interval: 1s
  rules:
  - {record: 'job:x:sum', expr: 'sum by (job) (x)', labels: {team: blue}}
  - {record: 'job:x:twice', expr: '2 * job:x:sum'}
  - {record: high, expr: 'x > 5'}
  - {alert: High, expr: 'x > 5', for: 3s, labels: {severity: page},
     annotations: {text: '{{ $labels.i }} is {{ $value }}'}}
  - {alert: Kept, expr: 'x > 5', keep_firing_for: 4s}
  - {alert: AtOnce, expr: 'sum(x) > 3'}
"""


def _feed(urls, until, begin):
    """x{i=0..2}: one constantly high, one high from 6 s to 14 s, one low."""
    while time.time() < until:
        now, rows = time.time(), []
        for i in range(3):
            high = i == 0 or (i == 1 and 6 <= now - begin < 14)
            rows.append(({"__name__": "x", "job": "j", "i": str(i)},
                         [(int(now * 1000), 7.0 + i if high else 1.0)]))
        write(urls, rows)
        time.sleep(0.5)


def _periods(url, selector, end):
    """{labels: (first, last, values)} of the series; times of their samples in the last minute."""
    return {key_of(s["metric"]): [(t, v) for t, v in s["values"]]
            for s in api(url, "query", query=selector + "[1m]", time=f"{end:.3f}")["result"]}


def _compare(one, other, what):
    """The same series, the same values, for the same time to 2.5 s."""
    assert set(one) == set(other), (what, set(one) ^ set(other))
    for key, a in one.items():
        b = other[key]
        assert {v for _, v in a} == {v for _, v in b}, (what, key, a, b)
        for end in (0, -1):
            assert abs(a[end][0] - b[end][0]) < 2.5, (what, key, a[end], b[end])


def alerts_and_series_are_those_of_prometheus():
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": ["rules.yml"]}
    reference = Peer("prometheus", "/-/ready",
                     ["--config.file={dir}/prometheus.yml", "--storage.tsdb.path={dir}/data",
                      "--web.listen-address=127.0.0.1:{port}",
                      "--web.enable-remote-write-receiver", "--log.level=warn"],
                     [("prometheus.yml", json.dumps(config)), ("rules.yml", PAIR_RULES)])
    with reference as p, Rules({"rules.yml": PAIR_RULES}) as r:
        urls = [p.url, r.daemon.url]
        begin = time.time()
        feeder = threading.Thread(target=_feed, args=(urls, begin + 24, begin))
        feeder.start()
        feeder.join()
        end = time.time() - 1
        for selector in ("ALERTS", '{__name__=~"job:x:.*|high"}'):
            one, other = (_periods(u, selector, end) for u in urls)
            assert one, selector
            _compare(one, other, selector)
        alerts = [{(a["labels"]["alertname"], a["labels"].get("i"), a["state"],
                    a["annotations"].get("text")) for a in api(u, "alerts")["alerts"]}
                  for u in urls]
        assert alerts[0] == alerts[1] and len(alerts[0]) == 3, alerts
        shown = [{x["name"]: (x["type"], x.get("state"), x["query"], x["health"],
                              x.get("duration"), x.get("keepFiringFor"))
                  for g in api(u, "rules")["groups"] for x in g["rules"]} for u in urls]
        assert shown[0] == shown[1], shown


def a_kill_while_an_alert_pends_loses_no_time():
    rules = ("groups: [{name: g, interval: 1s, rules: [{alert: Slow, expr: 'vector(1)', for: 14s},"
             " {alert: Short, expr: 'vector(1)', for: 2s}]}]")
    with Rules({"r.yml": rules}, ["rules.for_grace_period_ms=3000"]) as r:
        d = r.daemon
        wait("both", lambda: len(alerts_of(d)) == 2)
        time.sleep(6)
        worker = d.worker()
        os.kill(d.process.pid, signal.SIGKILL)
        d.process.wait()
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            pass
        down = time.time()
        time.sleep(4)
        d.start()

        def slow():
            found = [a for a in alerts_of(d) if a["labels"]["alertname"] == "Slow"]
            return found[0] if found else None
        wait("firing again", lambda: slow() and slow()["state"] == "firing", 30)
        fired = time.time()
        # 7 or 8 of 14 s had passed; the time of the outage counts as well.
        assert 5 <= fired - down <= 12, fired - down
        states = d.json("/api/v1/query?query=ALERTS%5B1m%5D")["data"]["result"]
        firing = [s for s in states if s["metric"].get("alertname") == "Slow" and
                  s["metric"]["alertstate"] == "firing"]
        pending = [s for s in states if s["metric"].get("alertname") == "Slow" and
                   s["metric"]["alertstate"] == "pending"]
        assert len(firing) == 1 and len(pending) == 1, states
        assert any("firing" in line and "Slow" in line for line in d.errors), d.said()


def a_reload_takes_new_files_and_refuses_bad_ones():
    one = "groups: [{name: one, interval: 1s, rules: [{record: one, expr: 1}]}]"
    two = "groups: [{name: two, interval: 1s, rules: [{record: two, expr: 2}]}]"
    with Rules({"one.yml": one}) as r:
        d = r.daemon
        wait("one", lambda: d.query("one"))
        r.put("two.yml", two)
        d.process.send_signal(signal.SIGHUP)
        wait("two", lambda: d.query("two"))
        r.put("bad.yml", "groups: [{name: bad, rules: [{record: x, expr: 'sum('}]}]")
        d.process.send_signal(signal.SIGHUP)
        health = wait("told", lambda: [c for c in d.json("/health")["checks"]["rules:failing"]
                                       if "bad.yml" in c.get("output", "")])
        assert health[0]["status"] == "warn", health
        assert d.query("two") and len(rules_of(d)) == 2
        os.remove(os.path.join(r.folder, "bad.yml"))
        os.remove(os.path.join(r.folder, "two.yml"))
        d.process.send_signal(signal.SIGHUP)
        wait("ended by a marker", lambda: not d.query("two"))
        assert d.query("one")
        assert d.json("/health")["checks"]["rules:failing"][0]["status"] == "pass"


def who_asks_for_a_reload_hears_of_bad_rules():
    one = "groups: [{name: one, interval: 1s, rules: [{record: one, expr: 1}]}]"
    with Rules({"one.yml": one}, ["server.lifecycle=true"]) as r:
        assert r.daemon.get("/-/reload", b"")[0] == 200
        r.put("bad.yml", "groups: [{name: bad, rules: [{record: x, expr: 'sum('}]}]")
        status, body = r.daemon.get("/-/reload", b"")
        assert status == 500 and b"bad.yml:1:" in body, (status, body)
        os.remove(os.path.join(r.folder, "bad.yml"))
        assert r.daemon.get("/-/reload", b"")[0] == 200


def a_bad_file_at_the_start_leaves_the_daemon_and_the_good_rules():
    one = "groups: [{name: one, interval: 1s, rules: [{record: one, expr: 1}]}]"
    with Rules({"one.yml": one, "bad.yml": "groups: 7"}) as r:
        wait("one", lambda: r.daemon.query("one"))
        check = wait("told", lambda: r.daemon.json("/health")["checks"].get("rules:failing"))
        wait("told", lambda: "bad.yml" in r.daemon.json("/health")["checks"]["rules:failing"][0]
             .get("output", ""))
        assert check and any("bad.yml" in line for line in r.daemon.errors), r.daemon.said()


# ---- the past

PAST_RULES = """
groups:
- name: past
  interval: 30s
  rules:
  - {record: 'x:sum', expr: 'sum(x)'}
  - {record: 'x:sum:twice', expr: '2 * x:sum', labels: {kind: second}}
  - {record: 'x:late', expr: 'x > 100'}
"""


def _past(url, start, hours=3):
    rows = []
    for i in range(3):
        rows.append(({"__name__": "x", "i": str(i)},
                     [(int((start + k * 15) * 1000), float(k % 400) * (i + 1))
                      for k in range(hours * 240)]))
    write([url], rows)


def _backfill(*words):
    return subprocess.run([SONDE, "rules", "backfill", *words], capture_output=True, text=True,
                          timeout=100)


def _check_past(d, start, end):
    got = api(d.url, "query", query="x:sum[3h]", time=end)["result"][0]["values"]
    assert len(got) > 300, len(got)
    exact = {t: float(v) for t, v in got}
    offset = got[0][0] % 30
    first = start + 600 - (start + 600) % 30 + offset
    want = api(d.url, "query_range", query="sum(x)", start=first, end=end - 600,
               step=30)["result"][0]["values"]
    assert all(math.isclose(exact[t], float(v)) for t, v in want), (want[:3], got[:3])
    (labels, value), = d.query(f"count_over_time(x:sum:twice[3h] @ {end})")
    assert labels == {"kind": "second"} and value == len(got), (labels, value, len(got))
    late = api(d.url, "query_range", query='x:late{i="0"}', start=first, end=end - 600,
               step=30)["result"][0]["values"]
    plain = api(d.url, "query_range", query='x{i="0"} > 100', start=first, end=end - 600,
                step=30)["result"][0]["values"]
    assert late == plain, (len(late), len(plain))
    return sorted(got)


def rules_are_backfilled_into_a_daemon_and_into_its_directory():
    start = int(time.time()) // 60 * 60 - 86400
    end = start + 3 * 3600
    with Rules({}) as r:
        d = r.daemon
        path = r.put("past.yaml", PAST_RULES)
        _past(d.url, start)
        words = ["--start", str(start), "--end", str(end), path]
        first = _backfill(*words, "--server", d.url)
        assert first.returncode == 0 and "samples written" in first.stdout, first
        online = _check_past(d, start, end)
        again = _backfill(*words, "--server", d.url)
        assert again.stdout == first.stdout, (first, again)
        assert _check_past(d, start, end) == online
        d.stop()
        offline = _backfill(*words, "--data", d.data)
        assert offline.returncode == 0, offline
        assert offline.stdout == first.stdout, (first, offline)
        d.start()
        assert _check_past(d, start, end) == online


def a_backfill_without_a_daemon_writes_native_histograms_too():
    start = int(time.time()) // 60 * 60 - 7200
    rules = "groups: [{name: h, interval: 1m, rules: [{record: h2, expr: 'h * 2'}]}]"
    with Rules({}) as r:
        d = r.daemon
        path = r.put("h.yaml", rules)
        h = {"count": 3, "sum": 4.5, "schema": 0, "positive": {0: 1, 1: 2}}
        write([d.url], [({"__name__": "h"}, [((start + k * 30) * 1000, h) for k in range(100)])])
        words = ["--start", str(start), "--end", str(start + 3000), path]
        refused = _backfill(*words, "--server", d.url)
        assert refused.returncode == 1 and "native histograms" in refused.stderr, refused
        d.stop()
        done = _backfill(*words, "--data", d.data)
        assert done.returncode == 0, done
        d.start()
        result = api(d.url, "query", query="histogram_count(h2)", time=start + 1800)["result"]
        assert [r["value"][1] for r in result] == ["6"], result


def the_command_line_of_a_backfill_is_checked():
    folder = in_e2e_folder({"r.yml": "groups: [{name: g, rules: [{record: r, expr: 1}]}]"})
    try:
        path = os.path.join(folder, "r.yml")
        assert _backfill(path).returncode == 2
        assert _backfill("--start", "10", "--end", "5", path).returncode == 2
        assert _backfill("--start", "1", "--interval", "x", path).returncode == 2
        done = _backfill("--start", "1", "--end", "2000", path, "--server", "http://127.0.0.1:9")
        assert done.returncode == 1 and "127.0.0.1:9" in done.stderr, done
    finally:
        shutil.rmtree(folder)


run(globals())
