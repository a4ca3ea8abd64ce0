/* Slices, services and containers: cgroups v1, v2 and both at once.
 *
 * A cgroup is known by its path (label id), which is the same in all trees. Each file of the table
 * below adds to what is known of it; where v1 and v2 both tell, v1 has the controllers and wins. */
#include "collect/collector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/cgroup_name.h"
#include "collect/pseudo.h"

enum tree { TREE_CPU, TREE_CPUACCT, TREE_MEMORY, TREE_BLKIO, TREE_PIDS, TREE_UNIFIED, TREES_N };
static const char *const TREE_PATHS[TREES_N][2] = {
    {"/cpu", "/cpu,cpuacct"}, {"/cpuacct", "/cpu,cpuacct"}, {"/memory", "/memory"},
    {"/blkio", "/blkio"},     {"/pids", "/pids"},           {"/unified", ""},
};

/* ---- what is known of one cgroup; NAN: nothing */

enum value {
    CPU_USAGE,
    CPU_USER,
    CPU_SYSTEM,
    CPU_PERIODS,
    CPU_THROTTLED,
    CPU_THROTTLED_S,
    CPU_QUOTA,
    CPU_PERIOD,
    CPU_SHARES,
    MEMORY_USAGE,
    MEMORY_WORKING,
    MEMORY_MAX,
    MEMORY_LIMIT,
    MEMORY_RSS,
    MEMORY_CACHE,
    MEMORY_MAPPED,
    MEMORY_SWAP,
    MEMORY_FAILCNT,
    MEMORY_OOM,
    THREADS,
    THREADS_MAX,
    PSI_CPU_SOME,
    PSI_CPU_FULL,
    PSI_MEMORY_SOME,
    PSI_MEMORY_FULL,
    PSI_IO_SOME,
    PSI_IO_FULL,
    VALUES_N,
    INACTIVE_FILE = VALUES_N,
    FAULTS,
    MAJOR_FAULTS,
    ALL_N
};

#define OF(name, type, help)                                                                       \
    {                                                                                              \
        "container_" name, type, help,                                                             \
        {                                                                                          \
            "id", "name"                                                                           \
        }                                                                                          \
    }
static const struct family FAMILIES[VALUES_N] = {
    [CPU_USAGE] = {"container_cpu_usage_seconds_total",
                   METRIC_COUNTER,
                   "CPU time used.",
                   {"id", "name", "cpu"}},
    [CPU_USER] = OF("cpu_user_seconds_total", METRIC_COUNTER, "CPU time in user mode."),
    [CPU_SYSTEM] = OF("cpu_system_seconds_total", METRIC_COUNTER, "CPU time in the kernel."),
    [CPU_PERIODS] = OF("cpu_cfs_periods_total", METRIC_COUNTER, "Periods of the CPU limit."),
    [CPU_THROTTLED] = OF("cpu_cfs_throttled_periods_total", METRIC_COUNTER,
                         "Periods in which the CPU limit was reached."),
    [CPU_THROTTLED_S] =
        OF("cpu_cfs_throttled_seconds_total", METRIC_COUNTER, "Time held back by the CPU limit."),
    [CPU_QUOTA] = OF("spec_cpu_quota", METRIC_GAUGE, "CPU limit, microseconds in a period."),
    [CPU_PERIOD] = OF("spec_cpu_period", METRIC_GAUGE, "Period of the CPU limit, microseconds."),
    [CPU_SHARES] = OF("spec_cpu_shares", METRIC_GAUGE, "Weight against its siblings."),
    [MEMORY_USAGE] = OF("memory_usage_bytes", METRIC_GAUGE, "Memory in use, caches included."),
    [MEMORY_WORKING] = OF("memory_working_set_bytes", METRIC_GAUGE,
                          "Memory in use without what is easily taken back."),
    [MEMORY_MAX] = OF("memory_max_usage_bytes", METRIC_GAUGE, "Most memory ever in use."),
    [MEMORY_LIMIT] = OF("spec_memory_limit_bytes", METRIC_GAUGE, "Memory limit; 0: none."),
    [MEMORY_RSS] = OF("memory_rss", METRIC_GAUGE, "Anonymous memory, bytes."),
    [MEMORY_CACHE] = OF("memory_cache", METRIC_GAUGE, "Memory of files, bytes."),
    [MEMORY_MAPPED] = OF("memory_mapped_file", METRIC_GAUGE, "Mapped files, bytes."),
    [MEMORY_SWAP] = OF("memory_swap", METRIC_GAUGE, "Swap in use, bytes."),
    [MEMORY_FAILCNT] = OF("memory_failcnt", METRIC_COUNTER, "Times the memory limit was hit."),
    [MEMORY_OOM] = OF("oom_events_total", METRIC_COUNTER, "Processes killed for memory."),
    [THREADS] = OF("threads", METRIC_GAUGE, "Threads."),
    [THREADS_MAX] = OF("threads_max", METRIC_GAUGE, "Limit on threads; 0: none."),
    [PSI_CPU_SOME] = OF("pressure_cpu_waiting_seconds_total", METRIC_COUNTER,
                        "Time that some task waited for CPU."),
    [PSI_CPU_FULL] = OF("pressure_cpu_stalled_seconds_total", METRIC_COUNTER,
                        "Time that all tasks waited for CPU."),
    [PSI_MEMORY_SOME] = OF("pressure_memory_waiting_seconds_total", METRIC_COUNTER,
                           "Time that some task waited for memory."),
    [PSI_MEMORY_FULL] = OF("pressure_memory_stalled_seconds_total", METRIC_COUNTER,
                           "Time that all tasks waited for memory."),
    [PSI_IO_SOME] = OF("pressure_io_waiting_seconds_total", METRIC_COUNTER,
                       "Time that some task waited for a disk."),
    [PSI_IO_FULL] = OF("pressure_io_stalled_seconds_total", METRIC_COUNTER,
                       "Time that all tasks waited for a disk."),
};
static const struct family FAILURES = {"container_memory_failures_total",
                                       METRIC_COUNTER,
                                       "Page faults.",
                                       {"id", "name", "failure_type", "scope"}};
