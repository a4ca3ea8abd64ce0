"""Rows about queries: the list q01 to q20 on W1 and on the histograms of a service, Sonde,
VictoriaMetrics and Prometheus beside each other, caches of results off."""
import json
import math
import socket
import time
import urllib.parse

from bench import median
from ingest import filled

# EACH_NAME: an instant query of each metric name, one after another; Prometheus's rules refuse q10
# over all names at once, as series of two names would get the same labels.
RANGE, INSTANT, LABEL, EACH_NAME, SERIES = "range", "instant", "label", "each name", "series"
# Name, kind, query, seconds back from the end, step.
QUERIES = [
    ("q01", RANGE, 'node_load1{instance="host-00042:9100"}', 7200, 15),
    ("q02", RANGE, 'rate(node_cpu_seconds_total{instance="host-00042:9100"}[5m])', 3600, 15),
    ("q03", RANGE, 'sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))', 3600, 15),
    ("q04", RANGE, 'sum(rate(node_cpu_seconds_total[5m]))', 7200, 60),
    ("q05", INSTANT, 'topk(10, avg_over_time(node_load1[1h]))', 0, 0),
    ("q06", RANGE, '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', 7200, 60),
    ("q07", RANGE, 'sum by (device) (rate(node_disk_read_bytes_total{instance=~"host-000.*"}[5m]))',
     3600, 15),
    ("q08", RANGE, 'quantile(0.95, rate(node_network_receive_bytes_total[5m]))', 3600, 30),
    ("q09", INSTANT, 'max_over_time(node_memory_MemAvailable_bytes[1h])', 0, 0),
    ("q10", EACH_NAME, 'sum(count_over_time({name}{{job="node_exporter"}}[2h]))', 0, 0),
    ("q11", INSTANT, 'count by (__name__) ({job="node_exporter"})', 0, 0),
    ("q12", INSTANT, 'max_over_time(sum(rate(node_cpu_seconds_total{mode="user"}[5m]))[1h:1m])', 0, 0),
    ("q13", RANGE, 'node_memory_MemFree_bytes', 7200, 15),
    ("q14", LABEL, 'instance', 0, 0),
    ("q15", SERIES, '{instance=~"host-000.*"}', 0, 0),
    ("q16", INSTANT, 'sum by (instance) (increase(node_network_transmit_bytes_total[1h]))', 0, 0),
    ("q17", RANGE, 'histogram_quantile(0.99, sum by (le) '
     '(rate(http_request_duration_seconds_bucket[5m])))', 3600, 15),
    ("q18", RANGE, 'node_filesystem_avail_bytes / on(instance,device,mountpoint) '
     'node_filesystem_size_bytes < 0.1', 3600, 60),
    ("q19", INSTANT, 'predict_linear(node_filesystem_avail_bytes[6h], 86400)', 0, 0),
    ("q20", INSTANT, 'absent(up{job="x"})', 0, 0),
]
# MetricsQL's rate() and increase() differ by design, and so do its windows' edges: beside
# VictoriaMetrics the values of these only are compared, of the others which series there are. Beside
# Prometheus all are.
SAME = {"q01", "q06", "q11", "q13", "q14", "q15", "q18", "q20"}
BATCHES = 3
ROUTES, SERVICE_HOSTS = 8, 100  # 112 series a host
SLICES = 4  # Prometheus takes no sample older than an hour before its newest


class Client:
    """One connection, kept, that does no more than it must, so that it costs all servers little."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.socket.close()

    def receive(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data

    def get(self, path):
        """Status and body; the body of chunks is joined outside of what is measured by whole()."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = self.receive()
        while b"\r\n\r\n" not in head:
            head += self.receive()
        head, rest = head.split(b"\r\n\r\n", 1)
        names, pieces, n = head.lower(), [rest], len(rest)
        at = names.find(b"content-length:")
        if at >= 0:
            wanted = int(names[at + 15:].split(b"\r\n", 1)[0])
            while n < wanted:
                pieces.append(self.receive())
                n += len(pieces[-1])
            return int(head[9:12]), pieces, False
        while not b"".join(pieces[-2:]).endswith(b"0\r\n\r\n"):
            pieces.append(self.receive())
        return int(head[9:12]), pieces, True


def whole(pieces, chunked):
    raw, at, parts = b"".join(pieces), 0, []
    if not chunked:
        return raw
    while True:
        end = raw.index(b"\r\n", at)
        n = int(raw[at:end], 16)
        if n == 0:
            return b"".join(parts)
        parts.append(raw[end + 2:end + 2 + n])
        at = end + n + 4


def path_of(kind, query, back_s, step_s, made):
    end = int(made["end_s"] - 30)
    if kind == LABEL:
        return f"/api/v1/label/{query}/values?" + urllib.parse.urlencode(
            {"start": int(made["start_s"]), "end": end})
    if kind == SERIES:
        return "/api/v1/series?" + urllib.parse.urlencode(
            {"match[]": query, "start": int(made["start_s"]), "end": end})
    how = {"query": query, "nocache": 1}
    if kind == RANGE:
        return "/api/v1/query_range?" + urllib.parse.urlencode(
            {**how, "start": end - back_s, "end": end, "step": step_s})
    return "/api/v1/query?" + urllib.parse.urlencode({**how, "time": end})


def paths_of(server, kind, query, back_s, step_s, made):
    if kind != EACH_NAME:
        return [path_of(kind, query, back_s, step_s, made)]
    _, text = server.get("/api/v1/label/__name__/values?" + urllib.parse.urlencode(
        {"start": int(made["start_s"]), "end": int(made["end_s"])}))
    names = [n for n in json.loads(text)["data"] if n.startswith(("node_", "go_", "process_"))]
    return [path_of(INSTANT, query.format(name=n), 0, 0, made) for n in names]


