"""Servers under comparison: start on a free loopback port, watch their processes, stop by pid."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from _port import free_port, port_free  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(n) for n in f.read().split()]
    except OSError:
        return []


def fields(path):
    """name -> first number of lines "name: number"."""
    found = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if rest.split() and rest.split()[0].isdigit():
                found[name] = int(rest.split()[0])
    return found


class Server:
    name = "server"
    ready_path = "/health"
    write_path = "/api/v1/write"

    def __init__(self, folder, *more):
        self.folder, self.more, self.port, self.process = folder, list(more), 0, None
        os.makedirs(folder, exist_ok=True)
        self.data = os.path.join(folder, "data")

    def command(self):
        raise NotImplementedError

    def start(self, patience_s=120):
        """Seconds until it answers that it is ready."""
        self.port = self.port or free_port()
        log = open(os.path.join(self.folder, "log"), "ab")
        begin = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, cwd=self.folder)
        log.close()
        while time.monotonic() - begin < patience_s:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: " + self.said())
            if self.get(self.ready_path, timeout=5)[0] == 200:
                return time.monotonic() - begin
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} is not ready after {patience_s} s: " + self.said())

    def said(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-600:]

    def pids(self):
        return [self.process.pid] + children(self.process.pid)

    def stop(self, how=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """SIGKILL to all its processes at once, as a power cut would end them."""
        self.process.send_signal(signal.SIGSTOP)  # no new worker meanwhile
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(60)
        deadline = time.monotonic() + 10
        while not port_free(self.port):  # until the last thread has ended
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not die")
            time.sleep(0.001)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what it costs

    def cpu_s(self):
        """CPU seconds of its processes, ended and waited-for children included."""
        ticks = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                    v = f.read().rsplit(")", 1)[1].split()
                ticks += sum(int(n) for n in v[11:15])
            except OSError:
                pass
        return ticks / TICK

    def cpu_precise_s(self):
        """The same to the nanosecond, of the threads that run now."""
        ns = 0
        for pid in self.pids():
            for thread in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                        ns += int(f.read().split()[0])
                except OSError:
                    pass
        return ns / 1e9

    def memory(self):
        """RSS, its peak and PSS, in bytes, of all its processes together."""
        total = {"rss": 0, "peak": 0, "pss": 0}
        for pid in self.pids():
            status = fields(f"/proc/{pid}/status")
            rollup = fields(f"/proc/{pid}/smaps_rollup")
            total["rss"] += status.get("VmRSS", 0) * 1024
            total["peak"] += status.get("VmHWM", 0) * 1024
            total["pss"] += rollup.get("Pss", 0) * 1024
        return total

    def written_bytes(self):
        return sum(fields(f"/proc/{pid}/io")["write_bytes"] for pid in self.pids())

    def idle(self, calm_s=1.0, most_s=60):
        """Waits until it uses less than a twentieth of a core."""
        begin = time.monotonic()
        while time.monotonic() - begin < most_s:
            before = self.cpu_s()
            time.sleep(calm_s)
            if self.cpu_s() - before < calm_s / 20:
                return

    # ---- what it answers

    def request(self, method, path, body=None, timeout=300):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body)
            r = c.getresponse()
            return r.status, r.read()
        except (OSError, http.client.HTTPException) as e:
            return 0, repr(e).encode()
        finally:
            c.close()

    def get(self, path, timeout=300):
        return self.request("GET", path, timeout=timeout)

    def value(self, query, at_s):
        """The one number of an instant query; 0 where nothing is found."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": f"{at_s:.3f}"})
        status, body = self.get(path)
        if status != 200:
            raise RuntimeError(f"{self.name}: {query}: {status} {body[:300]}")
        found = json.loads(body)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def flush_and_merge(self):
        raise NotImplementedError

    def sizes(self):
        """Bytes on disk: data, index, all."""
        raise NotImplementedError


def tree_bytes(folder):
    total = 0
    for top, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.path.getsize(os.path.join(top, name))
            except OSError:
                pass
    return total


class Sonde(Server):
    name = "sonde"
    ready_path = "/readyz"

    def __init__(self, folder, binary, *more, collect=False):
        super().__init__(folder, *more)
        self.binary = binary
        if not collect:
            self.more += ["--set", "collect.enabled=false"]

    def command(self):
        return [self.binary, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                *self.more]

    def post(self, path):
        status, body = self.request("POST", path, "")
        if status // 100 != 2:
            raise RuntimeError(f"{path}: {status} {body[:300]}")

    def flush_and_merge(self):
        self.post("/api/admin/merge")

    def sizes(self):
        """Of the tenant that is written to; parts of the tiers are counted apart."""
        found = {"data": 0, "index": 0, "tiers": 0, "all": tree_bytes(self.data)}
        tenant = os.path.join(self.data, "tenants", f"{self.tenant_number('default'):04d}")
        for top, _, files in os.walk(tenant):
            sizes = {n: os.path.getsize(os.path.join(top, n)) for n in files}
            if "idx" not in sizes:
                found["index"] += sum(n for name, n in sizes.items() if name.startswith("catalogue"))
            elif part_tier(os.path.join(top, "meta")):
                found["tiers"] += sum(sizes.values())
            else:
                found["data"] += sizes["data"] + sizes["ts"]
                found["index"] += sizes["idx"] + sizes["meta"]
        return found

    def tenant_number(self, name):
        with open(os.path.join(self.data, "tenants", "list"), encoding="utf-8") as f:
            return [line.split(" ")[0].strip() for line in f].index(name) + 1


def part_tier(path):
    """The tier of a part: docs/format/part.md, "meta"."""
    with open(path, "rb") as f:
        meta = f.read()
    at = 12
    for _ in range(2):  # tenant and retention class: names of less than 128 bytes
        at += 1 + meta[at]
    return meta[at]


class VictoriaMetrics(Server):
    name = "victoria-metrics"

    def command(self):
        return ["victoria-metrics", f"-storageDataPath={self.data}",
                f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=5y",
                "-search.latencyOffset=0s", "-search.maxUniqueTimeseries=3000000",
                "-search.maxSeries=3000000", *self.more]

    def flush_and_merge(self):
        for path in ("/internal/force_flush", "/internal/force_merge"):
            status, body = self.get(path)
            if status != 200:
                raise RuntimeError(f"{path}: {status} {body[:300]}")
        time.sleep(1)
        self.idle()

    def sizes(self):
        index = tree_bytes(os.path.join(self.data, "indexdb"))
        return {"data": tree_bytes(os.path.join(self.data, "data")), "index": index, "tiers": 0,
                "all": tree_bytes(self.data)}


class Prometheus(Server):
    name = "prometheus"
    ready_path = "/-/ready"

    def command(self):
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write("global: {}\n")
        return ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.data}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver",
                "--web.enable-admin-api", "--query.max-samples=2000000000", *self.more]