#define FS(name, help)                                                                             \
    {                                                                                              \
        "container_fs_" name "_total", METRIC_COUNTER, help,                                       \
        {                                                                                          \
            "id", "name", "device"                                                                 \
        }                                                                                          \
    }
static const struct family FS_READ = FS("reads_bytes", "Bytes read.");
static const struct family FS_WRITTEN = FS("writes_bytes", "Bytes written.");
static const struct family FS_READS = FS("reads", "Reads.");
static const struct family FS_WRITES = FS("writes", "Writes.");

struct reading {
    double v[ALL_N];
    struct cgroup *cgroup;
    struct state *state;
    struct emit *e;
};

enum { FILES_N = 31, RETRY_RUNS = 12 }; /* until a missing file is looked for again */

struct cgroup {
    char *id, *name;              /* owned: labels */
    struct pseudo files[FILES_N]; /* of the rows of the table */
    unsigned trees;               /* bits of those that have it */
    uint64_t scan, since;
};

struct state {
    char *roots[TREES_N]; /* owned; NULL: no such tree */
    struct cgroup **v;    /* [n] in the order that they were found */
    size_t n, capacity;
    struct map ids;     /* id -> struct cgroup */
    struct map devices; /* "8:0" -> text "/dev/sda" */
    const struct collector_host *host;
    uint64_t scan;
};

static void take(struct reading *r, enum value i, double v)
{
    if (isnan(r->v[i]))
        r->v[i] = v;
}

/* ---- shapes of files */

/* Rows of "key number" and where they go. */
struct key {
    struct str name;
    enum value value;
    double unit;
};

struct row {
    enum tree tree;
    const char *file;
    void (*read)(struct reading *r, const struct row *row, struct str text);
    enum value value; /* of files of one number */
    double unit;
    const struct key *keys;
    size_t keys_n;
    const struct family *read_family, *write_family;
};

/* "max" and limits that are none: 0, as cAdvisor says it. */
static void read_number(struct reading *r, const struct row *row, struct str text)
{
    double v;
    text = str_trim(text);
    if (str_eq(text, STR("max")))
        v = 0;
    else if (!pseudo_parse(text, &v))
        return;
    if (row->value == MEMORY_LIMIT && v >= 0x1p62)
        v = 0;
    if (row->value == CPU_QUOTA && v < 0)
        return;
    take(r, row->value, v * row->unit);
}

