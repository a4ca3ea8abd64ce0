#!/usr/bin/env python3
"""Data of others moves in (directories of Prometheus, text files, running servers) and out again, and
stays what it was."""
# timeout: 300
import os
import shutil
import subprocess
import tempfile
import time

import _wire as wire
from _daemon import SONDE, Daemon, run
from _peers import differences, fetch, needs, prometheus, raw_samples, victoria

ALL = '{__name__=~".+"}'


def sonde(*arguments, status=0):
    done = subprocess.run([SONDE, *arguments], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def floats(start_ms, series=40, samples=220):
    """Series of two targets, with what is hard to code."""
    odd = [float("inf"), float("-inf"), -0.0, 5e-324, 1.7e308, "stale", 1.0]
    made = [({"__name__": f"made_{n % 7}", "instance": f"i{n % 2}", "n": str(n), "Upper": "a"},
             [(start_ms + 15000 * i, float((i * (n + 1)) % 57) / 7) for i in range(samples)])
            for n in range(series)]
    made.append(({"__name__": "odd"}, [(start_ms + 1000 * i * i, odd[i % len(odd)])
                                       for i in range(55)]))
    return made


def histograms(start_ms):
    def whole(n):
        return {"count": 6 * n, "sum": 1.5 * n, "schema": 1, "zero": n, "zero_threshold": 0.001,
                "positive": {-2: n, -1: n, 3: 2 * n}, "negative": {1: n}}
    return [({"__name__": "whole"}, [(start_ms + 15000 * i, whole(i + 1)) for i in range(150)])]


def write(url, series):
    status, body = fetch(url + "/api/v1/write", wire.write_v1(series), wire.headers())
    assert status == 204, (status, body)


def served(folder):
    """A daemon on a data directory."""
    return Daemon(data=folder, settings=["collect.enabled=false"])


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="sonde-import-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def a_prometheus_moves_in_with_blocks_log_and_histograms():
    at = time.time()
    start = int(at) * 1000 - 3400 * 1000
    flags = ["--web.enable-admin-api", "--enable-feature=native-histograms"]
    with Folder() as folder, prometheus(flags=flags) as p:
        write(p.url, floats(start))
        write(p.url, histograms(start))
        status, body = fetch(p.url + "/api/v1/admin/tsdb/delete_series?match[]=made_3", b"")
        assert status == 204, body
        theirs = raw_samples(p.url, ALL, at)
        assert len(theirs) > 30, len(theirs)
        # The snapshot has blocks with everything; the log has it too.
        status, body = fetch(p.url + "/api/v1/admin/tsdb/snapshot", b"")
        assert status == 200, body
        p.process.terminate()
        p.process.wait(20)
        data = os.path.join(p.folder, "data")
        (name,) = os.listdir(os.path.join(data, "snapshots"))
        for source, into in ((data, "log"), (os.path.join(data, "snapshots", name), "blocks")):
            into = os.path.join(folder, into)
            said = sonde("import", "prometheus", source, "--data", into)
            assert "samples imported" in said, said
            with served(into) as d:
                d.start()
                ours = raw_samples(d.url, ALL, at)
                if into.endswith("log"):  # deleting is for blocks; the log still has the series
                    ours = {k: v for k, v in ours.items() if ("__name__", "made_3") not in k}
                assert not differences(ours, theirs), "\n".join(differences(ours, theirs))


def running_servers_move_in_through_their_api():
    at = time.time()
    start = int(at) * 1000 - 3000 * 1000
    for peer in (prometheus, victoria):
        with Folder() as folder, peer() as p:
            series = [s for s in floats(start, 12, 100) if s[0]["__name__"] != "odd"]
            write(p.url, series)
            if peer is victoria:
                fetch(p.url + "/internal/force_flush")
                time.sleep(1)
            into = os.path.join(folder, "data")
            said = sonde("import", "server", p.url, "--data", into, "--start", str(int(at) - 3600),
                         "--match", '{Upper="a"}')
            assert "1200 samples imported" in said, said
            with served(into) as d:
                d.start()
                ours = raw_samples(d.url, '{Upper="a"}', at)
                want = {tuple(sorted(labels.items())): [v for _, v in samples]
                        for labels, samples in series}
                have = {k: [float(v) for _, v in samples] for k, samples in ours.items()}
                # victoria-metrics itself keeps but 12 digits of a value
                digits = 15 if peer is prometheus else 9
                wrong = [(k, have.get(k, [])[:5], want[k][:5]) for k in want
                         if [f"{v:.{digits}g}" for v in have.get(k, [])] !=
                         [f"{v:.{digits}g}" for v in want[k]]]
                assert not wrong and len(have) == len(want), (peer.__name__, wrong[:2])
                # and into a daemon that runs
                other = Daemon(settings=["collect.enabled=false"])
                with other:
                    other.start()
                    said = sonde("import", "server", p.url, "--server", other.url, "--start",
                                 str(int(at) - 3600), "--match", '{Upper="a"}')
                    assert "1200 samples imported" in said, said
                    assert raw_samples(other.url, '{Upper="a"}', at) == ours


def what_is_dumped_is_what_was_imported_and_promtool_reads_it():
    needs("promtool")
    at = time.time()
    start = int(at) * 1000 - 3000 * 1000
    with Folder() as folder, Daemon(settings=["collect.enabled=false"]) as d:
        d.start()
        write(d.url, [s for s in floats(start) if s[0]["__name__"] != "odd"])
        want = raw_samples(d.url, ALL, at)
        text = os.path.join(folder, "all.om")
        with open(text, "w", encoding="utf-8") as f:
            subprocess.run([SONDE, "dump", "--server", d.url], stdout=f, check=True, timeout=60)
        part = sonde("dump", 'made_1{n="1"}', "--server", d.url, "--start", str(start // 1000),
                     "--end", str(start // 1000 + 60))
        assert part.count("made_1{") == 5 and part.endswith("# EOF\n"), part
        d.stop()
        with open(text, encoding="utf-8") as f:
            assert sonde("dump", "--data", d.data) == f.read()
        into = os.path.join(folder, "again")
        sonde("import", "openmetrics", text, "--data", into)
        blocks = os.path.join(folder, "blocks")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, blocks],
                       check=True, capture_output=True, timeout=60)
        third = os.path.join(folder, "third")
        sonde("import", "prometheus", blocks, "--data", third)
        for data in (into, third):
            with served(data) as again:
                again.start()
                have = raw_samples(again.url, ALL, at)
                assert not differences(have, want), "\n".join(differences(have, want))


def damage_costs_what_it_touches_and_is_told():
    needs("promtool")
    at = time.time()
    start = int(at) // 15 * 15 - 3000
    with Folder() as folder:
        text = os.path.join(folder, "in.om")
        with open(text, "w", encoding="utf-8") as f:
            for n in range(50):
                for i in range(150):
                    f.write(f'm{{n="{n}"}} {i * n} {start + 15 * i}\n')
            f.write("# EOF\n")
        blocks = os.path.join(folder, "blocks")
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, blocks],
                       check=True, capture_output=True, timeout=60)
        block = os.path.join(blocks, sorted(os.listdir(blocks))[0])
        chunks = os.path.join(block, "chunks", "000001")
        with open(chunks, "r+b") as f:
            f.seek(os.path.getsize(chunks) // 2)
            f.write(b"\xff\xff\xff")
        into = os.path.join(folder, "data")
        said = sonde("import", "prometheus", blocks, "--data", into)
        assert "left out" in said and "checksum" in said, said
        with served(into) as d:
            d.start()
            found = d.query("count(count_over_time(m[2h]))")
            assert 48 <= found[0][1] <= 50, found
        with open(os.path.join(block, "index"), "r+b") as f:
            f.truncate(1000)
        other = os.path.join(folder, "other")
        said = sonde("import", "prometheus", block, "--data", other, status=1)
        assert "index" in said, said
        said = sonde("import", "prometheus", folder, "--data", other, status=1)
        assert "neither blocks nor a log" in said, said


def bad_words_are_told_what_would_be_good_ones():
    with Folder() as folder:
        for words, says in ((["import"], "say prometheus DIR"),
                            (["import", "prometheus"], "name what to import"),
                            (["import", "openmetrics", "x", "--match", "{}"], "--match is for"),
                            (["import", "openmetrics", "x", "--start", "soon"], "--start and --end"),
                            (["dump", "--start", "soon"], "--start and --end")):
            assert says in sonde(*words, "--data", folder, status=2), words
        assert "No such file" in sonde("import", "openmetrics", folder + "/none", "--data",
                                       folder, status=1)
        assert "parse error" in sonde("dump", "{", "--data", folder, status=1)


run(globals())
