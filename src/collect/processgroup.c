/* Named groups of processes, under process-exporter's names.
 *
 * Counters are sums of what each member added since it was seen first, its whole life before that
 * included; they keep what members added that have ended. Open files, I/O and swap of strangers'
 * processes need rights; what cannot be read is not counted. */
#include "collect/collector.h"
#include "collect/process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "collect/pseudo.h"

#define GROUP "groupname"
static const struct family PROCESSES = {
    "namedprocess_namegroup_num_procs", METRIC_GAUGE, "Processes in the group.", {GROUP}};
static const struct family THREADS = {
    "namedprocess_namegroup_num_threads", METRIC_GAUGE, "Threads in the group.", {GROUP}};
static const struct family CPU = {"namedprocess_namegroup_cpu_seconds_total",
                                  METRIC_COUNTER,
                                  "CPU time of the group.",
                                  {GROUP, "mode"}};
static const struct family MEMORY = {"namedprocess_namegroup_memory_bytes",
                                     METRIC_GAUGE,
                                     "Memory of the group.",
                                     {GROUP, "memtype"}};
static const struct family FILES = {
    "namedprocess_namegroup_open_filedesc", METRIC_GAUGE, "Open files of the group.", {GROUP}};
static const struct family FILES_WORST = {
    "namedprocess_namegroup_worst_fd_ratio",
    METRIC_GAUGE,
    "Open files as a share of the limit, of the member nearest to it.",
    {GROUP}};
static const struct family READ = {"namedprocess_namegroup_read_bytes_total",
                                   METRIC_COUNTER,
                                   "Bytes that the group read from disks.",
                                   {GROUP}};
static const struct family WRITTEN = {"namedprocess_namegroup_write_bytes_total",
                                      METRIC_COUNTER,
                                      "Bytes that the group wrote to disks.",
                                      {GROUP}};
static const struct family MAJOR = {"namedprocess_namegroup_major_page_faults_total",
                                    METRIC_COUNTER,
                                    "Page faults that read a disk.",
                                    {GROUP}};
static const struct family MINOR = {"namedprocess_namegroup_minor_page_faults_total",
                                    METRIC_COUNTER,
                                    "Page faults that read no disk.",
                                    {GROUP}};
static const struct family SWITCHES = {"namedprocess_namegroup_context_switches_total",
                                       METRIC_COUNTER,
                                       "Context switches.",
                                       {GROUP, "ctxswitchtype"}};
static const struct family OLDEST = {"namedprocess_namegroup_oldest_start_time_seconds",
                                     METRIC_GAUGE,
                                     "When the oldest member started.",
                                     {GROUP}};
static const struct family STATES = {
    "namedprocess_namegroup_states", METRIC_GAUGE, "Processes by state.", {GROUP, "state"}};

enum { STATE_RUNNING, STATE_SLEEPING, STATE_WAITING, STATE_ZOMBIE, STATE_OTHER, STATES_N };
static const char *const STATE_NAMES[STATES_N] = {"Running", "Sleeping", "Waiting", "Zombie",
                                                  "Other"};
enum { TEXT_MAX = 8192 }; /* bytes of status, io, limits */

struct group {
    /* of this run */
    double processes, threads, resident, virtual, swapped, files, files_worst, oldest;
    double states[STATES_N];
    /* for ever */
    uint64_t user, system, minor_faults, major_faults, read_bytes, write_bytes, voluntary,
        involuntary;
};

struct state {
    struct group *groups; /* [n] */
    size_t n;
    double boot_s;
};

/* The number after "name" at the start of a line; false where there is none. */
static bool row(struct str text, struct str name, uint64_t *ret)
{
    struct str line;
    while (pseudo_line(&text, &line)) {
        if (!str_starts(line, name))
            continue;
        line = str_sub(line, name.n, line.n);
        return pseudo_u64(&line, ret);
    }
    return false;
}

/* What a counter rose to since *before; one that fell belongs to another program now (exec). */
static void add(uint64_t *total, uint64_t now, uint64_t *before)
{
    *total += now >= *before ? now - *before : now;
    *before = now;
}

static void add_files(struct process_table *t, const struct process *p, struct group *g, char *room)
{
    size_t files;
    struct str text;
    uint64_t limit;
    if (process_table_files(t, p, &files))
        return;
    g->files += (double)files;
    if (process_table_file(t, p, "limits", room, TEXT_MAX, &text) == 0 &&
        row(text, STR("Max open files"), &limit) && limit > 0)
        g->files_worst = MAX(g->files_worst, (double)files / (double)limit);
}

