#!/usr/bin/env python3
"""Compares our collectors with prometheus-node-exporter on this machine.

Starts the exporter on a free port of loopback, takes its /metrics before and after one collection
of ours, and looks at every node_* series: name, labels, type, and value. Ours has to lie between
the exporter's two readings, widened by a tolerance for what moves by itself.

usage: tests/collect/compare_node_exporter.py [BENCH | URL] [EXPORTER]
       BENCH     the program that prints our metrics (build/bench.collect.collect)
       URL       the running daemon's /metrics, which collects every second
       EXPORTER  the program to compare with (prometheus-node-exporter)
"""
import math
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from _port import free_port  # noqa: E402

# Collectors of the exporter that are off by default and are turned on.
TURNED_ON = ("buddyinfo cgroups ethtool interrupts ksmd lnstat meminfo_numa mountstats "
             "network_route processes qdisc slabinfo sysctl tcpstat zoneinfo").split()
SYSCTL = ["fs.file-nr:total,current,max", "kernel.threads-max", "vm.lowmem_reserve_ratio"]
# Exporter's families that are not compared, and why.
EXCLUDED = {
    "node_exporter_build_info": "says what the exporter is",
    "node_scrape_collector_duration_seconds": "the exporter's own cost; collectors differ by name",
    "node_scrape_collector_success": "collectors differ by name",
}
# Our families that the exporter may lack, and why.
EXTRA = {
    "node_softnet_cpu_collision_total": "exporter 1.6 and later",
    "node_softnet_received_rps_total": "exporter 1.6 and later",
    "node_softnet_flow_limit_count_total": "exporter 1.6 and later",
    "node_softnet_backlog_len": "exporter 1.6 and later",
    "node_pressure_irq_stalled_seconds_total": "exporter 1.8 and later",
    "node_netstat_TcpExt_TCPOFOQueue": "field list of exporter 1.6 and later",
    "node_netstat_TcpExt_TCPRcvQDrop": "field list of exporter 1.6 and later",
    "node_xfrm_*": "exporter 1.9 and later",
    "node_softirqs_functions_total": "exporter 1.6 and later",
    "node_cpu_online": "exporter 1.8 and later",
    "node_cpu_isolated": "exporter 1.7 and later",
    "node_cpu_vulnerabilities_info": "exporter 1.7 and later",
    "node_cpu_scaling_governor": "exporter 1.6 and later",
    "node_ksmd_general_profit_bytes": "exporter 1.9 and later",
    "node_kernel_hung_tasks_total": "exporter 1.10 and later",
    "node_swap_size_bytes": "exporter 1.10 and later",
    "node_swap_used_bytes": "exporter 1.10 and later",
    "node_swap_priority": "exporter 1.10 and later",
    "node_scrape_collector_duration_seconds": "our own cost",
    "node_scrape_collector_success": "our own cost",
}
# Labels that the exporter's version lacks, and why.
EXTRA_LABELS = {("node_network_info", "adminstate"): "exporter 1.6 and later"}
# Series on one side only, by a label's value, and why.
ONE_SIDE = [
    ("node_network_receive_", "device", "lo", "Debian's exporter leaves lo out of netdev"),
    ("node_network_transmit_", "device", "lo", "Debian's exporter leaves lo out of netdev"),
    ("node_filesystem_", "mountpoint", re.compile(r"/(mnt|media|run)(/|$)"),
     "Debian's exporter leaves /mnt, /media and /run out"),
    ("node_disk_", "device", re.compile(r"zram\d+$"), "exporter 1.6 leaves zram out, 1.5 does not"),
    ("node_processes_", "state", re.compile("."), "a state that holds only for a moment"),
    ("node_tcp_connection_states", "state", re.compile("."), "a state that holds for a moment"),
    ("node_pcidevice_", "bus", re.compile("."), "exporter 1.10 and later"),
    ("node_watchdog_", "name", re.compile("."), "exporter 1.9 and later"),
    ("node_dmmultipath_", "device", re.compile("."), "exporter 1.11 and later"),
    ("node_processes_", "thread_state", re.compile("."), "a state that holds only for a moment"),
]
# How far our value may lie outside the exporter's two readings: absolute, relative.
TOLERANCE = [
    (r"node_(buddyinfo|zoneinfo|slabinfo)_", 200000, 0.5),
    (r"node_tcp_connection_states|node_network_routes", 5000, 0.9),
    (r"node_memory_", 64 << 20, 0.2),
    (r"node_filesystem_(avail|free)", 256 << 20, 0.01),
    (r"node_filesystem_files_free", 20000, 0.01),
    (r"node_processes_|node_procs_|node_sockstat_|node_filefd|node_netstat_Tcp_CurrEstab", 60, 0.5),
    (r"node_load", 1.0, 0.5),
    (r"node_cpu_seconds|node_pressure|node_schedstat", 1.0, 0.02),
    (r"node_time_seconds", 5, 0),
    (r"node_timex", 0.5, 0.01),
    (r"node_.*_total|node_netstat|node_vmstat", 2000, 0.02),
    (r"node_disk_io_now|node_entropy", 100, 0.5),
    (r"", 0, 1e-9),
]
SERIES = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


