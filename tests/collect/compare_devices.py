#!/usr/bin/env python3
"""Compares our collectors of devices with prometheus-node-exporter on one made-up machine.

Unpacks devices.tree, a /proc and /sys of a machine that has every device, lets the exporter and
our collectors read it, and compares metric by metric: name, labels, type and value, all equal.

usage: tests/collect/compare_devices.py [BENCH] [EXPORTER]
       BENCH     the program that prints our metrics (build/bench.collect.collect)
       EXPORTER  the program to compare with (prometheus-node-exporter)
"""
import math
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import _systemd  # noqa: E402
from _port import free_port  # noqa: E402
from compare_node_exporter import fetch, parse  # noqa: E402

# Our collectors that read the tree, and the exporter's names for them where they differ.
COLLECTORS = ("bcache bonding btrfs buddyinfo cgroups cpuinfo dmi drbd edac fibrechannel "
              "infiniband interrupts ipvs ksmd lnstat mdadm meminfo_numa mountstats nfs nfsd nvme "
              "rapl slabinfo softirqs sysctl tapestats xfs zfs zoneinfo").split()
THEIRS = {"cpuinfo": "cpu", "softirqs": "stat"}
# Newer collectors, which Debian's exporter has not: their names are in the published output.
NEWER = ("cpu_vulnerabilities dmmultipath kernel_hung pcidevice swap watchdog xfrm").split()
SYSCTL = ["fs.file-nr", "fs.file-nr:total,current,max", "kernel.threads-max"]
SYSCTL_INFO = ["kernel.seccomp.actions_avail"]
# Exporter's families that are not compared, and why.
EXCLUDED = {
    "node_scrape_collector_duration_seconds": "the exporter's own cost",
    "node_scrape_collector_success": "the exporter's own",
    "node_exporter_build_info": "the exporter's own",
    "node_boot_time_seconds": "of the collector stat, which compare_node_exporter.py compares",
    "node_context_switches_total": "of the collector stat",
    "node_forks_total": "of the collector stat",
    "node_intr_total": "of the collector stat",
    "node_procs_blocked": "of the collector stat",
    "node_procs_running": "of the collector stat",
    "node_cpu_seconds_total": "of the collector cpu",
    "node_cpu_guest_seconds_total": "of the collector cpu",
}
# Our families that the exporter of Debian 12 lacks, and why.
EXTRA = {
    "node_btrfs_commits_total": "exporter 1.6 and later",
    "node_btrfs_last_commit_seconds": "exporter 1.6 and later",
    "node_btrfs_max_commit_seconds": "exporter 1.6 and later",
    "node_btrfs_commit_seconds_total": "exporter 1.6 and later",
    "node_softirqs_functions_total": "exporter 1.6 and later",
    "node_ksmd_general_profit_bytes": "exporter 1.9 and later",
    "node_md_raid_disks": "exporter 1.8 and later",
    "node_md_degraded": "exporter 1.8 and later",
    "node_edac_channel_correctable_errors_total": "exporter 1.10 and later",
    "node_edac_channel_uncorrectable_errors_total": "exporter 1.10 and later",
    "node_cpu_isolated": "exporter 1.7 and later",
    "node_cpu_online": "exporter 1.8 and later",
    "node_mountstats_nfs_operations_errors_total": "exporter 1.6 and later",
    "node_mountstats_nfs_mountpoint_info": "exporter 1.8 and later",
    "node_zfs_arc_memory_available_bytes": "exporter 1.6 and later",
    "node_systemd_virtualization_info": "exporter 1.9 and later",
    "events_total": "textfile/metrics_merge_different_help: the exporter drops one of two files "
                    "whose help differs",
}


# Series that the exporter adds with 0 and no file has: sum and count of a summary without them.
INVENTED = ("prometheus_rule_evaluation_duration_seconds_count",
            "prometheus_rule_evaluation_duration_seconds_sum")
# Families of whole collectors that Debian's exporter has not; see published().
NEWER_FAMILIES = ("node_swap_", "node_xfrm_", "node_watchdog_", "node_pcidevice_",
                  "node_dmmultipath_", "node_kernel_hung_", "node_cpu_vulnerabilities_",
                  "node_zfs_dbuf_", "node_cpu_online", "node_cpu_isolated")
