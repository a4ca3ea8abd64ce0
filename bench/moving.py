"""The row about moving in: a block of Prometheus's TSDB, imported, and asked what it was asked before."""
import json
import os
import subprocess
import time
import urllib.parse

from ingest import fill, millions


def raw(server, selector, at_s, window):
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": f"{selector}[{window}]",
                                                      "time": f"{at_s:.3f}"})
    status, body = server.get(path)
    if status != 200:
        raise RuntimeError(f"{server.name}: {status} {body[:300]}")
    return {tuple(sorted(s["metric"].items())): s["values"]
            for s in json.loads(body)["data"]["result"]}


def names(server):
    return json.loads(server.get("/api/v1/label/__name__/values")[1])["data"]


def import_block(b):
    """50 minutes of hosts at 15 s: Prometheus gets them, gives a snapshot of blocks, and that is
    imported into an empty data directory; medians of the runs."""
    made = b.load.make("moving", b.size(200, 50), 200)
    theirs = b.prometheus()
    if theirs is None:
        b.say("prometheus is not installed")
        return
    theirs.start()
    fill(b, theirs, made)
    status, body = theirs.request("POST", "/api/v1/admin/tsdb/snapshot", b"")
    if status != 200:
        raise RuntimeError(f"snapshot: {status} {body[:300]}")
    source = os.path.join(theirs.data, "snapshots", json.loads(body)["data"]["name"])
    runs, ours, samples = [], None, 0
    for _ in range(3):
        if ours is not None:
            ours.remove()
        ours = b.sonde()
        begin, before = time.monotonic(), os.times()
        done = subprocess.run([b.binary, "import", "prometheus", source, "--data", ours.data],
                              capture_output=True, text=True, check=True)
        after = os.times()
        samples = int(done.stdout.split()[0])
        runs.append((time.monotonic() - begin, after.children_user + after.children_system -
                     before.children_user - before.children_system))
    ours.start()
    differ = 0
    some = names(theirs)
    for name in some[::b.size(1, 5)]:
        selector, at = '{__name__="%s"}' % name, made["end_s"] + 1
        differ += raw(ours, selector, at, "2h") != raw(theirs, selector, at, "2h")
    ours.remove()
    theirs.remove()
    seconds, cpu = sorted(runs)[1][0], sorted(c for _, c in runs)[1]
    speed = samples / seconds
    b.add("import of a Prometheus block, samples a second", millions(speed), "",
          f"{millions(samples / cpu)} per CPU-second", "2 M/s", "5 M/s", speed >= 2e6, speed >= 5e6,
          samples=samples, seconds=seconds, cpu_s=cpu)
    b.add(f"the same: metrics whose samples differ, of {len(some[::b.size(1, 5)])}", str(differ), "",
          "", "0", "0", differ == 0, differ == 0)