static void read_keys(struct reading *r, const struct row *row, struct str text)
{
    struct str line, name;
    while (pseudo_line(&text, &line)) {
        double v;
        if (!str_word(&line, &name))
            continue;
        for (size_t i = 0; i < row->keys_n; i++)
            if (str_eq(name, row->keys[i].name) && pseudo_number(&line, &v))
                take(r, row->keys[i].value, v * row->keys[i].unit);
    }
}

/* "max 100000": quota and period. */
static void read_cpu_max(struct reading *r, const struct row *row, struct str text)
{
    struct str quota;
    double v;
    (void)row;
    if (!str_word(&text, &quota))
        return;
    if (pseudo_parse(quota, &v))
        take(r, CPU_QUOTA, v);
    if (pseudo_number(&text, &v))
        take(r, CPU_PERIOD, v);
}

/* Lines "some avg10=.. total=N" and "full ..", microseconds. */
static void read_pressure(struct reading *r, const struct row *row, struct str text)
{
    struct str line;
    while (pseudo_line(&text, &line)) {
        size_t at = str_search(line, STR("total="));
        double v;
        if (at == line.n || !pseudo_parse(str_trim(str_sub(line, at + 6, line.n)), &v))
            continue;
        take(r, str_starts(line, STR("some")) ? row->value : row->value + 1, v / 1e6);
    }
}

static struct str device_of(struct state *s, struct str number);

