#!/usr/bin/env python3
"""Measures Sonde beside VictoriaMetrics and Prometheus and compares with the gates.

usage: ./dev bench [--quick] [--write] [ROW..]
  --quick  small versions of the rows, a few minutes for all
  --write  puts the table into docs/benchmarks.md
Rows: see --list. The daemon is $SONDE, or build-release/sonde, or build/sonde. Results also go to
build/bench.json. docs/benchmarks.md says how each row is measured.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import checks
import faults
import host
import influx
import ingest
import libsonde
import load
import mixed
import moving
import query
import rules
import scrape
import statsd
import watchdog
from bench import Bench

# Row name, what makes it; the order in which they run.
ROWS = {"remote-write": ingest.remote_write, "otlp": ingest.otlp, "size-15s": ingest.size_15s, "query": query.queries,
        "mixed": mixed.mixed,
        "size-jitter": ingest.size_jitter, "size-1s": ingest.size_1s, "written": ingest.written,
        "million": ingest.million, "collectors": host.collectors, "metrics": host.metrics,
        "statsd": statsd.statsd, "import": moving.import_block,
        "scrape": scrape.scrape, "rules": rules.rules,
        "kill": faults.kill, "powercut": faults.powercut, "diskfull": faults.diskfull,
        "clock": faults.clock, "memory": faults.memory, "abuse": faults.abuse, "influx": influx.influx,
        "checks": checks.checks, "libsonde": libsonde.libsonde,
        "watchdog": watchdog.watchdog, "watchdog-crashes": watchdog.crashes}


def machine():
    cpu = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def daemon():
    for path in (os.environ.get("SONDE"), os.path.join(load.ROOT, "build-release", "sonde"),
                 os.path.join(load.ROOT, "build", "sonde")):
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    sys.exit("bench: build/sonde is not there: ./dev build makes it")


def table(results):
    lines = ["| what | Sonde | peer | ratio | gate | aim | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for r in results:
        verdict = {True: "met", False: "**missed**", None: ""}[r["met"]]
        if r["met"] and r["aim_met"]:
            verdict = "aim met"
        lines.append("| " + " | ".join([r["what"], r["ours"], r["peer"], r["ratio"], r["gate"],
                                        r["aim"], verdict]) + " |")
    return "\n".join(lines) + "\n"


def write_page(text, note):
    path = os.path.join(load.ROOT, "docs", "benchmarks.md")
    begin, end = "<!-- begin of the table -->\n", "<!-- end of the table -->"
    with open(path, encoding="utf-8") as f:
        page = f.read()
    head, rest = page.split(begin, 1)
    tail = rest.split(end, 1)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + begin + note + "\n\n" + text + end + tail)


def merge_results(path, results):
    """Rows that were not measured this time keep their last figures."""
    try:
        with open(path, encoding="utf-8") as f:
            known = {r["what"]: r for r in json.load(f)["results"]}
    except (OSError, ValueError, KeyError):
        known = {}
    known.update({r["what"]: r for r in results})
    order = {name: i for i, name in enumerate(ROWS)}
    return sorted(known.values(), key=lambda r: order.get(r["row"], len(order)))


def save(args, note, bench):
    """Writes the JSON file after each row; all figures that are known now."""
    results = bench.results if args.quick else merge_results(args.json, bench.results)
    os.makedirs(os.path.dirname(args.json), exist_ok=True)
    with open(args.json + (".quick" if args.quick else ""), "w", encoding="utf-8") as f:
        json.dump({"note": note, "results": results}, f, indent=1)
    return results


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--write", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--json", default=os.path.join(load.ROOT, "build", "bench.json"))
    p.add_argument("rows", nargs="*")
    args = p.parse_args()
    unknown = [r for r in args.rows if r not in ROWS]
    if args.list or unknown:
        print("rows: " + " ".join(ROWS))
        return 2 if unknown else 0
    folder = tempfile.mkdtemp(prefix="sonde-bench-")
    bench = Bench(folder, daemon(), args.quick)
    failed = []
    begin = time.monotonic()
    note = (f"Measured {time.strftime('%Y-%m-%d', time.gmtime())}"
            f"{' with --quick' if args.quick else ''} on {machine()}.")
    try:
        for name in args.rows or ROWS:
            since = time.monotonic()
            print(f"== {name}", flush=True)
            bench.row = name
            try:
                ROWS[name](bench)
            except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as e:
                traceback.print_exc()
                failed.append(f"{name}: {e}")
            save(args, note, bench)
            print(f"   {time.monotonic() - since:.0f} s", flush=True)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    results = save(args, note, bench)
    text = table(results)
    print("\n" + note + "\n" + text)
    if args.write and not args.quick:
        write_page(text, note)
    for line in failed:
        print(f"could not be measured: {line}")
    missed = [r["what"] for r in bench.results if r["met"] is False]
    print(f"{time.monotonic() - begin:.0f} s; {len(bench.results)} figures, {len(missed)} miss their "
          f"gate, {len(failed)} rows failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
