#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/memory/gc.h"
#include "client/memory/heap.h"
#include "client/memory/memory.h"

enum family {
    FAMILY_BYTES,
    FAMILY_PEAK,
    FAMILY_ALLOCATIONS,
    FAMILY_FREES,
    FAMILY_ALLOCATED,
    FAMILY_FREED,
    FAMILY_FAILURES,
    FAMILY_RESERVED,
    FAMILY_FRAGMENTATION,
    FAMILIES
};

static const struct {
    const char *name, *unit, *help;
    enum source_type type;
} families[FAMILIES] = {
    {"sonde_memory_bytes", "bytes", "What the subsystem holds now.", SOURCE_GAUGE},
    {"sonde_memory_peak_bytes", "bytes", "The most that it has held.", SOURCE_GAUGE},
    {"sonde_memory_allocations", NULL, "Blocks that it has allocated.", SOURCE_COUNTER},
    {"sonde_memory_frees", NULL, "Blocks that it has freed.", SOURCE_COUNTER},
    {"sonde_memory_allocated_bytes", "bytes", "Bytes that it has allocated.", SOURCE_COUNTER},
    {"sonde_memory_freed_bytes", "bytes", "Bytes that it has freed.", SOURCE_COUNTER},
    {"sonde_memory_failures", NULL, "Allocations that found no memory.", SOURCE_COUNTER},
    {"sonde_memory_reserved_bytes", "bytes", "What its allocator has from the system.",
     SOURCE_GAUGE},
    {"sonde_memory_fragmentation_ratio", "ratio", "Share of the reserved bytes that holds nothing.",
     SOURCE_GAUGE},
};

static void read_families(struct memory *m, uint64_t now_ns, double ret[FAMILIES])
{
    sonde_memory_stats s;
    memory_stats(m, now_ns, &s);
    ret[FAMILY_BYTES] = (double)s.bytes;
    ret[FAMILY_PEAK] = (double)s.bytes_peak;
    ret[FAMILY_ALLOCATIONS] = (double)s.allocations;
    ret[FAMILY_FREES] = (double)s.frees;
    ret[FAMILY_ALLOCATED] = (double)s.allocated_bytes;
    ret[FAMILY_FREED] = (double)s.freed_bytes;
    ret[FAMILY_FAILURES] = (double)s.failures;
    ret[FAMILY_RESERVED] = s.reserved > 0 ? (double)s.reserved : (double)NAN;
    ret[FAMILY_FRAGMENTATION] = s.fragmentation;
}

static void write_mismatches(struct source_writer *w)
{
    static const char *const kinds[MEMORY_MISMATCHES] = {"foreign", "subsystem"};
    source_family(w, "sonde_memory_mismatches", SOURCE_COUNTER,
                  "Pointers given to a counted allocator that were not its own.", NULL);
    for (int i = 0; i < MEMORY_MISMATCHES; i++) {
        const sonde_label labels[] = {{"kind", kinds[i]}, {NULL, NULL}};
        source_sample(w, "_total", labels, (double)memory_mismatches((enum memory_mismatch)i));
    }
}

void memory_write(struct source_writer *w, void *unused)
{
    static double values[MEMORY_MAX + 1][FAMILIES]; /* under the exporter's lock */
    uint64_t now = ticks_monotonic_ns();
    size_t n = memory_count();
    for (size_t i = 0; i < n; i++) {
        read_families(memory_at(i), now, values[i]);
    }
    for (size_t f = 0; n && f < FAMILIES; f++) {
        source_family(w, families[f].name, families[f].type, families[f].help, families[f].unit);
        for (size_t i = 0; i < n; i++) {
            const sonde_label labels[] = {{"subsystem", memory_at(i)->name}, {NULL, NULL}};
            if (!isnan(values[i][f])) {
                source_sample(w, families[f].type == SOURCE_COUNTER ? "_total" : "", labels,
                              values[i][f]);
            }
        }
    }
    if (n) {
        write_mismatches(w);
    }
    gc_write(w);
}

static void answer_subsystem(struct memory *m, struct jot *j)
{
    sonde_memory_stats s;
    memory_stats(m, ticks_monotonic_ns(), &s);
    jot_object(j, NULL);
    jot_string(j, "subsystem", m->name);
    jot_i64(j, "bytes", s.bytes);
    jot_i64(j, "peak_bytes", s.bytes_peak);
    jot_u64(j, "allocations", s.allocations);
    jot_u64(j, "frees", s.frees);
    jot_u64(j, "failures", s.failures);
    jot_u64(j, "allocated_bytes", s.allocated_bytes);
    jot_u64(j, "freed_bytes", s.freed_bytes);
    jot_number(j, "allocated_bytes_per_second_10s", s.allocated_bytes_per_second_10s);
    jot_number(j, "allocations_per_second_10s", s.allocations_per_second_10s);
    jot_number(j, "allocated_bytes_per_second_60s", s.allocated_bytes_per_second_60s);
    jot_number(j, "allocations_per_second_60s", s.allocations_per_second_60s);
    if (s.reserved > 0) {
        jot_i64(j, "reserved_bytes", s.reserved);
        jot_number(j, "fragmentation", s.fragmentation);
    }
    jot_end(j);
}

static void answer_subsystems(struct jot *j)
{
    jot_array(j, "subsystems");
    for (size_t i = 0; i < memory_count(); i++) {
        answer_subsystem(memory_at(i), j);
    }
    jot_end(j);
    jot_object(j, "mismatches");
    jot_u64(j, "foreign", memory_mismatches(MEMORY_FOREIGN));
    jot_u64(j, "subsystem", memory_mismatches(MEMORY_OTHER_SUBSYSTEM));
    jot_end(j);
}

int memory_answer(const struct command_call *call, struct jot *j, char *problem)
{
    const char *what = call->n > 1 ? call->words[1] : "";
    if (!*what || strcmp(what, "subsystems") == 0) {
        jot_number(j, "rss_bytes", heap_rss_bytes());
        answer_subsystems(j);
    } else if (strcmp(what, "malloc") == 0) {
        heap_malloc(j);
    } else if (strcmp(what, "jemalloc") == 0) {
        heap_jemalloc(j); /* says itself that it is not there */
    } else if (strcmp(what, "smaps") == 0) {
        heap_smaps(j);
    } else if (strcmp(what, "gc") == 0) {
        gc_answer(j);
    } else {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "memory subsystems, malloc, jemalloc, smaps or gc, not \"%.60s\"", what);
        return SONDE_ERROR_ARGUMENT;
    }
    return 0;
}