static void give_device(struct reading *r, const struct family *f, struct str device, double v)
{
    const struct str values[] = {str_c(r->cgroup->id), str_c(r->cgroup->name),
                                 device_of(r->state, device)};
    emit_value(r->e, f, v, values, COUNTOF(values));
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." */
static void read_io(struct reading *r, const struct row *row, struct str text)
{
    static const struct {
        struct str key;
        const struct family *family;
    } KEYS[] = {{STR("rbytes="), &FS_READ},
                {STR("wbytes="), &FS_WRITTEN},
                {STR("rios="), &FS_READS},
                {STR("wios="), &FS_WRITES}};
    struct str line, device, word;
    (void)row;
    while (pseudo_line(&text, &line)) {
        if (!str_word(&line, &device))
            continue;
        while (str_word(&line, &word)) {
            double v;
            for (size_t i = 0; i < COUNTOF(KEYS); i++)
                if (str_starts(word, KEYS[i].key) &&
                    pseudo_parse(str_sub(word, KEYS[i].key.n, word.n), &v))
                    give_device(r, KEYS[i].family, device, v);
        }
    }
}

/* "8:0 Read 4096" */
static void read_blkio(struct reading *r, const struct row *row, struct str text)
{
    struct str line, device, word;
    double v;
    while (pseudo_line(&text, &line)) {
        if (!str_word(&line, &device) || !str_word(&line, &word) || !pseudo_number(&line, &v))
            continue;
        if (str_eq(word, STR("Read")))
            give_device(r, row->read_family, device, v);
        else if (str_eq(word, STR("Write")))
            give_device(r, row->write_family, device, v);
    }
}

/* ---- the files */

#define KEYS_OF(k) .keys = (k), .keys_n = COUNTOF(k)
static const struct key CPU_STAT_V1[] = {{STR("nr_periods"), CPU_PERIODS, 1},
                                         {STR("nr_throttled"), CPU_THROTTLED, 1},
                                         {STR("throttled_time"), CPU_THROTTLED_S, 1e-9}};
static const struct key CPU_STAT[] = {
    {STR("usage_usec"), CPU_USAGE, 1e-6},    {STR("user_usec"), CPU_USER, 1e-6},
    {STR("system_usec"), CPU_SYSTEM, 1e-6},  {STR("nr_periods"), CPU_PERIODS, 1},
    {STR("nr_throttled"), CPU_THROTTLED, 1}, {STR("throttled_usec"), CPU_THROTTLED_S, 1e-6}};
/* USER_HZ is 100 on every architecture that Debian has. */
static const struct key CPUACCT_STAT[] = {{STR("user"), CPU_USER, 0.01},
                                          {STR("system"), CPU_SYSTEM, 0.01}};
static const struct key MEMORY_STAT_V1[] = {{STR("total_rss"), MEMORY_RSS, 1},
                                            {STR("total_cache"), MEMORY_CACHE, 1},
                                            {STR("total_mapped_file"), MEMORY_MAPPED, 1},
                                            {STR("total_swap"), MEMORY_SWAP, 1},
                                            {STR("total_inactive_file"), INACTIVE_FILE, 1},
                                            {STR("total_pgfault"), FAULTS, 1},
                                            {STR("total_pgmajfault"), MAJOR_FAULTS, 1}};
static const struct key MEMORY_STAT[] = {{STR("anon"), MEMORY_RSS, 1},
                                         {STR("file"), MEMORY_CACHE, 1},
                                         {STR("file_mapped"), MEMORY_MAPPED, 1},
                                         {STR("inactive_file"), INACTIVE_FILE, 1},
                                         {STR("pgfault"), FAULTS, 1},
                                         {STR("pgmajfault"), MAJOR_FAULTS, 1}};
static const struct key OOM_CONTROL[] = {{STR("oom_kill"), MEMORY_OOM, 1}};
static const struct key MEMORY_EVENTS[] = {{STR("oom_kill"), MEMORY_OOM, 1},
                                           {STR("max"), MEMORY_FAILCNT, 1}};

static const struct row ROWS[] = {
    {TREE_CPU, "/cpu.stat", read_keys, KEYS_OF(CPU_STAT_V1)},
    {TREE_CPU, "/cpu.cfs_quota_us", read_number, CPU_QUOTA, 1},
    {TREE_CPU, "/cpu.cfs_period_us", read_number, CPU_PERIOD, 1},
    {TREE_CPU, "/cpu.shares", read_number, CPU_SHARES, 1},
    {TREE_CPUACCT, "/cpuacct.usage", read_number, CPU_USAGE, 1e-9},
    {TREE_CPUACCT, "/cpuacct.stat", read_keys, KEYS_OF(CPUACCT_STAT)},
    {TREE_MEMORY, "/memory.usage_in_bytes", read_number, MEMORY_USAGE, 1},
    {TREE_MEMORY, "/memory.max_usage_in_bytes", read_number, MEMORY_MAX, 1},
    {TREE_MEMORY, "/memory.limit_in_bytes", read_number, MEMORY_LIMIT, 1},
    {TREE_MEMORY, "/memory.failcnt", read_number, MEMORY_FAILCNT, 1},
    {TREE_MEMORY, "/memory.stat", read_keys, KEYS_OF(MEMORY_STAT_V1)},
    {TREE_MEMORY, "/memory.oom_control", read_keys, KEYS_OF(OOM_CONTROL)},
    {TREE_BLKIO, "/blkio.throttle.io_service_bytes_recursive", read_blkio, .read_family = &FS_READ,
     .write_family = &FS_WRITTEN},
    {TREE_BLKIO, "/blkio.throttle.io_serviced_recursive", read_blkio, .read_family = &FS_READS,
     .write_family = &FS_WRITES},
    {TREE_PIDS, "/pids.current", read_number, THREADS, 1},
    {TREE_PIDS, "/pids.max", read_number, THREADS_MAX, 1},
    {TREE_UNIFIED, "/cpu.stat", read_keys, KEYS_OF(CPU_STAT)},
    {TREE_UNIFIED, "/cpu.max", read_cpu_max},
    {TREE_UNIFIED, "/cpu.weight", read_number, CPU_SHARES, 1024.0 / 100},
    {TREE_UNIFIED, "/memory.current", read_number, MEMORY_USAGE, 1},
    {TREE_UNIFIED, "/memory.peak", read_number, MEMORY_MAX, 1},
    {TREE_UNIFIED, "/memory.max", read_number, MEMORY_LIMIT, 1},
    {TREE_UNIFIED, "/memory.swap.current", read_number, MEMORY_SWAP, 1},
    {TREE_UNIFIED, "/memory.stat", read_keys, KEYS_OF(MEMORY_STAT)},
    {TREE_UNIFIED, "/memory.events", read_keys, KEYS_OF(MEMORY_EVENTS)},
    {TREE_UNIFIED, "/io.stat", read_io},
    {TREE_UNIFIED, "/pids.current", read_number, THREADS, 1},
    {TREE_UNIFIED, "/pids.max", read_number, THREADS_MAX, 1},
    {TREE_UNIFIED, "/cpu.pressure", read_pressure, PSI_CPU_SOME},
    {TREE_UNIFIED, "/memory.pressure", read_pressure, PSI_MEMORY_SOME},
    {TREE_UNIFIED, "/io.pressure", read_pressure, PSI_IO_SOME},
};
_Static_assert(COUNTOF(ROWS) == FILES_N, "a file for each row");

static struct str device_of(struct state *s, struct str number)
{
    bool is_new;
    union map_value *v = map_put(&s->devices, number, &is_new);
    if (is_new) {
        char path[PATH_MAX], target[PATH_MAX], text[NAME_MAX + 8];
        snprintf(path, sizeof path, "%s/dev/block/" STR_FMT, s->host->sys, STR_ARG(number));
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[MAX(n, 0)] = 0;
        const char *name = strrchr(target, '/');
        if (name)
            snprintf(text, sizeof text, "/dev/%.*s", NAME_MAX, name + 1);
        else
            snprintf(text, sizeof text, "%.*s", (int)MIN(number.n, (size_t)NAME_MAX), number.p);
        v->p = mem_text(text, strlen(text));
    }
    return str_c(v->p);
}

/* ---- finding them */

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    char path[PATH_MAX];
    s->host = host;
    map_init(&s->ids, 1);
    map_init(&s->devices, 1);
    snprintf(path, sizeof path, "%s/cgroup.controllers", host->cgroup);
    bool v2 = access(path, R_OK) == 0;
    for (int i = v2 ? TREE_UNIFIED : 0; i < TREES_N; i++) {
        for (int k = 0; k < 2 && !s->roots[i]; k++) {
            snprintf(path, sizeof path, "%s%s", host->cgroup, v2 ? "" : TREE_PATHS[i][k]);
            if ((v2 || TREE_PATHS[i][k][0]) && is_dir(path))
                s->roots[i] = mem_text(path, strlen(path));
        }
    }
    *ret = s;
    return 0;
}

