/* Size, free space and inodes of each mount.
 *
 * statvfs() on a mount whose server is gone may hang for ever, so a crew asks: a mount that does
 * not answer in time is reported by node_filesystem_device_error and asked again when the call has
 * come back. */
#include "collect/collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/crew.h"
#include "collect/filter.h"
#include "collect/pseudo.h"

#define LABELS                                                                                     \
    {                                                                                              \
        "device", "mountpoint", "fstype"                                                           \
    }
static const struct family SIZE = {"node_filesystem_size_bytes", METRIC_GAUGE,
                                   "Size of the filesystem.", LABELS};
static const struct family FREE = {"node_filesystem_free_bytes", METRIC_GAUGE,
                                   "Free space, for root too.", LABELS};
static const struct family AVAILABLE = {"node_filesystem_avail_bytes", METRIC_GAUGE,
                                        "Free space for everyone.", LABELS};
static const struct family FILES = {"node_filesystem_files", METRIC_GAUGE,
                                    "Inodes of the filesystem.", LABELS};
static const struct family FILES_FREE = {"node_filesystem_files_free", METRIC_GAUGE, "Free inodes.",
                                         LABELS};
static const struct family READ_ONLY = {"node_filesystem_readonly", METRIC_GAUGE,
                                        "Is it mounted read-only? 1 or 0.", LABELS};
static const struct family ERROR = {"node_filesystem_device_error", METRIC_GAUGE,
                                    "Did the mount refuse to answer, or hang? 1 or 0.", LABELS};

enum { MOUNTS_MAX = 4096 };

struct mount {
    struct crew_job job;                /* first */
    char *device, *point, *type, *path; /* owned; path: where it is asked, below the root */
    bool read_only;
    uint64_t seen;
    struct statvfs result;
    bool failed;
};

struct state {
    struct pseudo file, file_self;
    struct filter points, types;
    struct crew *crew;
    struct mount **v; /* [n] in the file's order as far as it stays */
    size_t n, capacity;
    struct crew_job **jobs; /* [n] */
    uint64_t scan;
};

static void ask(struct crew_job *job)
{
    struct mount *m = (struct mount *)job;
    m->failed = statvfs(m->path, &m->result) != 0;
}

static void free_mount(struct mount *m)
{
    mem_free(m->device);
    mem_free(m->point);
    mem_free(m->type);
    mem_free(m->path);
    mem_free(m);
}

/* When the last thread has ended. */
static void release(void *context)
{
    struct state *s = context;
    for (size_t i = 0; i < s->n; i++)
        free_mount(s->v[i]);
    vec_free(s);
    mem_free(s->jobs);
    filter_done(&s->points);
    filter_done(&s->types);
    pseudo_done(&s->file);
    pseudo_done(&s->file_self);
    mem_free(s);
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    const struct settings *settings = host->settings;
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->points, settings->filesystem_mounts_ignored, why);
    if (!err) {
        err = filter_init(&s->types, settings->filesystem_types_ignored, why);
        if (err)
            filter_done(&s->points);
    }
    if (err) {
        mem_free(s);
        return err;
    }
    pseudo_init(&s->file, host->proc, "/1/mounts");
    pseudo_init(&s->file_self, host->proc, "/mounts");
    s->crew = crew_new("statvfs", settings->filesystem_timeout_ms, release, s);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    crew_free(s->crew);
}

/* Undoes \040 and its like ; the result is the caller's. */
static char *unescaped(struct str s)
{
    char *out = mem_raw(s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool octal = s.p[i] == '\\' && i + 3 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '3' &&
                     s.p[i + 2] >= '0' && s.p[i + 2] <= '7' && s.p[i + 3] >= '0' &&
                     s.p[i + 3] <= '7';
        if (octal) {
            out[n++] =
                (char)((s.p[i + 1] - '0') << 6 | (s.p[i + 2] - '0') << 3 | (s.p[i + 3] - '0'));
            i += 3;
        } else {
            out[n++] = s.p[i];
        }
    }
    out[n] = 0;
    return out;
}