static void add_details(struct process_table *t, struct process *p, struct group *g)
{
    char room[TEXT_MAX];
    struct str text;
    uint64_t v;
    if (process_table_file(t, p, "status", room, sizeof room, &text) == 0) {
        if (row(text, STR("VmSwap:"), &v))
            g->swapped += (double)v * 1024;
        if (row(text, STR("voluntary_ctxt_switches:"), &v))
            add(&g->voluntary, v, &p->counted.voluntary);
        if (row(text, STR("nonvoluntary_ctxt_switches:"), &v))
            add(&g->involuntary, v, &p->counted.involuntary);
    }
    if (process_table_file(t, p, "io", room, sizeof room, &text) == 0) {
        if (row(text, STR("read_bytes:"), &v))
            add(&g->read_bytes, v, &p->counted.read_bytes);
        if (row(text, STR("write_bytes:"), &v))
            add(&g->write_bytes, v, &p->counted.write_bytes);
    }
    add_files(t, p, g, room);
}

static int state_of(char c)
{
    switch (c) {
    case 'R':
        return STATE_RUNNING;
    case 'S':
    case 'I':
        return STATE_SLEEPING;
    case 'D':
        return STATE_WAITING;
    case 'Z':
        return STATE_ZOMBIE;
    default:
        return STATE_OTHER;
    }
}

static void add_process(struct state *s, const struct collector_host *host, struct process *p)
{
    int at = process_table_group(host->processes, p);
    if (at < 0)
        return;
    struct group *g = &s->groups[at];
    g->processes++;
    g->threads += (double)p->threads;
    g->resident += (double)p->resident_pages * (double)sysconf(_SC_PAGESIZE);
    g->virtual += (double)p->virtual_bytes;
    g->states[state_of(p->state)]++;
    double started = s->boot_s + (double)p->start / (double)sysconf(_SC_CLK_TCK);
    g->oldest = g->oldest > 0 ? MIN(g->oldest, started) : started;
    add(&g->user, p->user, &p->counted.user);
    add(&g->system, p->system, &p->counted.system);
    add(&g->minor_faults, p->minor_faults, &p->counted.minor_faults);
    add(&g->major_faults, p->major_faults, &p->counted.major_faults);
    add_details(host->processes, p, g);
}

static void give(struct emit *e, struct str name, const struct group *g)
{
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    emit(e, &PROCESSES, g->processes, name);
    emit(e, &THREADS, g->threads, name);
    emit(e, &CPU, (double)g->user * tick, name, STR("user"));
    emit(e, &CPU, (double)g->system * tick, name, STR("system"));
    emit(e, &MEMORY, g->resident, name, STR("resident"));
    emit(e, &MEMORY, g->virtual, name, STR("virtual"));
    emit(e, &MEMORY, g->swapped, name, STR("swapped"));
    emit(e, &FILES, g->files, name);
    emit(e, &FILES_WORST, g->files_worst, name);
    emit(e, &READ, (double)g->read_bytes, name);
    emit(e, &WRITTEN, (double)g->write_bytes, name);
    emit(e, &MAJOR, (double)g->major_faults, name);
    emit(e, &MINOR, (double)g->minor_faults, name);
    emit(e, &SWITCHES, (double)g->voluntary, name, STR("voluntary"));
    emit(e, &SWITCHES, (double)g->involuntary, name, STR("nonvoluntary"));
    emit(e, &OLDEST, g->oldest, name);
    for (int i = 0; i < STATES_N; i++)
        emit(e, &STATES, g->states[i], name, str_c(STATE_NAMES[i]));
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    s->n = host->settings->groups.n;
    s->groups = mem_array(s->n + 1, sizeof *s->groups);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    mem_free(s->groups);
    mem_free(s);
}

static double boot_time(const struct collector_host *host)
{
    struct pseudo p;
    struct str text;
    uint64_t boot = 0;
    pseudo_init(&p, host->proc, "/stat");
    if (pseudo_read(&p, &text, NULL) == 0)
        (void)row(text, STR("btime"), &boot); /* 0 where it is missing */
    pseudo_done(&p);
    return (double)boot;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    const struct settings_group *groups = host->settings->groups.v;
    struct process *v;
    size_t n;
    if (s->n == 0)
        return 0;
    if (s->boot_s <= 0)
        s->boot_s = boot_time(host);
    int err = process_table_acquire(host->processes, &v, &n, why);
    if (err)
        return err;
    for (size_t i = 0; i < s->n; i++)
        memset(&s->groups[i], 0, offsetof(struct group, user));
    for (size_t i = 0; i < n; i++)
        add_process(s, host, &v[i]);
    process_table_release(host->processes);
    for (size_t i = 0; i < s->n; i++)
        give(e, str_c(groups[i].name), &s->groups[i]);
    return 0;
}

const struct collector_ops processgroup_collector = {
    .open = open_state, .run = run, .close = close_state};