static void free_cgroup(struct cgroup *c)
{
    for (size_t i = 0; i < FILES_N; i++)
        if (c->files[i].path)
            pseudo_done(&c->files[i]);
    mem_free(c->id);
    mem_free(c->name);
    mem_free(c);
}

static void close_state(void *state)
{
    struct state *s = state;
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&s->devices, &at));)
        mem_free(slot->value.p);
    for (size_t i = 0; i < s->n; i++)
        free_cgroup(s->v[i]);
    for (int i = 0; i < TREES_N; i++)
        mem_free(s->roots[i]);
    vec_free(s);
    map_done(&s->ids);
    map_done(&s->devices);
    mem_free(s);
}

/* The cgroup with that id, made where it is missing; NULL past the limit. */
static struct cgroup *cgroup_of(struct state *s, const char *id)
{
    union map_value *known = map_get(&s->ids, str_c(id));
    if (known)
        return known->p;
    if (s->n >= (size_t)s->host->settings->cgroup_max)
        return NULL;
    struct cgroup *c = mem_new(sizeof *c);
    char name[CGROUP_NAME_MAX];
    cgroup_name(id, s->host->root, name);
    c->id = mem_text(id, strlen(id));
    c->name = mem_text(name, strlen(name));
    c->since = s->scan;
    map_put(&s->ids, str_c(id), NULL)->p = c;
    vec_push(s, c);
    return c;
}

static void enter(struct state *s, enum tree tree, const char *id)
{
    struct cgroup *c = cgroup_of(s, id);
    if (!c)
        return;
    if (c->scan != s->scan)
        c->trees = 0;
    c->scan = s->scan;
    c->trees |= 1U << tree;
}

