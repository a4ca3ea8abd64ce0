/* This daemon: the standard metrics of a process, and all of base/stat.h. */
#include "collect/collector.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/stat.h"
#include "collect/process.h"
#include "collect/pseudo.h"

static const struct family CPU = {"process_cpu_seconds_total",
                                  METRIC_COUNTER,
                                  "CPU time of this process, user and system.",
                                  {NULL}};
static const struct family OPEN = {
    "process_open_fds", METRIC_GAUGE, "Open files of this process.", {NULL}};
static const struct family OPEN_MAX = {
    "process_max_fds", METRIC_GAUGE, "The limit on open files of this process.", {NULL}};
static const struct family VIRTUAL = {
    "process_virtual_memory_bytes", METRIC_GAUGE, "Address space of this process.", {NULL}};
static const struct family VIRTUAL_MAX = {
    "process_virtual_memory_max_bytes", METRIC_GAUGE, "The limit on the address space.", {NULL}};
static const struct family RESIDENT = {
    "process_resident_memory_bytes", METRIC_GAUGE, "Memory of this process in RAM.", {NULL}};
static const struct family START = {
    "process_start_time_seconds", METRIC_GAUGE, "When this process started.", {NULL}};

struct state {
    struct pseudo stat, boot;
    double boot_s;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    pseudo_init(&s->stat, host->proc, "/self/stat");
    pseudo_init(&s->boot, host->proc, "/stat");
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->stat);
    pseudo_done(&s->boot);
    mem_free(s);
}

static double boot_time(struct state *s)
{
    struct str text, line, word;
    double boot = 0;
    if (pseudo_read(&s->boot, &text, NULL))
        return 0;
    while (pseudo_line(&text, &line))
        if (str_starts(line, STR("btime ")) && str_word(&line, &word))
            (void)pseudo_number(&line, &boot); /* 0 where it is odd */
    return boot;
}

static void give_limit(struct emit *e, const struct family *f, int resource)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) == 0)
        emit_plain(e, f, (double)limit.rlim_cur);
}

static void give_files(struct emit *e, const struct collector_host *host)
{
    char path[PSEUDO_SMALL];
    snprintf(path, sizeof path, "%s/self/fd", host->proc);
    size_t n;
    if (pseudo_count(path, &n) == 0)
        emit_plain(e, &OPEN, (double)n);
}

static void give_stat(void *context, const struct stat_sample *s)
{
    emit_stat(context, s);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct str text;
    struct process p = {0};
    int err = pseudo_read(&s->stat, &text, why);
    if (err)
        return err;
    if (!process_parse(text, &p))
        return why_set(why, ERR_FORMAT, "%s is not as proc(5) says", s->stat.path);
    if (s->boot_s <= 0)
        s->boot_s = boot_time(s);
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    emit_plain(e, &CPU, (double)used.tv_sec + (double)used.tv_nsec / 1e9);
    give_files(e, host);
    give_limit(e, &OPEN_MAX, RLIMIT_NOFILE);
    emit_plain(e, &VIRTUAL, (double)p.virtual_bytes);
    give_limit(e, &VIRTUAL_MAX, RLIMIT_AS);
    emit_plain(e, &RESIDENT, (double)p.resident_pages * (double)sysconf(_SC_PAGESIZE));
    emit_plain(e, &START, s->boot_s + (double)p.start / (double)sysconf(_SC_CLK_TCK));
    stat_each(give_stat, e);
    return 0;
}

const struct collector_ops self_collector = {.open = open_state, .run = run, .close = close_state};