class Asked:
    """One query at one server: seconds of each run, CPU seconds of all of them, the answer."""

    def __init__(self, server, paths):
        self.server, self.paths, self.seconds, self.cpu_s = server, paths, [], 0.0
        self.client = Client(server.port)
        self.run()  # the first one fills caches of pages, for all of them
        self.seconds.clear()

    def run(self):
        begin = time.perf_counter()
        for path in self.paths:
            status, pieces, chunked = self.client.get(path)
            if status != 200:
                raise RuntimeError(f"{self.server.name}: {path}: {status} "
                                   f"{whole(pieces, chunked)[:300]}")
        self.seconds.append(time.perf_counter() - begin)
        self.last = pieces, chunked

    def batch(self, runs):
        cpu = self.server.cpu_precise_s()
        for _ in range(runs):
            self.run()
        self.cpu_s += self.server.cpu_precise_s() - cpu

    def ms(self):
        return median(self.seconds) * 1e3

    def cpu_ms(self):
        return self.cpu_s / len(self.seconds) * 1e3

    def data(self):
        return json.loads(whole(*self.last))["data"]

    def shown(self):
        return f"{self.ms():.2f} ms (CPU {self.cpu_ms():.1f})"


def shape(data):
    """What is compared: series by their labels, and the number of points and the sum of values."""
    if isinstance(data, list):
        return sorted(json.dumps(row, sort_keys=True) for row in data)
    found = {}
    for s in data["result"]:
        points = s.get("values") or [s["value"]]
        numbers = [float(v) for _, v in points if not math.isnan(float(v))]
        found[json.dumps(s["metric"], sort_keys=True)] = (len(numbers), math.fsum(numbers))
    return found


def differ(a, b, exact):
    a, b = shape(a), shape(b)
    if isinstance(a, list) or set(a) != set(b):
        return a != b
    if not exact:
        return False
    return any(a[k][0] != b[k][0] or not math.isclose(a[k][1], b[k][1], rel_tol=1e-9, abs_tol=1e-9)
               for k in a)


def prometheus_filled(b, made, service):
    """Prometheus with the same samples, in slices of time; None where it is not installed."""
    server = b.prometheus()
    if server is None:
        return None
    server.start()
    start_ms, steps = int(made["start_s"] * 1000), b.size(480, 240)
    for at in range(0, steps, steps // SLICES):
        for name, hosts, routes in (("w1-slice", made["hosts"], 0),
                                    ("service-slice", service["hosts"], ROUTES)):
            piece = b.load.make(name, hosts, steps // SLICES, routes=routes, first_step=at,
                                start_ms=start_ms)
            b.load.send(server, piece)
            b.load.drop(piece)
    server.idle()
    return server


def prepared(b):
    """Sonde, VictoriaMetrics and Prometheus with W1 and the service's histograms in them."""
    w1 = filled(b)
    if "asked" in w1:
        return w1["asked"], w1["made"]
    service = b.load.make("service", b.size(SERVICE_HOSTS, 25), b.size(480, 240), routes=ROUTES,
                          start_ms=int(w1["made"]["start_s"] * 1000))
    for server in w1["servers"]:
        b.load.send(server, service)
        server.flush_and_merge()
    b.load.drop(service)
    third = prometheus_filled(b, w1["made"], service)
    w1["asked"] = w1["servers"] + ([third] if third else [])
    return w1["asked"], w1["made"]


def verdict(name, ours, peer):
    exact = name in SAME or peer.server.name == "prometheus"
    return " (answers differ)" if differ(ours.data(), peer.data(), exact) else ""


def add_row(b, name, query, asked):
    ours, peers = asked[0], asked[1:]
    best = min(peers, key=Asked.ms) if peers else None
    ratio = best.ms() / ours.ms() if best else None
    b.add(f"{name} `{query}`", ours.shown(),
          ", ".join(f"{p.server.name} {p.shown()}{verdict(name, ours, p)}" for p in peers),
          f"{ratio:.1f} x (CPU {best.cpu_ms() / max(ours.cpu_ms(), 0.001):.1f} x)" if best else "",
          "faster than both", "3 x the faster", ratio > 1 if best else None,
          ratio >= 3 if best else None, ours_ms=ours.ms(), ours_cpu_ms=ours.cpu_ms(),
          peers={p.server.name: (p.ms(), p.cpu_ms()) for p in peers})
    victoria = [p for p in peers if p.server.name == "victoria-metrics"]
    if name == "q10" and victoria:
        ratio = ours.cpu_ms() / victoria[0].cpu_ms()
        b.add("CPU of counting all samples (q10)", f"{ours.cpu_ms():.0f} ms",
              f"VictoriaMetrics {victoria[0].cpu_ms():.0f} ms", f"{ratio:.3f}", "1/3", "1/10",
              ratio <= 1 / 3, ratio <= 0.1)


def queries(b):
    servers, made = prepared(b)
    for name, kind, query, back_s, step_s in QUERIES:
        asked = [Asked(s, paths_of(s, kind, query, back_s, step_s, made)) for s in servers]
        # One slow run tells as much as fifty fast ones; servers take turns, as the machine varies.
        runs = max(1, min(b.size(15, 5), int(500 / max(a.ms() for a in warmed(asked)))))
        for _ in range(BATCHES):
            for a in asked:
                a.batch(runs)
        add_row(b, name, query.replace("{{", "{").replace("}}", "}") if kind == EACH_NAME else query,
                asked)
        for a in asked:
            a.client.close()


def warmed(asked):
    for a in asked:
        a.run()
    return asked