/* Queues the directories below id; most cgroups have none, which the link count tells. */
static void queue_below(const char *root, const char *id, size_t max, struct buf *queue)
{
    char path[2 * PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", root, id);
    if (stat(path, &st) != 0 || st.st_nlink == 2)
        return;
    DIR *dir = opendir(path);
    if (!dir)
        return; /* gone meanwhile */
    size_t n = 0;
    for (struct dirent *d; n < max && (d = readdir(dir));) {
        if (d->d_type != DT_DIR || d->d_name[0] == '.')
            continue;
        buf_printf(queue, "%s/%s", strcmp(id, "/") == 0 ? "" : id, d->d_name);
        buf_put_c(queue, 0);
        n++;
    }
    closedir(dir);
}

/* Breadth first, so that the limit cuts off what is deepest. */
static void walk(struct state *s, enum tree tree)
{
    enum { QUEUE_MAX = 64 << 20 };
    struct buf queue;
    size_t at = 0, seen = 0, max = (size_t)s->host->settings->cgroup_max;
    buf_init(&queue, QUEUE_MAX);
    buf_put(&queue, "/", 2);
    while (at < queue.n && seen++ < max && !buf_failed(&queue)) {
        char id[PATH_MAX];
        snprintf(id, sizeof id, "%s", queue.p + at);
        at += strlen(queue.p + at) + 1;
        enter(s, tree, id);
        queue_below(s->roots[tree], id, max, &queue);
    }
    buf_done(&queue);
}

static void forget(struct state *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct cgroup *c = s->v[i];
        if (c->scan == s->scan) {
            s->v[n++] = c;
            continue;
        }
        map_drop(&s->ids, str_c(c->id));
        free_cgroup(c);
    }
    s->n = n;
}

/* ---- reading them */

static void give_values(struct reading *r)
{
    struct str id = str_c(r->cgroup->id), name = str_c(r->cgroup->name);
    if (!isnan(r->v[MEMORY_USAGE]) && !isnan(r->v[INACTIVE_FILE]))
        take(r, MEMORY_WORKING, MAX(r->v[MEMORY_USAGE] - r->v[INACTIVE_FILE], 0));
    for (size_t i = 0; i < VALUES_N; i++) {
        if (isnan(r->v[i]))
            continue;
        if (i == CPU_USAGE)
            emit(r->e, &FAMILIES[i], r->v[i], id, name, STR("total"));
        else
            emit(r->e, &FAMILIES[i], r->v[i], id, name);
    }
    if (!isnan(r->v[FAULTS]))
        emit(r->e, &FAILURES, r->v[FAULTS], id, name, STR("pgfault"), STR("hierarchy"));
    if (!isnan(r->v[MAJOR_FAULTS]))
        emit(r->e, &FAILURES, r->v[MAJOR_FAULTS], id, name, STR("pgmajfault"), STR("hierarchy"));
}

static void read_cgroup(struct state *s, struct cgroup *c, struct emit *e)
{
    struct reading r = {.cgroup = c, .state = s, .e = e};
    bool retry = (s->scan - c->since) % RETRY_RUNS == 0;
    for (size_t i = 0; i < ALL_N; i++)
        r.v[i] = NAN;
    for (size_t i = 0; i < FILES_N; i++) {
        const struct row *row = &ROWS[i];
        struct pseudo *file = &c->files[i];
        struct str text;
        char room[PSEUDO_SMALL];
        if (!(c->trees & 1U << row->tree) || (file->missing && !retry))
            continue;
        if (!file->path) {
            char path[2 * PATH_MAX];
            snprintf(path, sizeof path, "%s%s", strcmp(c->id, "/") == 0 ? "" : c->id, row->file);
            pseudo_init(file, s->roots[row->tree], path);
        }
        int err = row->read == read_number ? pseudo_read_small(file, room, &text)
                                           : pseudo_read(file, &text, NULL);
        if (err)
            file->missing = true; /* or it refuses: io.pressure without PSI */
        else
            row->read(&r, row, text);
    }
    give_values(&r);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    bool any = false;
    s->scan++;
    for (int i = 0; i < TREES_N; i++) {
        if (!s->roots[i])
            continue;
        any = true;
        walk(s, (enum tree)i);
    }
    if (!any)
        return why_set(why, ERR_NOENT, "%s holds no cgroups", host->cgroup);
    forget(s);
    for (size_t i = 0; i < s->n; i++)
        read_cgroup(s, s->v[i], e);
    return 0;
}

const struct collector_ops cgroup_collector = {
    .open = open_state, .run = run, .close = close_state};
