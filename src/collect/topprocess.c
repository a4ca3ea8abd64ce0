/* The processes that use the most CPU and the most memory.
 *
 * The first N of each list are shown. One that was shown stays until it is no longer among the
 * first 2 N, so that processes near the edge do not come and go; at most 2 N of each list are. */
#include "collect/collector.h"
#include "collect/process.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static const struct family CPU = {"sonde_process_cpu_ratio",
                                  METRIC_GAUGE,
                                  "CPU that a process used since the run before; 1 is one core.",
                                  {"pid", "comm", "group"}};
static const struct family MEMORY = {"sonde_process_resident_memory_bytes",
                                     METRIC_GAUGE,
                                     "Memory that a process has in RAM.",
                                     {"pid", "comm", "group"}};

static void measure(struct process *p, double tick_s)
{
    if (p->read_ns == p->top.at_ns)
        return; /* idle, and not read anew */
    uint64_t ticks = p->user + p->system;
    double ran = (double)(int64_t)(ticks - p->top.ticks) * tick_s;
    double passed = (double)(p->read_ns - p->top.at_ns) / 1e9;
    p->top.ratio = p->top.at_ns && passed > 0 && ran > 0 ? ran / passed : 0;
    p->top.ticks = ticks;
    p->top.at_ns = p->read_ns;
}

static int by_cpu(const void *a, const void *b)
{
    const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;
    if (x->top.ratio != y->top.ratio)
        return x->top.ratio > y->top.ratio ? -1 : 1;
    return x->pid - y->pid;
}

static int by_memory(const void *a, const void *b)
{
    const struct process *x = *(struct process *const *)a, *y = *(struct process *const *)b;
    if (x->resident_pages != y->resident_pages)
        return x->resident_pages > y->resident_pages ? -1 : 1;
    return x->pid - y->pid;
}

static bool idle(const struct process *p)
{
    return p->top.ratio <= 0;
}

static bool no_memory(const struct process *p)
{
    return p->resident_pages == 0;
}

/* Marks what the sorted list shows; *chosen collects over both lists. */
static void choose(struct process **sorted, size_t n, size_t top,
                   bool (*nothing)(const struct process *), bool *chosen,
                   const struct process *first)
{
    for (size_t i = 0; i < n && i < 2 * top && !nothing(sorted[i]); i++)
        if (i < top || sorted[i]->top.shown)
            chosen[sorted[i] - first] = true;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    struct process *v;
    size_t n, top = (size_t)host->settings->process_top_n;
    int err = process_table_acquire(host->processes, &v, &n, why);
    if (err)
        return err;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
    struct process **sorted = mem_array(n + 1, sizeof *sorted);
    bool *chosen = mem_array(n + 1, sizeof *chosen);
    for (size_t i = 0; i < n; i++) {
        measure(&v[i], tick);
        sorted[i] = &v[i];
    }
    qsort(sorted, n, sizeof(struct process *), by_cpu);
    choose(sorted, n, top, idle, chosen, v);
    qsort(sorted, n, sizeof(struct process *), by_memory);
    choose(sorted, n, top, no_memory, chosen, v);

    const struct settings_group *groups = host->settings->groups.v;
    for (size_t i = 0; i < n; i++) {
        struct process *p = &v[i];
        p->top.shown = chosen[i];
        if (!chosen[i])
            continue;
        char digits[24];
        struct buf pid = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&pid, (uint64_t)p->pid);
        int group = process_table_group(host->processes, p);
        struct str name = group < 0 ? STR("") : str_c(groups[group].name);
        emit(e, &CPU, p->top.ratio, buf_str(&pid), str_c(p->comm), name);
        emit(e, &MEMORY, (double)p->resident_pages * page, buf_str(&pid), str_c(p->comm), name);
    }
    process_table_release(host->processes);
    mem_free(sorted);
    mem_free(chosen);
    return 0;
}

const struct collector_ops topprocess_collector = {.open = NULL, .run = run, .close = NULL};
