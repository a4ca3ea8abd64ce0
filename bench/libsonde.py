"""The row about libsonde: what a call costs its thread, alone and from eight at once, and what the
library adds to a process."""
import os
import shutil
import subprocess

import load

# Case, what it is, gate and aim in nanoseconds for one thread; None: no gate.
CASES = [
    ("counter_add", "counter add", 10, 5),
    ("counter_with", "counter of two label values that are looked up", None, None),
    ("gauge_set", "gauge set", None, None),
    ("histogram_observe", "histogram observe, 11 buckets", 25, 15),
    ("histogram_native", "histogram observe, native", 25, 15),
    ("summary_observe", "summary observe", None, None),
    ("operation", "operation begin and complete", 100, 50),
    ("operation_failed", "operation begin and fail with a message", None, None),
    ("frame_mark", "frame mark", None, 50),
    ("span", "span with 4 attributes", 120, 60),
    ("span_unsampled", "span with 4 attributes, not sampled", None, None),
    ("span_disabled", "span with 4 attributes, tracing off", 3, 2),
    ("error_captured", "error capture, 20 frames deep", 50000, 20000),
    ("error_dropped", "error that is dropped", 1000, 300),
    ("breadcrumb", "breadcrumb", None, 100),
    ("cache_hit", "cache hit", 10, None),
    ("cache_lookup", "cache lookup with its response time", None, None),
    ("memory_counted", "counted allocation and its release", None, None),
    ("log_record", "log record with 2 attributes", None, None),
    ("log_below_level", "log call below the level", None, None),
    ("disabled_counter_add", "counter add before the start", None, None),
    ("disabled_operation", "operation before the start", None, None),
]
# Those whose eight-thread figure has a gate: 1.5 x, aim 1.1 x.
SHARED = {"counter_add", "histogram_observe", "histogram_native", "operation", "span"}
PEERS = {"counter_add": ("locked_lookup", "looked up under a lock"),
         "counter_with": ("locked_lookup", "looked up under a lock"),
         "memory_counted": ("memory_plain", "malloc and free"),
         "operation": ("clock_pair", "a pair of clock_gettime"),
         "span": ("clock_pair", "a pair of clock_gettime")}
EMPTY = """#include <stdio.h>
#include <string.h>
int main(void) {
    char line[200];
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) if (!strncmp(line, "VmRSS:", 6)) fputs(line + 6, stdout);
    return 0;
}
"""
USED = """#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sonde/sonde.h>
static void *use(void *family) {
    for (int i = 0; i < 1000; i++) {
        const char *values[] = {i % 2 ? "a" : "b"};
        sonde_counter_add(sonde_counter_with(family, values), 1);
        sonde_tracker t = sonde_operation_begin(sonde_operation_get("shop", "order"));
        sonde_operation_complete(&t);
        sonde_span *s = sonde_span_start("work", SONDE_SPAN_INTERNAL);
        sonde_span_end(s);
        sonde_log_write(SONDE_LEVEL_INFO, "shop", "an order", NULL, 0);
    }
    return NULL;
}
int main(void) {
    char line[200];
    pthread_t t[4];
    const char *names[] = {"kind", NULL};
    if (sonde_init(NULL)) return 1;
    sonde_family *f = sonde_counter_family("used_total", "Used.", names);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, use, f);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    sonde_error_capture(SONDE_LEVEL_ERROR, "StoreError", "refused");
    sleep(2);
    FILE *p = fopen("/proc/self/status", "r");
    while (p && fgets(line, sizeof line, p)) if (!strncmp(line, "VmRSS:", 6)) fputs(line + 6, stdout);
    return sonde_shutdown(1000) == 0 ? 0 : 0;
}
"""


def build_folder(b):
    return os.path.dirname(b.binary)


def measured(b, folder):
    program = os.path.join(build_folder(b), "bench.client.sonde.libsonde")
    spool = os.path.join(folder, "spool")
    out = subprocess.run([program], check=True, capture_output=True, text=True, timeout=600,
                         env={**os.environ, "SONDE_SPOOL_DIR": spool}).stdout
    rows = {}
    for line in out.splitlines():
        words = line.split()
        if len(words) == 3:
            rows[words[0]] = (float(words[1]), float(words[2]))
    return rows


def shown(ns):
    return f"{ns / 1000:.1f} us" if ns >= 1000 else f"{ns:.1f} ns" if ns < 100 else f"{ns:.0f} ns"


def calls(b, rows):
    for case, what, gate, aim in CASES:
        if case not in rows:
            continue
        one, eight = rows[case]
        peer, words = PEERS.get(case, ("", ""))
        b.add(f"libsonde: {what}", shown(one), f"{shown(rows[peer][0])} {words}" if peer else "",
              f"{one / rows[peer][0]:.2f}" if peer else "", shown(gate) if gate else "",
              shown(aim) if aim else "", one <= gate if gate else None,
              one <= aim if gate and aim else None, one=one, eight=eight)
        if case in SHARED:
            b.add(f"libsonde: {what}, 8 threads at once", shown(eight), "", f"{eight / one:.2f} x",
                  "1.5 x", "1.1 x", eight <= 1.5 * one, eight <= 1.1 * one)


def resident(b, folder, name, text, *flags):
    source, program = os.path.join(folder, name + ".c"), os.path.join(folder, name)
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source, *flags], check=True)
    figures = []
    for _ in range(3):
        out = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60,
                             env={**os.environ, "LD_LIBRARY_PATH": build_folder(b),
                                  "SONDE_SOCKET": "",
                                  "SONDE_SPOOL_DIR": os.path.join(folder, "spool-" + name)}).stdout
        figures.append(int(out.split()[0]))
    return sorted(figures)[1]


def sizes(b, folder):
    library = os.path.join(build_folder(b), "libsonde.so")
    plain = resident(b, folder, "empty", EMPTY)
    used = resident(b, folder, "used", USED, "-I", os.path.join(load.ROOT, "include"),
                    "-L", build_folder(b), "-lsonde", "-lpthread")
    mib = (used - plain) / 1024
    b.add("libsonde: RSS that it adds to a program (4 threads, all of it used)", f"{mib:.2f} MiB",
          gate="3 MiB", aim="2 MiB", met=mib <= 3, aim_met=mib <= 2)
    stripped = os.path.join(folder, "stripped.so")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, os.path.realpath(library)],
                   check=True)
    kib = os.path.getsize(stripped) / 1024
    b.add("libsonde: size of the stripped shared library", f"{kib:.0f} KiB", gate="400 KiB",
          aim="300 KiB", met=kib <= 400, aim_met=kib <= 300)


def libsonde(b):
    folder = os.path.join(b.folder, "libsonde")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rows = measured(b, folder)
    calls(b, rows)
    for case, what in (("locked_lookup", "a metric that is looked up under a lock"),
                       ("clock_pair", "a pair of clock_gettime"), ("time_stamp", "rdtsc")):
        if case in rows:
            one, eight = rows[case]
            b.add(f"beside it: {what}", "", f"{shown(one)}; 8 threads {shown(eight)}")
    sizes(b, folder)
