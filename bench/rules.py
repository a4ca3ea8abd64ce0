"""10,000 alert rules, each evaluated every 15 s: evaluated in time, and the share of two cores that
it takes, beside prometheus with the same rules over the same samples.

100 groups of 100 rules over 10,000 series (1,000 instances, 10 metrics, a sample each 15 s, ten
minutes of them at the start): a threshold on one series, a rate over 5 minutes, a ratio of two
series with `for`, and an average by data centre over 50 series. About one rule in a hundred fires.
"""
import http.client
import json
import os
import re
import time

from server import Prometheus  # also puts tests/e2e on the path
from _wire import headers, write_v1

GROUPS, RULES, INTERVAL_S = 100, 100, 15
INSTANCES, METRICS, CENTRES = 1000, 10, 20
CORES = 2


def expression(i):
    metric, instance = f"bench_{i % METRICS}", f"host-{i * 7 % INSTANCES}"
    one = f'{metric}{{instance="{instance}"}}'
    if i % 4 == 0:
        return f"{one} > {1e9 if i % 100 else 0}", ""
    if i % 4 == 1:
        return f"rate({one}[5m]) > 1000", ""
    if i % 4 == 2:
        other = f'bench_{(i + 1) % METRICS}{{instance="{instance}"}}'
        return f"{one} / ignoring(__name__) {other} > 1000", "5m"
    return f'avg by (dc) ({metric}{{dc="dc-{i % CENTRES}"}}) > 1e9', "1m"


def rule_file(path):
    groups = []
    for g in range(GROUPS):
        rules = []
        for r in range(RULES):
            expr, wait = expression(g * RULES + r)
            rule = {"alert": f"Bench{g}x{r}", "expr": expr, "labels": {"severity": "warning"},
                    "annotations": {"summary": "{{ $labels.instance }} is at {{ $value }}"}}
            if wait:
                rule["for"] = wait
            rules.append(rule)
        groups.append({"name": f"group-{g}", "interval": f"{INTERVAL_S}s", "rules": rules})
    with open(path, "w", encoding="ascii") as f:
        json.dump({"groups": groups}, f)
    return path


class RuledPrometheus(Prometheus):
    rules = ""

    def command(self):
        words = super().command()
        with open(os.path.join(self.folder, "prometheus.yml"), "w", encoding="ascii") as f:
            json.dump({"rule_files": [self.rules]}, f)
        return words


def samples(at_ms):
    step = at_ms // 1000
    return write_v1([({"__name__": f"bench_{m}", "instance": f"host-{i}", "job": "bench",
                       "dc": f"dc-{i % CENTRES}"}, [(at_ms, float(step % 100000 + i + m))])
                     for m in range(METRICS) for i in range(INSTANCES)])


def push(server, body):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        c.request("POST", server.write_path, body, headers())
        answer = c.getresponse()
        text = answer.read()
    finally:
        c.close()
    if answer.status // 100 != 2:
        raise RuntimeError(f"{server.name}: {answer.status} {text[:300]}")


def total(server, names):
    page = server.get("/metrics")[1].decode()
    return sum(float(v) for name in names
               for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.M))


EVALUATED = ("sonde_rule_evaluations_total", "prometheus_rule_evaluations_total")
FAILED = ("sonde_rule_evaluation_failures_total", "prometheus_rule_evaluation_failures_total")
MISSED = ("sonde_rule_group_iterations_missed_total",
          "prometheus_rule_group_iterations_missed_total")


def measure(server, seconds):
    """CPU seconds a second, rules a second, runs missed, rules failed, firing alerts."""
    server.start()
    now = time.time()
    for k in range(40, 0, -1):
        push(server, samples(int((now - k * INTERVAL_S) * 1000)))
    begun = time.time()
    time.sleep(2 * INTERVAL_S)  # every group has run and restored
    cpu, rules = server.cpu_s(), total(server, EVALUATED)
    since, missed = time.time(), total(server, MISSED)
    for _ in range(max(seconds // INTERVAL_S, 1)):
        body = samples(int(time.time() * 1000))
        push(server, body)
        time.sleep(INTERVAL_S - 0.5)
    wall = time.time() - since
    used = (server.cpu_s() - cpu) / wall
    done = (total(server, EVALUATED) - rules) / wall
    status, body = server.get("/api/v1/alerts")
    alerts = json.loads(body)["data"]["alerts"] if status == 200 else []
    found = {"cores": used, "rules_s": done, "missed": total(server, MISSED) - missed,
             "failed": total(server, FAILED), "firing": sum(a["state"] == "firing" for a in alerts),
             "settling_s": since - begun, "rss": server.memory()["rss"]}
    server.remove()
    return found


def rules(b):
    path = rule_file(os.path.join(b.folder, "rules.yml"))
    seconds = b.size(90, 30)
    ours = measure(b.sonde("--set", f"rules.files={path}"), seconds)
    b.say(f"sonde: {ours}")
    peer = b.peer(RuledPrometheus, "prometheus")
    theirs = None
    if peer is not None:
        peer.rules = path
        theirs = measure(peer, seconds)
        b.say(f"prometheus: {theirs}")
    share = ours["cores"] / CORES
    in_time = ours["missed"] == 0 and ours["failed"] == 0 and \
        ours["rules_s"] >= 0.98 * GROUPS * RULES / INTERVAL_S
    b.add("rules: 10,000 alert rules each 15 s, share of two cores, all in time",
          f"{share * 100:.1f} %, {ours['rules_s']:.0f} rules/s, {ours['missed']:.0f} runs missed",
          f"{theirs['cores'] / CORES * 100:.1f} %" if theirs else "",
          f"{theirs['cores'] / ours['cores']:.1f}x" if theirs else "", "50 %", "20 %",
          in_time and share <= 0.5, in_time and share <= 0.2, sonde=ours, prometheus=theirs)
