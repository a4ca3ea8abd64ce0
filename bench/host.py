"""Rows about this host's own collectors and the page of metrics."""
import http.client
import os
import subprocess
import time


def sleepers(n):
    """n processes that sleep, as ps would show them on a host."""
    return [subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL) for _ in range(n)]


def processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def collectors(b):
    seconds = b.size(90, 20)
    asleep = sleepers(200)
    try:
        server = b.sonde(collect=True)
        server.start()
        time.sleep(b.size(15, 5))  # until what is done once at the start is done
        n, cpu, begin = processes(), server.cpu_s(), time.monotonic()
        time.sleep(seconds)
        share = (server.cpu_s() - cpu) / (time.monotonic() - begin)
        memory = server.memory()
        series = server.value("count({__name__!=''})", time.time())
        server.remove()
    finally:
        for p in asleep:
            p.kill()
            p.wait()
    b.add(f"all collectors at 1 s, {n} processes: share of one core", f"{share * 100:.2f} %", "", "",
          "1 %", "0.3 %", share <= 0.01, share <= 0.003, seconds=seconds, series=series)
    b.add("parent and worker together, PSS when idle", f"{memory['pss'] / 2**20:.1f} MiB", "", "",
          "40 MiB", "20 MiB", memory["pss"] <= 40 * 2**20, memory["pss"] <= 20 * 2**20, **memory)


def metrics(b):
    """Process groups that match nothing here bring the page to 2,000 series."""
    server = b.sonde(collect=True)
    config = os.path.join(server.folder, "sonde.toml")
    groups = 0
    for groups in (0, 60, 100):
        with open(config, "w", encoding="ascii") as f:
            for i in range(groups):
                f.write(f'[[collect.process_group]]\nname = "group-{i}"\ncomm = ["no-such-{i}"]\n')
        server.more = ["--config", config]
        server.start()
        time.sleep(3)
        page = server.get("/metrics")[1].decode()
        series = sum(1 for line in page.splitlines() if line and line[0] != "#")
        if series >= 2000:
            break
        server.stop()
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    ms = []
    for _ in range(b.size(3000, 600)):
        begin = time.perf_counter()
        c.request("GET", "/metrics")
        c.getresponse().read()
        ms.append((time.perf_counter() - begin) * 1e3)
    ms.sort()
    p99 = ms[len(ms) * 99 // 100]
    server.remove()
    b.add(f"/metrics with {series} series, p99", f"{p99:.2f} ms", "", "", "5 ms", "1 ms", p99 <= 5,
          p99 <= 1, p50_ms=ms[len(ms) // 2], max_ms=ms[-1], bytes=len(page), groups=groups)
