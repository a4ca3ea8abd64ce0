#!/usr/bin/env python3
"""One bit of one file turned over while the daemon is down, for every kind of file that it keeps:
it starts, it names the file, and it has everything that the bit did not touch.
"""
# timeout: 120
import json
import os
import re
import shutil
import tempfile
import time
import urllib.parse

from _client import Daemon, body, kill_all, labels, run, wire

PAGE_HEADER = 8192
SERIES, STEPS, PIECES = 40, 30, 3  # the first two pieces become parts, the last stays in the log


def value_of(series, step):
    return (series * 7919 + step * 104729) % 1000003 / 7


def write_piece(d, base_ms, piece):
    for step in range(piece * STEPS, (piece + 1) * STEPS):
        samples = [(labels({"__name__": "flip_test", "series": str(i), "job": "j", "instance": "i"}),
                    value_of(i, step), base_ms + step * 1000) for i in range(SERIES)]
        status, text = d.get("/api/v1/write", body(samples), wire.headers())
        assert status // 100 == 2, (status, text)


def found(d, base_ms):
    """Pieces -> how many of their samples are there with their values; wrong values fail."""
    at = (base_ms + PIECES * STEPS * 1000) / 1000
    path = "/api/v1/query?" + urllib.parse.urlencode(
        {"query": f"flip_test[{PIECES * STEPS + 10}s]", "time": f"{at:.3f}"})
    status, text = d.get(path, timeout=30)
    counts = [0] * PIECES
    if status != 200:
        return None, text.decode()[:300]
    for series in json.loads(text)["data"]["result"]:
        for ts, value in series["values"]:
            step = round(ts - base_ms / 1000)
            assert float(value) == value_of(int(series["metric"]["series"]), step), "a wrong value"
            counts[step // STEPS] += 1
    return counts, text.decode()[-600:]


def flip(path):
    """Turns a bit over in the middle of what the file holds: behind the header's zeros in a page
    file (docs/format/pages.md), before the zeros that follow in a segment of the log."""
    with open(path, "r+b") as f:
        content = f.read()
        begin = PAGE_HEADER if content.startswith(b"SONDPAGE") else 0
        end = max(len(content.rstrip(b"\0")), begin + 1)
        at = begin + (end - begin) // 2
        f.seek(at)
        f.write(bytes([content[at] ^ 0x10]))


def files(data):
    """Kind -> one file of it, of the tenant that was written to, below data."""
    kinds = {}
    with open(os.path.join(data, "tenants", "list"), encoding="utf-8") as f:
        names = [line.split(" ")[0].strip() for line in f]
    tenant = f"tenants/{names.index('default') + 1:04d}"
    for top, _, names in os.walk(data):
        below = os.path.relpath(top, data)
        for name in names:
            path = os.path.normpath(os.path.join(below, name))
            size = os.path.getsize(os.path.join(data, path))
            if size == 0 or name.endswith(".tmp") or below.startswith(("crash", "snapshots")):
                continue
            if below.startswith("tenants/") and not below.startswith(tenant):
                continue
            kind = re.split("[-.]", name)[0]
            if below == "log":
                with open(os.path.join(data, path), "rb") as f:
                    if len(f.read().rstrip(b"\0")) < 4096:
                        continue
                kind = "log"
            kinds.setdefault(kind, path)
    return kinds


def prepared(folder):
    """A data directory as kill -9 leaves it: two parts, and a log with the rest."""
    with Daemon(data=os.path.join(folder, "data"), settings=["collect.enabled=false"]) as d:
        d.start()
        base_ms = int(time.time() * 1000) // 1000 * 1000 - 600 * 1000
        for piece in range(PIECES):
            write_piece(d, base_ms, piece)
            if piece < PIECES - 1:
                assert d.get("/api/admin/flush", b"")[0] == 204
        counts, said = found(d, base_ms)
        assert counts == [SERIES * STEPS] * PIECES, (counts, said)
        kill_all(d)
    return base_ms


def with_a_flip(folder, data, base_ms, path):
    """What is left of each piece, and all that the daemon said."""
    damaged = os.path.join(folder, "damaged")
    shutil.copytree(data, damaged)
    flip(os.path.join(damaged, path))
    try:
        with Daemon(data=damaged, settings=["collect.enabled=false"]) as d:
            d.start()
            counts, said = found(d, base_ms)
            again, _ = found(d, base_ms)
            assert again == counts, "the same question has two answers"
            write_piece(d, base_ms + 3600, 0)  # it goes on taking samples
            health = d.get("/health")[1].decode()
            d.stop()
            return counts, said + d.said() + health
    finally:
        shutil.rmtree(damaged, ignore_errors=True)


def a_turned_bit_in_any_file_is_found_and_costs_that_piece_alone():
    folder = tempfile.mkdtemp(prefix="sonde-flips-")
    whole = SERIES * STEPS
    problems = []
    try:
        base_ms = prepared(folder)
        data = os.path.join(folder, "data")
        kinds = files(data)
        assert {"data", "ts", "idx", "meta", "manifest", "catalogue", "log"} <= set(kinds), kinds
        for kind, path in sorted(kinds.items()):
            try:
                counts, said = with_a_flip(folder, data, base_ms, path)
            except AssertionError as e:
                problems.append(f"{path}: {str(e)[-500:]}")
                continue
            print(f"{path}: {counts} of {whole} each")
            damaged = [i for i, n in enumerate(counts or []) if n < whole]
            if counts is None or len(damaged) > 1:
                problems.append(f"{path}: {counts}: more than its own piece is gone: {said[-400:]}")
            if counts != [whole] * PIECES and os.path.dirname(path) not in said:
                problems.append(f"{path}: nothing names it: {said[-600:]}")
        assert not problems, "\n".join(problems)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


run(globals())
