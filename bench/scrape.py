"""The row of scraping: many targets at one second, beside vmagent on a hundredth of them.

bench/targets.c answers for the targets, each an address of loopback with a port of its own, and
takes what vmagent pushes. The daemon runs on two cores and stores what it scrapes.
"""
import json
import os
import shutil
import subprocess
import time

from server import Server, free_port

SERIES = 500  # of a target
CORES = {0, 1}


class Targets:
    """hosts addresses with one target each; ended by its process id."""

    def __init__(self, load, hosts):
        load.compile("targets", ["targets.c"], [])
        self.hosts, self.port, self.sink = hosts, free_port(), free_port()
        self.process = subprocess.Popen(
            [os.path.join(load.folder, "targets"), str(self.port), str(hosts), "1", str(SERIES),
             str(self.sink)], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("bench/targets.c cannot listen")

    def config(self, path, n):
        """A Prometheus file of the first n targets."""
        targets = [f"127.0.{1 + i // 250}.{1 + i % 250}:{self.port}" for i in range(n)]
        with open(path, "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{"job_name": "bench",
                                           "static_configs": [{"targets": targets}]}]}, f)
        return path

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            v = f.read().rsplit(")", 1)[1].split()
        return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        out = self.process.communicate(timeout=20)[0]
        return json.loads(out)


class Vmagent(Server):
    name = "vmagent"

    def command(self):
        return ["vmagent", f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=ERROR",
                "-remoteWrite.tmpDataPath=" + os.path.join(self.folder, "queue"), *self.more]


def numbers(server):
    """name -> value of the server's own metrics."""
    found = {}
    for line in server.get("/metrics")[1].decode().splitlines():
        if line and line[0] != "#":
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def threads(server):
    """Nanoseconds of CPU of each thread of a server's processes."""
    found = {}
    for pid in server.pids():
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as f:
                    found[thread] = int(f.read().split()[0])
            except OSError:
                pass
    return found


def steady(server, samples, seconds, names):
    """CPU seconds, samples and the growth of named metrics over a while."""
    before, cpu, own = numbers(server), server.cpu_s(), threads(server)
    time.sleep(seconds)
    after = numbers(server)
    found = {n: after.get(n, 0) - before.get(n, 0) for n in names}
    found["cpu"] = server.cpu_s() - cpu
    found["samples"] = after[samples] - before[samples]
    busy = sorted((v - own.get(k, 0) for k, v in threads(server).items()), reverse=True)
    found["threads"] = [round(v / 1e9 / seconds, 3) for v in busy[:6]]
    found["rss"] = server.memory()["rss"]
    found["memory"] = after.get("sonde_scrape_memory_bytes", 0)
    return found


MISSED = [f'sonde_scrape_missed_total{{reason="{r}"}}' for r in ("answer", "commit", "thread")]
OWN = [*MISSED, "sonde_scrape_failed_total", "sonde_scrape_late_total",
       "sonde_scrape_scrapes_total"]


def ours(b, targets, n, seconds, warm, more=()):
    server = b.sonde("--set", "prometheus.config_file=" +
                     targets.config(os.path.join(b.folder, "scrape.json"), n),
                     "--set", "collect.enabled=false", *more)
    server.start()
    os.sched_setaffinity(server.process.pid, CORES & os.sched_getaffinity(0))
    time.sleep(warm)
    found = steady(server, "sonde_scrape_samples_total", seconds, OWN)
    server.remove()
    return found


def theirs(b, targets, n, seconds, warm):
    if not shutil.which("vmagent"):
        return None
    path = targets.config(os.path.join(b.folder, "vmagent.json"), n)
    server = b.watched(Vmagent(b.place(), f"-promscrape.config={path}",
                               f"-remoteWrite.url=http://127.0.0.1:{targets.sink}/write"))
    server.start()
    time.sleep(warm)
    found = steady(server, "vm_promscrape_scraped_samples_sum", seconds, [])
    server.remove()
    return found


# A million series at a second fill the store's defaults in 16 s; with these a flush has a minute of
# samples of each, as those of 15 s have in a quarter of an hour.
STORE = ["--set", "store.flush_samples_max=64000000", "--set", "store.flush_bytes_max=1073741824"]


def scrape(b):
    hosts = b.size(2000, 200)
    targets = Targets(b.load, hosts)
    try:
        seconds, warm = b.size(130, 20), b.size(20, 6)
        own = ours(b, targets, hosts, seconds, warm, STORE)
        plain = ours(b, targets, hosts, b.size(60, 10), warm)
        peer = theirs(b, targets, max(hosts // 100, 1), b.size(60, 20), b.size(15, 5))
    finally:
        targets.stop()
    cost = own["cpu"] / own["samples"] * 1e6
    cost_plain = plain["cpu"] / plain["samples"] * 1e6
    peer_cost = peer["cpu"] / peer["samples"] * 1e6 if peer else 0
    missed = sum(own[m] for m in MISSED) + own["sonde_scrape_failed_total"]
    name = f"scraping {hosts} targets of {SERIES} series at 1 s"
    b.add(f"{name}: scrapes missed or failed", f"{missed:.0f} of "
          f"{own['sonde_scrape_scrapes_total'] + missed:.0f}", "", "", "0", "0", missed == 0,
          missed == 0, late=own["sonde_scrape_late_total"],
          samples_per_s=own["samples"] / seconds, rss=own["rss"], memory=own["memory"],
          bytes_per_series=own["memory"] / hosts / SERIES)
    ratio = peer_cost / cost if peer else 0
    b.add(f"{name}: CPU seconds per million samples, stored", f"{cost:.3f} s",
          f"vmagent {peer_cost:.2f} s (a hundredth of it, forwarding)" if peer else "",
          f"{ratio:.1f} x less" if peer else "", "2 x less", "4 x less",
          ratio >= 2 if peer else None, ratio >= 4 if peer else None, threads=own["threads"])
    b.add(f"{name}: the same with the store's defaults, which flush every 16 s", f"{cost_plain:.3f} s",
          "", f"{peer_cost / cost_plain:.1f} x less" if peer else "",
          missed=sum(plain[m] for m in MISSED), threads=plain["threads"])