def parse(text):
    types, series = {}, {}
    for line in text.split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(None, 3)
            types[name] = kind
        elif line and not line.startswith("#"):
            m = SERIES.match(line)
            if not m:
                raise SystemExit("cannot read the line: " + line)
            labels = tuple(sorted(LABEL.findall(m[2] or "")))
            series[m[1], labels] = float(m[3])
    return types, series


COLLECTED_S = 2.5  # after which a collector of every second is ahead of the exporter's first


def ours_of(bench):
    if not bench.startswith("http://"):
        return subprocess.run([bench, "--dump", "--sysctl", " ".join(SYSCTL)], check=True, capture_output=True, text=True,
                              timeout=60).stdout
    time.sleep(COLLECTED_S)
    return fetch(bench)


def fetch(url):
    for _ in range(50):
        try:
            with urllib.request.urlopen(url, timeout=10) as r:
                return r.read().decode()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the exporter does not answer")


def tolerance(name):
    return next((a, r) for pattern, a, r in TOLERANCE if re.match(pattern, name))


def one_side(name, labels):
    for prefix, label, wanted, _ in ONE_SIDE:
        value = dict(labels).get(label)
        if name.startswith(prefix) and value is not None and (
                wanted == value if isinstance(wanted, str) else wanted.match(value)):
            return True
    return False


def bare(name, labels):
    return tuple((k, v) for k, v in labels if (name, k) not in EXTRA_LABELS)


def close(value, before, after, name):
    absolute, relative = tolerance(name)
    low, high = min(before, after), max(before, after)
    room = absolute + relative * max(abs(low), abs(high))
    return value == before or math.isclose(value, after) or low - room <= value <= high + room


def main():
    bench = sys.argv[1] if len(sys.argv) > 1 else "build/bench.collect.collect"
    exporter = sys.argv[2] if len(sys.argv) > 2 else "prometheus-node-exporter"
    if not shutil.which(exporter):
        print("0 passed, 0 failed, 1 skipped: there is no " + exporter)
        return 0
    port = free_port()
    exporter_url = "http://127.0.0.1:%d/metrics" % port
    # A running daemon has to have these on; parameters of the kernel are not asked of it.
    turned_on = [x for x in TURNED_ON if x != "sysctl" or not bench.startswith("http://")]
    flags = ["--collector." + name for name in turned_on + ["stat.softirq", "cpu.info"]]
    flags += ["--collector.sysctl.include=" + name for name in SYSCTL]
    process = subprocess.Popen(
        [exporter, "--web.listen-address=127.0.0.1:%d" % port, "--no-collector.systemd",
         "--log.level=error", "--collector.textfile.directory=", *flags],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        types, before = parse(fetch(exporter_url))
        ours_text = ours_of(bench)
        _, after = parse(fetch(exporter_url))
    finally:
        process.terminate()
        process.wait(10)
    our_types, ours = parse(ours_text)
    ours = {(n, bare(n, labels)): v for (n, labels), v in ours.items()}

    failures, passed, skipped = [], 0, 0
    for (name, labels), value in sorted(after.items()):
        if not name.startswith("node_"):
            continue
        mine = ours.get((name, labels))
        if name in EXCLUDED or (mine is None and one_side(name, labels)):
            skipped += 1
            continue
        text = "%s{%s}" % (name, ",".join('%s="%s"' % x for x in labels))
        if mine is None:
            failures.append("missing: " + text)
        elif not close(mine, before.get((name, labels), value), value, name):
            failures.append("value: %s ours %r, exporter %r" % (text, mine, value))
        else:
            passed += 1
    for name, kind in sorted(types.items()):
        if name.startswith("node_") and name in our_types:
            if our_types[name] == kind:
                passed += 1
            else:
                failures.append("type: %s ours %s, exporter %s" % (name, our_types[name], kind))
    for name, labels in sorted(ours):
        if not name.startswith("node_") or (name, labels) in after:
            continue
        if name in EXTRA or one_side(name, labels) or name.startswith("node_xfrm_"):
            skipped += 1
        else:
            failures.append("not the exporter's: %s{%s}" % (name, labels))
    for line in failures:
        print(line)
    for name, why in sorted({**EXCLUDED, **EXTRA}.items()):
        print("excluded: %s: %s" % (name, why))
    for prefix, label, _, why in ONE_SIDE:
        print("excluded where %s has it: %s*: %s" % (label, prefix, why))
    for (name, label), why in EXTRA_LABELS.items():
        print("excluded: label %s of %s: %s" % (label, name, why))
    print("%d passed, %d failed, %d excluded" % (passed, len(failures), skipped))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
