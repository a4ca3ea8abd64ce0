#!/usr/bin/env python3
"""For an hour (SONDE_SOAK_S): scrapes good targets each second among dozens that misbehave, beside
senders that misbehave, and kills the worker every few minutes (SONDE_SOAK_KILL_S).

Held all the time: good targets miss nothing outside of restarts, what was acknowledged to good
senders is there, what is gone has ended, memory and file descriptors are bounded, no worker ends but
by our kills, /readyz.
"""
# timeout: 7200
# soak
import gzip
import json
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import tempfile
import threading
import time

from _daemon import Daemon, Skip, run, wait
from _peers import fetch
from _port import free_port
from _rogue import TEXT, Rogue, certificates, job

SECONDS = float(os.environ.get("SONDE_SOAK_S", "3600"))
KILL_S = float(os.environ.get("SONDE_SOAK_KILL_S", "150"))
GOOD = 24
RSS_MAX_MB, FDS_MAX = 600, 600
AFTER_KILL_S = 6   # a restart, and the first scrape of each target behind it
STALL_S = 0.25     # this program did not run for so long: its targets answered late
GAP_S = 1.9        # between two samples of which none is missing
STARVED_S = 0.2    # in half a second
LOOKBACK_S = 300


class Wild(Rogue):
    """More ways, some of which change with the time; serves the good targets too."""

    WAYS = ("hang", "long", "error", "html", "blank", "bomb", "endless", "twice", "changing",
            "broken", "churn", "tenfold", "tenfold_limited", "half", "half_gzip", "nan", "types",
            "drip", "redirects", "head_only", "garbage", "long_line", "long_header", "old_times",
            "many_labels", "bomb_unlimited")

    def __init__(self):
        super().__init__()
        self.scrapes, self.answered = [0] * GOOD, [[] for _ in range(GOOD)]
        self.churned = 0

    def good(self, h):
        """/good?N: how often it has been asked, and a page of others beside it."""
        n = int(h.path.split("?")[1].split("=")[0])
        self.scrapes[n] += 1
        count = self.scrapes[n]
        rest = b"".join(b"rest{n=\"%d\"} %d\n" % (i, count) for i in range(20))
        self.answered[n].append((time.time(), count))
        self.give(h, b"# TYPE asked_total counter\nasked_total %d\n" % count + rest)

    def lines(self, h, name, n, first=0):
        self.give(h, b"".join(b"%s{n=\"%d\"} 1\n" % (name, i) for i in range(first, first + n)))

    def churn(self, h):
        self.churned += 50
        self.lines(h, b"churn", 50, self.churned)

    def tenfold(self, h):
        self.lines(h, b"tenfold", 1000 if int(time.time()) // 10 % 2 else 100)

    def tenfold_limited(self, h):
        self.lines(h, b"limited", 1000 if int(time.time()) // 10 % 2 else 100)

    def half(self, h):
        self.give(h, b"whole 1\nhalf_a_li")

    def half_gzip(self, h):
        self.give(h, gzip.compress(b"packed 1\n" * 1000)[:-20], encoding="gzip")

    def nan(self, h):
        self.give(h, b"odd{v=\"nan\"} NaN\nodd{v=\"inf\"} +Inf\nodd{v=\"less\"} -Inf\n"
                     b"odd{v=\"tiny\"} 4.9e-324\nodd{v=\"word\"} 0x1p-2\n")

    def types(self, h):
        kind = random.choice([b"counter", b"gauge", b"histogram", b"summary", b"untyped"])
        self.give(h, b"# TYPE shifty " + kind + b"\nshifty 1\nshifty_bucket{le=\"x\"} -3\n"
                     b"shifty_sum NaN\nshifty_count -1\n")

    def drip(self, h):
        h.send_response(200)
        h.send_header("Content-Type", TEXT)
        h.send_header("Content-Length", "1000")
        h.end_headers()
        for _ in range(20):
            h.wfile.write(b"#")
            time.sleep(0.2)
        h.close_connection = True

    def redirects(self, h):
        h.send_response(302)
        h.send_header("Location", "/redirects")
        h.send_header("Content-Length", "0")
        h.end_headers()

    def head_only(self, h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/pl")
        h.close_connection = True

    def garbage(self, h):
        h.wfile.write(random.randbytes(4000))
        h.close_connection = True

    def long_line(self, h):
        self.give(h, b"long{a=\"" + b"x" * 900000 + b"\"} 1\n")

    def long_header(self, h):
        h.send_response(200)
        h.send_header("X-Long", "x" * 60000)
        h.end_headers()
        h.close_connection = True

    def old_times(self, h):
        now = int(time.time() * 1000)
        self.give(h, b"dated{n=\"old\"} 1 1000\ndated{n=\"future\"} 1 %d\ndated{n=\"back\"} 1 %d\n" %
                  (now + 86400000 * 365, now - random.randrange(100000)))

    def many_labels(self, h):
        self.give(h, b"wide{" + b",".join(b"l%d=\"v\"" % i for i in range(2000)) + b"} 1\n")

    def bomb_unlimited(self, h):
        self.bomb(h)


class Fleeting(threading.Thread):
    """A target whose server comes for some seconds and goes for some: here{} is 1 meanwhile."""

    def __init__(self, stop):
        super().__init__(daemon=True)
        self.stop, self.port, self.away_since = stop, free_port(), time.monotonic()

    def run(self):
        while not self.stop.wait(random.uniform(4, 8)):
            try:
                listener = socket.create_server(("127.0.0.1", self.port))
            except OSError:
                continue  # somebody has taken the port meanwhile
            self.away_since = None
            until = time.monotonic() + random.uniform(3, 6)
            listener.settimeout(0.2)
            while time.monotonic() < until:
                try:
                    c, _ = listener.accept()
                except TimeoutError:
                    continue
                with c:
                    try:
                        c.settimeout(1)
                        c.recv(65536)
                        c.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhere 1\n")
                    except OSError:
                        pass
            listener.close()
            self.away_since = time.monotonic()


class Senders:
    """Good and bad ones, each on a thread: StatsD, InfluxDB's lines, OTLP."""

    def __init__(self, d, statsd, otlp, stop):
        self.d, self.statsd, self.otlp, self.stop = d, statsd, otlp, stop
        self.acknowledged, self.sent, self.bad = [], 0, {}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (
            self.good, self.bad_datagrams, self.bad_bodies, self.bad_connections)]
        for t in self.threads:
            t.start()

    def good(self):
        n = 0
        while not self.stop.wait(0.5):
            n += 1
            ns = time.time_ns()
            if fetch(f"{self.d.url}/write", b"kept,by=influx n=%di %d\n" % (n, ns))[0] == 204:
                self.acknowledged.append(("kept_n", ns // 1000000))
            body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "kept.otlp", "gauge": {
                "dataPoints": [{"timeUnixNano": str(ns), "asDouble": n}]}}]}]}]}
            status, said = fetch(f"http://127.0.0.1:{self.otlp}/v1/metrics", json.dumps(body).encode(),
                                 {"Content-Type": "application/json"})
            if status == 200 and b"rejected" not in said:
                self.acknowledged.append(("kept_otlp", ns // 1000000))
            self.udp.sendto(b"kept.statsd:1|c", ("127.0.0.1", self.statsd))
            self.sent += 1

    def bad_datagrams(self):
        while not self.stop.wait(0.05):
            body = random.choice((
                random.randbytes(random.randrange(1, 3000)), b":" * 8000, b"x:1|c|@0\n" * 100,
                b"a" * 60000, b"x:nan|ms|#" + b"t," * 1000, b"_e{999999,1}:x|y", b"x:1|c|@1e-300",
                b"noise.%d:1|c" % random.randrange(10 ** 9), b"x:" + b"1:" * 5000 + b"|d", b""))
            try:
                self.udp.sendto(body, ("127.0.0.1", self.statsd))
            except OSError:
                pass  # too long, or the daemon is between two workers

    def note(self, way, status):
        self.bad[(way, status)] = self.bad.get((way, status), 0) + 1

    def bad_bodies(self):
        packed = gzip.compress(b"x y=1\n" + b" " * (80 << 20), 1)
        kinds = ("application/x-protobuf", "application/json", "text/plain")
        while not self.stop.wait(0.2):
            way = random.choice(("/write", "/api/v2/write?bucket=b", "/v1/metrics", "/api/collectd",
                                 "/metrics/job/soak", "/api/v1/write"))
            body = random.choice((
                random.randbytes(2000), b"{" * 5000, b"kept,by=influx n=\n" * 50, b"a b=1 x\n" * 100,
                struct.pack("<BQ", 0x0a, 2 ** 63), b'{"resourceMetrics": 7}', packed, b"",
                b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": 3}]}]}]}',
                b"m,t=" + b"x" * 200000 + b" f=1\n"))
            headers = {"Content-Type": random.choice(kinds)}
            if body is packed or random.random() < 0.1:
                headers["Content-Encoding"] = "gzip"
            self.note(way.split("?")[0], fetch(self.d.url + way, body, headers)[0])

    def bad_connections(self):
        held = []
        while not self.stop.wait(0.3):
            try:
                c = socket.create_connection(("127.0.0.1", random.choice((self.otlp, self.d.port))), 2)
                c.sendall(random.choice((
                    b"POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx y=1\n",
                    b"POST /v1/metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + random.randbytes(500),
                    b"GET /metr", random.randbytes(300), b"")))
                held.append(c)
            except OSError:
                pass
            while len(held) > 50:
                held.pop(0).close()


class Excuses(threading.Thread):
    """When a scrape may be missing: around our kills, where this program itself stood still, and
    where the machine had no core for a thread of the worker that wanted to run."""

    def __init__(self, d, stop):
        super().__init__(daemon=True)
        self.d, self.stop, self.kills, self.stalls, self.starved = d, stop, [], [], []

    def run(self):
        last, looked, waited = time.time(), 0, {}
        while not self.stop.wait(0.05):
            now = time.time()
            if now - last > STALL_S:
                self.stalls.append((last, now))
            last = now
            if now - looked > 0.5:
                before, waited = waited, self.waited_s()
                if any(s - before.get(thread, s) > STARVED_S for thread, s in waited.items()):
                    self.starved.append((looked, now))
                looked = now

    def waited_s(self):
        """{thread of the worker: how long it has waited for a core}, in seconds."""
        found = {}
        try:
            pid = self.d.worker()
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                    found[thread] = int(f.read().split()[1]) / 1e9
        except OSError:
            pass  # between two workers
        return found

    def cover(self, begin, end):
        """Is there one between two times, in seconds?"""
        return any(begin < k + AFTER_KILL_S and k < end for k in self.kills) or \
            any(begin < b + 1.5 and a - 1.5 < end for a, b in self.stalls + self.starved)


class Watch:
    """What is looked at while it runs."""

    def __init__(self, d, fleeting, excuses):
        self.d, self.fleeting, self.excuses = d, fleeting, excuses
        self.rss, self.fds, self.pids, self.errors = [], [], [], {}
        self.checks = 0

    def look(self):
        pid = self.d.worker()
        if pid and pid not in self.pids:
            self.pids.append(pid)
        try:
            with open(f"/proc/{pid}/statm", encoding="ascii") as f:
                self.rss.append(int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2 ** 20)
            self.fds.append(len(os.listdir(f"/proc/{pid}/fd")))
        except OSError:
            return
        assert self.rss[-1] < RSS_MAX_MB, f"{self.rss[-1]:.0f} MiB"
        assert self.fds[-1] < FDS_MAX, f"{self.fds[-1]} file descriptors"
        assert len(self.pids) <= len(self.excuses.kills), \
            f"a worker ended that nobody killed: {self.pids}\n{self.d.said()[-4000:]}"

    def ends(self):
        """What is gone has ended; what a killed worker left open is forgotten after the lookback."""
        now = time.time()
        recent = sum(now - k < LOOKBACK_S + 10 for k in self.excuses.kills)
        if self.excuses.cover(now - 5, now):
            return
        self.checks += 1
        for name, most in (("churn", 50), ("moving", 1)):
            found = self.d.query(f"count({name})")
            n = found[0][1] if found else 0
            assert n <= most * (recent + 1), (name, n, recent)
        for f in self.fleeting:
            since = f.away_since
            if since and time.monotonic() - since > 4 and recent == 0:
                there = self.d.query(f'here{{instance="127.0.0.1:{f.port}"}}')
                # It may have come back while we asked.
                assert not there or f.away_since != since, there


    def good_errors(self):
        """What the good targets are said to have failed by."""
        for t in self.d.json("/api/v1/targets?state=active")["data"]["activeTargets"]:
            if t["labels"]["job"].startswith("good") and t["lastError"]:
                self.errors[(t["labels"]["job"], t["lastScrape"])] = t["lastError"]


def scrape_configs(wild, liar, fleeting, tls, folder):
    limited = {"body_size_limit": "1MB"}
    configs = [job(f"good{n}", wild.address, metrics_path="/good", params={str(n): [""]})
               for n in range(GOOD)]
    configs += [job(way, wild.address, metrics_path="/" + way, **(
        {} if way == "bomb_unlimited" else limited)) for way in Wild.WAYS]
    for c in configs:
        if c["job_name"] == "tenfold_limited":
            c["sample_limit"] = 500
    # What follows a body that is longer than it says is the next answer: on a server of its own.
    configs.append(job("short", liar.address, metrics_path="/short"))
    configs.append(job("fleeting", *(f"127.0.0.1:{f.port}" for f in fleeting)))
    configs.append(job("tls_to_plain", wild.address, scheme="https", metrics_path="/good",
                       params={"0": [""]}))
    configs.append(job("plain_to_tls", tls, metrics_path="/"))
    configs.append(job("unknown_ca", tls, scheme="https", metrics_path="/"))
    configs.append(job("refused", "127.0.0.1:1"))
    configs.append(job("nowhere", "no-such-host.invalid:80"))
    path = os.path.join(folder, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                   "scrape_configs": configs}, f)
    return path


def tls_server(folder, stop):
    """Speaks TLS with a certificate that nobody knows; the address."""
    certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        listener.settimeout(0.5)
        while not stop.is_set():
            try:
                c, _ = listener.accept()
                c.settimeout(0.5)
                with context.wrap_socket(c, server_side=True) as s:
                    s.recv(65536)
            except OSError:
                pass  # the other end does not like it
    threading.Thread(target=serve, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def raw(d, selector, seconds):
    """{job: [(seconds, value)]} of a series of each job."""
    data = d.json(f"/api/v1/query?query={selector}[{int(seconds) + 60}s]")["data"]["result"]
    return {r["metric"].get("job", ""): [(float(t), float(v)) for t, v in r["values"]] for r in data}


def check_good_targets(d, wild, excuses, seconds):
    """Every answer that a good target gave is there, and nothing is wrong with when."""
    ups, counts = raw(d, "up", seconds), raw(d, "asked_total", seconds)
    lost, late, down, answers = [], [], [], 0
    for n in range(GOOD):
        name = f"good{n}"
        stored = {int(v) for _, v in counts[name]}
        answers += len(wild.answered[n])
        lost += [(name, t, count) for t, count in wild.answered[n][:-1]
                 if count not in stored and not excuses.cover(t - 1, t + 1)]
        down += [(name, t) for t, v in ups[name] if v != 1 and not excuses.cover(t - 1, t + 1)]
        times = [t for t, _ in ups[name]]
        late += [(name, a, b - a) for a, b in zip(times, times[1:])
                 if b - a > GAP_S and not excuses.cover(a, b)]
    for name in [c for c in ups if c.startswith("tls") or c in ("plain_to_tls", "unknown_ca", "hang")]:
        assert not any(v for _, v in ups[name]), name
    share = sum(excuses.cover(t - 1, t + 1) for a in wild.answered for t, _ in a) / max(answers, 1)
    print(f"{answers} answers of good targets, {share:.1%} of them near a kill or a busy machine; "
          f"lost {len(lost)}, down {len(down)}, gaps {len(late)}")
    assert not lost and not down and not late, (lost[:5], down[:5], late[:5])
    assert answers > GOOD * seconds * 0.6, answers
    if share > 0.7:
        raise Skip(f"the machine was too busy: {share:.0%} of the time says nothing")


def check_acknowledged(d, acknowledged, seconds):
    stored = {}
    for name in ("kept_n", "kept_otlp"):
        data = d.json(f"/api/v1/query?query={name}[{int(seconds) + 60}s]")["data"]["result"]
        stored[name] = {round(float(t) * 1000) for r in data for t, _ in r["values"]}
    lost = [(name, ts) for name, ts in acknowledged if ts not in stored[name]]
    print(f"{len(acknowledged)} samples of good senders acknowledged, {len(lost)} lost")
    assert acknowledged and not lost, lost[:5]


def report(d, watch, senders, excuses):
    page = d.get("/metrics")[1].decode()
    for line in page.splitlines():
        if line.startswith(("sonde_scrape_missed", "sonde_scrape_failed", "sonde_scrape_scrapes",
                            "sonde_scrape_memory", "sonde_scrape_series", "sonde_statsd_bad",
                            "sonde_statsd_datagrams", "sonde_otlp_rejected", "sonde_series")):
            print("  " + line)
    print(f"{len(excuses.kills) - 1} kills, {len(excuses.stalls)} stalls of this program "
          f"({sum(b - a for a, b in excuses.stalls):.1f} s), the machine too busy for "
          f"{sum(b - a for a, b in excuses.starved):.1f} s, {watch.checks} looks at what has ended")
    print(f"memory {max(watch.rss):.0f} MiB at most, {watch.rss[-1]:.0f} at the end; "
          f"file descriptors {max(watch.fds)} at most, {watch.fds[-1]} at the end")
    print("bad bodies:", dict(sorted(senders.bad.items())))


def good_targets_and_senders_lose_nothing_among_bad_ones():
    stop, folder = threading.Event(), tempfile.mkdtemp(prefix="sonde-soak-")
    statsd, otlp = free_port(), free_port()
    try:
        with Wild() as wild, Rogue() as liar:
            fleeting = [Fleeting(stop) for _ in range(6)]
            path = scrape_configs(wild, liar, fleeting, tls_server(folder, stop), folder)
            with Daemon(config="", settings=[f"prometheus.config_file={path}",
                                             "collect.enabled=false",
                                             f"statsd.listen=127.0.0.1:{statsd}",
                                             f"otlp.listen=127.0.0.1:{otlp}"]) as d:
                begin, excuses = time.monotonic(), Excuses(d, stop)
                excuses.kills.append(time.time())  # the start is as the time after a kill
                d.start()
                for t in [*fleeting, excuses]:
                    t.start()
                soak(d, wild, (fleeting, excuses), Senders(d, statsd, otlp, stop), stop)
                assert time.monotonic() - begin >= SECONDS
    finally:
        stop.set()
        shutil.rmtree(folder, ignore_errors=True)


def soak(d, wild, others, senders, stop):
    fleeting, excuses = others
    watch, begin, killed = Watch(d, fleeting, excuses), time.monotonic(), time.monotonic()
    while time.monotonic() - begin < SECONDS:
        time.sleep(0.3)
        assert d.status("/readyz") == 200, d.said()[-2000:]
        watch.look()
        watch.ends()
        watch.good_errors()
        if time.monotonic() - killed > KILL_S and time.monotonic() - begin < SECONDS - KILL_S / 2:
            killed, pid = time.monotonic(), d.worker()
            excuses.kills.append(time.time())
            os.kill(pid, signal.SIGKILL)
            wait("another worker", lambda: d.worker() not in (0, pid), 10)
            wait("ready", lambda: d.status("/readyz") == 200, 30)
    stop.set()
    for t in senders.threads:
        t.join(30)
    time.sleep(2)
    report(d, watch, senders, excuses)
    print("errors of good targets:", watch.errors)
    check_good_targets(d, wild, excuses, time.monotonic() - begin)
    check_acknowledged(d, senders.acknowledged, time.monotonic() - begin)
    assert len(d.crash_reports()) < len(excuses.kills), d.crash_reports()
    kept = d.query("sum(increase(kept_statsd[2h]))")
    assert senders.sent > 0 and kept and kept[0][1] >= 1, kept
    assert watch.checks > 0
    assert d.stop() == 0, d.said()[-2000:]


run(globals())