# Labels that the exporter's version lacks, and why: a prefix of families, the label.
EXTRA_LABELS = {("node_mountstats_nfs_transport_", "transport"): "exporter 1.9 and later"}
# Values in which we differ on purpose, and why.
DIFFERENT = {
    "node_drbd_network_received_bytes_total": "the exporter takes the file's KiB for bytes",
    "node_nfsd_requests_total": "the exporter of Debian 12 does not know SetClientID and so takes "
                                "Verify, Write and RelLockOwner from two places before their own",
    "node_zfs_zpool_state": "exporter 1.6 and later know the state suspended",
}


def unpack(root):
    with open(os.path.join(HERE, "devices.tree"), encoding="utf-8") as f:
        for block in f.read().split("== ")[1:]:
            head, text = block.split("\n", 1)
            name, _, target = head.partition(" -> ")
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if target:
                os.makedirs(os.path.join(os.path.dirname(path), target), exist_ok=True)
                os.symlink(target, path)
            else:
                with open(path, "w", encoding="utf-8") as out:
                    out.write(text)


def ours_of(bench, root):
    command = [bench, "--dump", "--root", root, "--only", ",".join(COLLECTORS + NEWER),
               "--sysctl", " ".join(SYSCTL), "--sysctl-info", " ".join(SYSCTL_INFO)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def scrape(exporter, *flags, user=None, env=None):
    port = free_port()
    command = [exporter, "--web.listen-address=127.0.0.1:%d" % port, "--log.level=error",
               "--collector.disable-defaults", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               user=user, env=env)
    try:
        return fetch("http://127.0.0.1:%d/metrics" % port)
    finally:
        process.terminate()
        process.wait(10)


def textfiles(bench, exporter):
    """Each published folder of text files, read by both."""
    folder = os.path.join(os.environ.get("SONDE_CASES", "../shared"),
                          "conformance/exposition/node_exporter/textfile")
    failures, passed, excluded = [], 0, 0
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.abspath(os.path.join(folder, name))
        try:
            theirs = scrape(exporter, "--collector.textfile", "--collector.textfile.directory=" + path)
        except Exception as e:  # the exporter refuses the whole page for an inconsistent folder
            print("excluded: textfile/%s: the exporter gives nothing: %s" % (name, e))
            excluded += 1
            continue
        ours = subprocess.run([bench, "--dump", "--only", "textfile", "--textfiles", path],
                              check=True, capture_output=True, text=True, timeout=60).stdout
        more, equal, out = compare(theirs, ours, "")
        failures += ["textfile/%s: %s" % (name, line) for line in more]
        passed += equal
        excluded += out
    return failures, passed, excluded


def systemd(bench, exporter, root):
    """Both ask a stand-in for systemd; the exporter goes over the system bus, as it does when it is
    not root."""
    path = root + "/run/dbus/system_bus_socket"
    listener = _systemd.start(path)
    os.chmod(root, 0o755)
    try:
        theirs = scrape(exporter, "--collector.systemd", "--collector.logind",
                        "--collector.systemd.enable-restarts-metrics",
                        "--collector.systemd.enable-start-time-metrics",
                        "--collector.systemd.enable-task-metrics",
                        user=65534 if os.getuid() == 0 else None,
                        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=" + path})
        ours = subprocess.run([bench, "--dump", "--root", root, "--only", "systemd,logind",
                               "--systemd-details", "yes"], check=True, capture_output=True,
                              text=True, timeout=60).stdout
    finally:
        listener.close()
    return compare(theirs, ours)


def theirs_of(exporter, root):
    names = sorted({THEIRS.get(name, name) for name in COLLECTORS})
    flags = ["--path.procfs=%s/proc" % root, "--path.sysfs=%s/sys" % root,
             "--path.rootfs=%s" % root, "--collector.stat.softirq", "--collector.cpu.info",
             "--collector.cpu.info.flags-include=^(aes|avx.?)$",
             "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
             "--collector.bcache.priorityStats"]
    flags += ["--collector." + name for name in names]
    flags += ["--collector.sysctl.include=" + name for name in SYSCTL]
    flags += ["--collector.sysctl.include-info=" + name for name in SYSCTL_INFO]
    return scrape(exporter, *flags)


def newer_label(name, label):
    return any(name.startswith(prefix) and label == wanted for prefix, wanted in EXTRA_LABELS)


def bare(series):
    """Without empty labels, which are no labels to Prometheus, and without newer ones."""
    return {(name, tuple((k, v) for k, v in labels if v and not newer_label(name, k))): value
            for (name, labels), value in series.items()}


def said(name, labels):
    return "%s{%s}" % (name, ",".join('%s="%s"' % x for x in labels))


def ours_to_give(name, prefix):
    return (name.startswith(prefix) and name not in EXCLUDED and
            not name.startswith(("go_", "process_", "promhttp_", "sonde_")))


def compare(theirs_text, ours_text, prefix="node_"):
    types, theirs = parse(theirs_text)
    our_types, ours = parse(ours_text)
    theirs, ours = bare(theirs), bare(ours)
    failures, passed, excluded = [], 0, 0
    for (name, labels), value in sorted(theirs.items()):
        if not ours_to_give(name, prefix):
            continue
        mine = ours.get((name, labels))
        if mine is None and name in INVENTED and value == 0:
            excluded += 1
        elif mine is None:
            failures.append("missing: " + said(name, labels))
        elif name in DIFFERENT and mine != value:
            excluded += 1
        elif not math.isclose(mine, value, rel_tol=1e-12):
            failures.append("value: %s ours %r, exporter %r" % (said(name, labels), mine, value))
        else:
            passed += 1
    for name, kind in sorted(types.items()):
        if name in our_types and our_types[name] != kind:
            failures.append("type: %s ours %s, exporter %s" % (name, our_types[name], kind))
        passed += our_types.get(name) == kind
    for name, labels in sorted(ours):
        if (name, labels) in theirs or not ours_to_give(name, prefix):
            continue
        if name in EXTRA or name in DIFFERENT or name.startswith(NEWER_FAMILIES):
            excluded += 1
        else:
            failures.append("not the exporter's: " + said(name, labels))
    return failures, passed, excluded


def published(ours_text):
    """Families that Debian's exporter lacks: each has to be in the exporter's published output."""
    path = os.path.join(os.environ.get("SONDE_CASES", "../shared"),
                        "conformance/exposition/node_exporter/e2e-output.txt")
    if not os.path.exists(path):
        return [], 0, 1
    with open(path, encoding="utf-8", errors="replace") as f:
        wanted, published_series = parse(f.read())
    labels_of = {}
    for name, labels in published_series:
        labels_of.setdefault(name, set()).update(k for k, _ in labels)
    our_types, ours = parse(ours_text)
    failures, passed = [], 0
    for name, labels in sorted(ours):
        if name not in wanted or name in EXCLUDED or name == "node_dmi_info":
            continue  # labels of node_dmi_info are those that the published machine has
        unknown = {k for k, v in labels if v} - labels_of.get(name, set())
        if unknown or our_types.get(name) != wanted[name]:
            failures.append("not as published: %s %s" % (said(name, labels), our_types.get(name)))
        else:
            passed += 1
    return failures, passed, 0


def main():
    bench = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/bench.collect.collect")
    exporter = sys.argv[2] if len(sys.argv) > 2 else "prometheus-node-exporter"
    root = tempfile.mkdtemp(prefix="sonde-devices-")
    try:
        unpack(root)
        ours = ours_of(bench, root)
        failures, passed, skipped = published(ours)
        excluded = 0
        if shutil.which(exporter):
            more, equal, excluded = compare(theirs_of(exporter, root), ours)
            failures += more
            passed += equal
            for more, equal, out in (textfiles(bench, exporter), systemd(bench, exporter, root)):
                failures += more
                passed += equal
                excluded += out
        else:
            skipped += 1
    finally:
        shutil.rmtree(root)
    for line in failures:
        print(line)
    for name, why in sorted({**EXCLUDED, **EXTRA, **DIFFERENT}.items()):
        print("excluded: %s: %s" % (name, why))
    print("%d passed, %d failed, %d skipped, %d excluded" % (passed, len(failures), skipped,
                                                             excluded))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
