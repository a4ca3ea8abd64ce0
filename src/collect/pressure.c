/* Pressure stall information: how long tasks waited for CPU, memory, disk and interrupts. */
#include "collect/collector.h"

#include <string.h>

#include "base/mem.h"
#include "collect/pseudo.h"

/* The line of each file that is counted: "some" is any task waiting, "full" is all of them. */
static const struct {
    const char *path;
    struct str line;
    struct family family;
} ROWS[] = {
    {"/pressure/cpu",
     STR("some"),
     {"node_pressure_cpu_waiting_seconds_total",
      METRIC_COUNTER,
      "Time that some task waited for CPU.",
      {NULL}}},
    {"/pressure/io",
     STR("some"),
     {"node_pressure_io_waiting_seconds_total",
      METRIC_COUNTER,
      "Time that some task waited for a disk.",
      {NULL}}},
    {"/pressure/io",
     STR("full"),
     {"node_pressure_io_stalled_seconds_total",
      METRIC_COUNTER,
      "Time that no task could go on because of disks.",
      {NULL}}},
    {"/pressure/memory",
     STR("some"),
     {"node_pressure_memory_waiting_seconds_total",
      METRIC_COUNTER,
      "Time that some task waited for memory.",
      {NULL}}},
    {"/pressure/memory",
     STR("full"),
     {"node_pressure_memory_stalled_seconds_total",
      METRIC_COUNTER,
      "Time that no task could go on because of memory.",
      {NULL}}},
    {"/pressure/irq",
     STR("full"),
     {"node_pressure_irq_stalled_seconds_total",
      METRIC_COUNTER,
      "Time that no task could go on because of interrupts.",
      {NULL}}},
};
enum { ROWS_N = COUNTOF(ROWS) };

struct state {
    struct pseudo files[ROWS_N]; /* that of a row; a row with the path before shares its text */
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    for (size_t i = 0; i < ROWS_N; i++)
        pseudo_init(&s->files[i], host->proc, ROWS[i].path);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    for (size_t i = 0; i < ROWS_N; i++)
        pseudo_done(&s->files[i]);
    mem_free(s);
}

/* The number after "total=" in the line that starts with name, microseconds. */
static bool total(struct str text, struct str name, uint64_t *ret)
{
    struct str line;
    while (pseudo_line(&text, &line)) {
        if (!str_starts(line, name))
            continue;
        size_t at = str_search(line, STR("total="));
        struct str rest = str_sub(line, at + 6, line.n);
        return at < line.n && pseudo_u64(&rest, ret);
    }
    return false;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct str text = {0};
    bool have = false, any = false;
    for (size_t i = 0; i < ROWS_N; i++) {
        uint64_t us;
        if (i == 0 || strcmp(ROWS[i].path, ROWS[i - 1].path) != 0)
            have = pseudo_read(&s->files[i], &text, NULL) == 0;
        if (have && total(text, ROWS[i].line, &us)) {
            emit_plain(e, &ROWS[i].family, (double)us / 1e6);
            any = true;
        }
    }
    if (!any)
        return why_set(why, ERR_NOENT, "the kernel has no %s/pressure (psi=1 turns it on)",
                       host->proc);
    return 0;
}

const struct collector_ops pressure_collector = {
    .open = open_state, .run = run, .close = close_state};