static bool has_option(struct str options, struct str wanted)
{
    struct str option;
    while (str_split(&options, ',', &option))
        if (str_eq(option, wanted))
            return true;
    return false;
}

static struct mount *find(struct state *s, const char *device, const char *point, const char *type)
{
    for (size_t i = 0; i < s->n; i++) {
        struct mount *m = s->v[i];
        if (strcmp(m->point, point) == 0 && strcmp(m->device, device) == 0 &&
            strcmp(m->type, type) == 0)
            return m;
    }
    return NULL;
}

static void enter(struct state *s, const struct collector_host *host, struct str line)
{
    struct str device, point, type, options;
    if (!str_word(&line, &device) || !str_word(&line, &point) || !str_word(&line, &type) ||
        !str_word(&line, &options))
        return;
    char *device_text = unescaped(device), *point_text = unescaped(point);
    char *type_text = unescaped(type);
    bool wanted =
        !filter_match(&s->points, str_c(point_text)) && !filter_match(&s->types, str_c(type_text));
    struct mount *m = wanted ? find(s, device_text, point_text, type_text) : NULL;
    if (m) {
        m->seen = s->scan;
        if (!crew_busy(s->crew, &m->job))
            m->read_only = has_option(options, STR("ro"));
    }
    if (m || !wanted || s->n >= MOUNTS_MAX) {
        mem_free(device_text);
        mem_free(point_text);
        mem_free(type_text);
        return;
    }
    m = mem_new(sizeof *m);
    char path[2 * PSEUDO_SMALL];
    snprintf(path, sizeof path, "%s%s", host->root, point_text);
    *m = (struct mount){.job = {ask, false},
                        .device = device_text,
                        .point = point_text,
                        .type = type_text,
                        .path = mem_text(path, strlen(path)),
                        .read_only = has_option(options, STR("ro")),
                        .seen = s->scan};
    vec_push(s, m);
}

/* Forgets mounts that are gone, but for those that still hang. */
static void forget(struct state *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i]->seen == s->scan || crew_busy(s->crew, &s->v[i]->job))
            s->v[n++] = s->v[i];
        else
            free_mount(s->v[i]);
    }
    s->n = n;
}

static void give(struct emit *e, const struct mount *m, bool hangs)
{
    struct str device = str_c(m->device), point = str_c(m->point), type = str_c(m->type);
    bool failed = hangs || m->failed;
    emit(e, &READ_ONLY, m->read_only, device, point, type);
    emit(e, &ERROR, failed, device, point, type);
    if (failed)
        return;
    const struct statvfs *v = &m->result;
    double block = (double)v->f_frsize;
    emit(e, &SIZE, (double)v->f_blocks * block, device, point, type);
    emit(e, &FREE, (double)v->f_bfree * block, device, point, type);
    emit(e, &AVAILABLE, (double)v->f_bavail * block, device, point, type);
    emit(e, &FILES, (double)v->f_files, device, point, type);
    emit(e, &FILES_FREE, (double)v->f_ffree, device, point, type);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct str text, line;
    int err = pseudo_read(&s->file, &text, NULL);
    if (err)
        err = pseudo_read(&s->file_self, &text, why);
    if (err)
        return err;
    s->scan++;
    while (pseudo_line(&text, &line))
        enter(s, host, line);
    forget(s);
    s->jobs = mem_resize(s->jobs, (s->n + 1) * sizeof(struct crew_job *));
    for (size_t i = 0; i < s->n; i++)
        s->jobs[i] = &s->v[i]->job;
    crew_run(s->crew, s->jobs, s->n);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i]->seen == s->scan)
            give(e, s->v[i], crew_busy(s->crew, &s->v[i]->job));
    return 0;
}

const struct collector_ops filesystem_collector = {
    .open = open_state, .run = run, .close = close_state};
