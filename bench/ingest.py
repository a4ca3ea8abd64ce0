"""Rows about writing: CPU, bytes on disk, memory, a million series, bytes written over life."""
import time


def fill(b, server, made, settle=True):
    """Sends all of it; samples per CPU second of the server, and what else it took."""
    begin, cpu = time.monotonic(), server.cpu_s()
    sent = b.load.send(server, made)
    spent = server.cpu_s() - cpu
    if settle:
        server.idle()
    settled = server.cpu_s() - cpu
    found = {"accepted": sent["accepted"], "seconds": sent["seconds"], "p99_ms": sent["p99_ms"],
             "max_ms": sent["max_ms"], "cpu_s": settled, "cpu_until_answered_s": spent,
             "per_cpu_s": sent["accepted"] / settled, "peak": server.memory()["peak"],
             "wall_s": time.monotonic() - begin}
    b.say(f"{server.name}: {sent['accepted']} samples in {sent['seconds']:.1f} s "
          f"({sent['accepted'] / sent['seconds'] / 1e6:.2f} M/s), CPU {spent:.2f} s, with what came "
          f"after {settled:.2f} s, p99 {sent['p99_ms']:.1f} ms, peak {found['peak'] / 1e6:.0f} MB")
    return found


def filled(b):
    """Sonde and VictoriaMetrics with W1 in them (200 hosts, 2 h at 15 s), shared by rows."""
    if "w1" in b.shared:
        return b.shared["w1"]
    made = b.load.make("w1", b.size(200, 50), b.size(480, 240))
    found = {"made": made, "servers": [], "fills": []}
    for server in (b.sonde(), b.victoria()):
        if server is None:
            continue
        server.start()
        found["fills"].append(fill(b, server, made))
        count = server.value('count({job="node_exporter"})', made["end_s"] - 1)
        if count != made["series"]:
            raise RuntimeError(f"{server.name}: {count} of {made['series']} series are there")
        found["servers"].append(server)
    b.shared["w1"] = found
    return found


def per_cpu(fills):
    return fills["accepted"] / fills["cpu_s"]


def millions(v):
    return f"{v / 1e6:.2f} M/s"


def remote_write(b):
    w1 = filled(b)
    ours, peers = w1["fills"][0], w1["fills"][1:]
    ratio = per_cpu(ours) / per_cpu(peers[0]) if peers else None
    b.add("remote write, 15 s data, samples per CPU-second", millions(per_cpu(ours)),
          f"VictoriaMetrics {millions(per_cpu(peers[0]))}" if peers else "",
          f"{ratio:.1f} x" if peers else "", "4 x", "8 x", ratio >= 4 if peers else None,
          ratio >= 8 if peers else None, sonde=ours, peers=peers)
    quick = b.sonde("--set", "store.acknowledge=appended")
    quick.start()
    appended = fill(b, quick, w1["made"])
    quick.remove()
    ratio = per_cpu(appended) / per_cpu(peers[0]) if peers else None
    b.add("the same, answered before the sync (store.acknowledge = \"appended\")",
          millions(per_cpu(appended)), "", f"{ratio:.1f} x" if peers else "", sonde=appended)
    prometheus = b.prometheus()
    if prometheus is None:
        return
    # A short piece: Prometheus takes minutes for the whole.
    made = b.load.make("w1-short", b.size(200, 50), b.size(40, 24))
    prometheus.start()
    theirs = fill(b, prometheus, made)
    prometheus.remove()
    b.load.drop(made)
    b.add("the same against Prometheus", millions(per_cpu(ours)), f"Prometheus {millions(per_cpu(theirs))}",
          f"{per_cpu(ours) / per_cpu(theirs):.1f} x", sonde=ours, peers=[theirs])


def sizes(b, what, servers, made, gate, aim, gate_index=None, aim_index=None):
    samples = made["samples"]
    found = []
    for server in servers:
        begin, cpu = time.monotonic(), server.cpu_s()
        server.flush_and_merge()
        size = server.sizes()
        size["merge_cpu_s"] = server.cpu_s() - cpu
        b.say(f"{server.name}: data {size['data']} index {size['index']} tiers {size['tiers']} all "
              f"{size['all']} bytes, flush and merge {time.monotonic() - begin:.1f} s, CPU "
              f"{size['merge_cpu_s']:.1f} s")
        found.append(size)
    ours = found[0]["data"] / samples
    theirs = found[1]["data"] / samples if len(found) > 1 else None
    b.add(f"bytes per sample, {what}, merged, lossless", f"{ours:.3f}",
          f"VictoriaMetrics {theirs:.3f}" if theirs else "", f"{ours / theirs:.2f}" if theirs else "",
          f"{gate}", f"{aim}", ours <= gate, ours <= aim, sizes=found)
    if gate_index is None:
        return
    index = found[0]["index"] / made["series"]
    theirs = found[1]["index"] / made["series"] if len(found) > 1 else None
    b.add("index bytes per series, catalogue included", f"{index:.1f}",
          f"VictoriaMetrics {theirs:.1f}" if theirs else "",
          f"{index / theirs:.2f}" if theirs else "", f"{gate_index}", f"{aim_index}",
          index <= gate_index, index <= aim_index, sizes=found)


def size_15s(b):
    w1 = filled(b)
    sizes(b, "15 s", w1["servers"], w1["made"], 0.64, 0.58, 45, 30)


def size_of(b, what, gate, aim, **how):
    made = b.load.make("size", **how)
    servers = []
    for server in (b.sonde(), b.victoria()):
        if server is not None:
            server.start()
            fill(b, server, made)
            servers.append(server)
    b.load.drop(made)
    sizes(b, what, servers, made, gate, aim)
    for server in servers:
        server.remove()


def size_jitter(b):
    size_of(b, "15 s with 3 ms jitter", 0.64, 0.58, hosts=b.size(200, 30), steps=b.size(480, 240),
            jitter_ms=3)


def size_1s(b):
    size_of(b, "1 s", 0.47, 0.44, hosts=b.size(50, 10), steps=b.size(880, 440), interval_ms=1000,
            stride=1)


def written(b):
    """W1, one body at a time and each answered after its own sync, flushed each 15 minutes of the
    data as it would be at its real pace, merges as they come, and a last one."""
    hosts, steps, a_flush = b.size(200, 40), b.size(480, 240), 60
    start_ms = int(time.time() * 1000) - 60000 - steps * 15000
    server = b.sonde()
    server.start()
    time.sleep(2)
    before, samples = server.written_bytes(), 0
    after_log = 0
    for at in range(0, steps, a_flush):
        made = b.load.make("life", hosts, a_flush, shards=1, start_ms=start_ms + at * 15000)
        samples += b.load.send(server, made)["accepted"]
        after_log = server.written_bytes() if at == 0 else after_log
        b.load.drop(made)
        server.post("/api/admin/flush")
        server.idle(0.5)
    first = samples / (steps / a_flush)
    server.flush_and_merge()
    server.idle()
    total = server.written_bytes() - before
    b.say(f"{samples} samples, {total} bytes; the log alone {(after_log - before) / first:.2f} a sample")
    server.remove()
    ours = total / samples
    b.add("bytes written to disk per sample over its life", f"{ours:.2f}", "", "", "8", "4.5",
          ours <= 8, ours <= 4.5, samples=samples, bytes=total,
          log_bytes_per_sample=(after_log - before) / first)


def until_counted(server, at_s, want):
    """Seconds until the server says that all series are there."""
    begin = time.monotonic()
    while server.value('count({job="node_exporter"})', at_s) < want:
        if time.monotonic() - begin > 60:
            raise RuntimeError(f"{server.name} does not find all series again")
        time.sleep(0.01)
    return time.monotonic() - begin


def million(b):
    """A million new series with ten samples each; then kill -9 and start again."""
    made = b.load.make("million", b.size(2160, 200), 10, start_ms=int(time.time() * 1000) - 240000)
    found = []
    for server in (b.sonde(), b.victoria()):
        if server is None:
            continue
        server.start()
        f = fill(b, server, made)
        f["memory"] = server.memory()
        at_s = made["end_s"] - 1
        server.value('count({job="node_exporter"})', at_s)
        f["memory_after_count"] = server.memory()
        f["ready_s"], f["counted_s"] = [], []
        for _ in range(3):
            server.kill()
            f["ready_s"].append(server.start())
            f["counted_s"].append(until_counted(server, at_s, made["series"]))
        f["ready_s"].sort()
        f["counted_s"].sort()
        b.say(f"{server.name}: RSS {f['memory']['rss'] / made['series']:.0f} B a series, ready after "
              f"{f['ready_s'][1]:.2f} s, all counted {f['counted_s'][1]:.2f} s later")
        found.append(f)
        server.remove()
    b.load.drop(made)
    ours, theirs = found[0], found[1] if len(found) > 1 else None
    rss = [f["memory"]["rss"] / made["series"] for f in found]
    count = f"{made['series'] / 1e6:.1f} million series"
    b.add(f"RSS per active series at {count}", f"{rss[0]:.0f} B",
          f"VictoriaMetrics {rss[1]:.0f} B" if theirs else "", f"{rss[0] / rss[1]:.2f}" if theirs else "",
          "500 B", "380 B", rss[0] <= 500, rss[0] <= 380, sonde=ours, peers=found[1:])
    ready = ours["ready_s"][1]
    b.add(f"ready to serve after kill -9 at {count}", f"{ready:.2f} s",
          f"VictoriaMetrics {theirs['ready_s'][1]:.2f} s" if theirs else "", "", "1 s", "0.3 s",
          ready <= 1, ready <= 0.3, sonde=ours, peers=found[1:])
    b.add("the first count of all series after that", f"{ours['counted_s'][1]:.2f} s",
          f"VictoriaMetrics {theirs['counted_s'][1]:.2f} s" if theirs else "")


def otlp(b):
    """The same samples through both ways in, in batches of 10,000: numbers, then histograms."""
    def row(what, made, gate=None, aim=None):
        found = []
        for load in (made, b.load.as_otlp(made, 10000)):
            server = b.sonde("--set", "otlp.listen=")
            server.start()
            found.append(fill(b, server, load))
            count = server.value(f'count({{job="{made["job"]}",__name__!="target_info"}})',
                                 made["end_s"] - 1)
            if count != made["series"]:
                raise RuntimeError(f"{count} of {made['series']} series are there")
            server.remove()
            b.load.drop(load)
        remote, ours = found
        ratio = per_cpu(ours) / per_cpu(remote)
        b.add(what, millions(per_cpu(ours)), f"our remote write {millions(per_cpu(remote))}",
              f"{ratio:.2f} x", f"{gate} x" if gate else "", f"{aim} x" if aim else "",
              ratio >= gate if gate else None, ratio >= aim if aim else None, sonde=ours,
              peers=[remote])

    numbers = b.load.make("otlp", b.size(200, 50), b.size(240, 120), batch=10000)
    row("OTLP metrics (protobuf), samples per CPU-second", {**numbers, "job": "node_exporter"}, 0.5,
        0.8)
    buckets = b.load.make("otlp-histograms", b.size(40, 10), b.size(120, 60), batch=10000, routes=100)
    row("the same, histograms of classic buckets", {**buckets, "job": "api"})
