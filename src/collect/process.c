#include "collect/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/collector.h"
#include "collect/pseudo.h"
#include "os/thread.h"
#include "text/regex.h"

enum {
    STAT_MAX = 1024,           /* bytes of /proc/PID/stat */
    CMDLINE_MAX = 4096,        /* bytes of a command line that are judged */
    AGE_NS = 500 * 1000 * 1000 /* scans closer than this are one */
};

static const int64_t IDLE_NS = 4000000000; /* how long an idle process is left alone, at most */

struct rule {
    struct regex *comm, *cmdline; /* NULL: no condition */
};

struct process_table {
    const struct collector_host *host;
    pthread_mutex_t lock;
    DIR *dir;
    struct process *v; /* [n] by pid */
    size_t n, capacity;
    size_t kept; /* descriptors */
    uint64_t scan;
    int64_t at_ns;      /* of the last scan; 0: none */
    struct rule *rules; /* [rules_n], as the configuration's groups */
    size_t rules_n;
};

static struct regex *compile(const char *pattern)
{
    struct regex *re = NULL;
    /* settings_check() has refused what is not well-formed. */
    if (pattern[0] && regex_new(str_c(pattern), &re, NULL))
        return NULL;
    return re;
}

struct process_table *process_table_new(const struct collector_host *host)
{
    struct process_table *t = mem_new(sizeof *t);
    t->host = host;
    thread_lock_init(&t->lock);
    t->rules_n = host->settings->groups.n;
    t->rules = mem_array(t->rules_n + 1, sizeof *t->rules);
    const struct settings_group *groups = host->settings->groups.v;
    for (size_t i = 0; i < t->rules_n; i++)
        t->rules[i] =
            (struct rule){compile(groups[i].comm_regex), compile(groups[i].cmdline_regex)};
    return t;
}

static void drop(struct process_table *t, struct process *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        t->kept--;
    }
    p->fd = -1;
}

void process_table_free(struct process_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        drop(t, &t->v[i]);
    for (size_t i = 0; i < t->rules_n; i++) {
        regex_free(t->rules[i].comm);
        regex_free(t->rules[i].cmdline);
    }
    mem_free(t->rules);
    vec_free(t);
    if (t->dir)
        closedir(t->dir);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* ---- one process */

bool process_parse(struct str text, struct process *p)
{
    size_t open = str_find(text, '('), close = text.n;
    while (close > open && text.p[close - 1] != ')')
        close--;
    if (open >= text.n || close <= open + 1)
        return false;
    struct str comm = str_sub(text, open + 1, close - 1), rest = str_sub(text, close, text.n), word;
    if (!str_word(&rest, &word) || word.n != 1)
        return false;
    char state = word.p[0];

    enum { FIRST = 4, LAST = 24 }; /* field numbers of proc(5) that are numbers */
    uint64_t field[LAST + 1] = {0};
    for (int i = FIRST; i <= LAST; i++)
        if (!pseudo_u64(&rest, &field[i]) && rest.n == 0)
            return false;

    size_t n = MIN(comm.n, sizeof p->comm - 1);
    if (strncmp(p->comm, comm.p, n) != 0 || p->comm[n] != 0)
        p->grouped = false;
    memcpy(p->comm, comm.p, n);
    p->comm[n] = 0;
    p->state = state;
    p->minor_faults = field[10];
    p->major_faults = field[12];
    p->user = field[14];
    p->system = field[15];
    p->threads = field[20];
    p->start = field[22];
    p->virtual_bytes = field[23];
    p->resident_pages = field[24];
    return true;
}

static int open_stat(const struct process_table *t, int pid)
{
    char path[32];
    snprintf(path, sizeof path, "%d/stat", pid);
    return openat(dirfd(t->dir), path, O_RDONLY | O_CLOEXEC);
}

/* Reads p anew; false where it is gone. */
static bool refresh(struct process_table *t, struct process *p, int64_t now_ns)
{
    char room[STAT_MAX];
    ssize_t n = p->fd >= 0 ? pread(p->fd, room, sizeof room, 0) : -1;
    if (n <= 0) {
        drop(t, p);
        p->fd = open_stat(t, p->pid);
        if (p->fd < 0)
            return false;
        t->kept++;
        n = pread(p->fd, room, sizeof room, 0);
    }
    uint64_t start = p->start, ticks = p->user + p->system, pages = p->resident_pages;
    bool good = n > 0 && process_parse(str_of(room, (size_t)n), p);
    if (good && p->start != start) {
        /* The same number for another process: nothing that was known holds. */
        p->grouped = false;
        memset(&p->top, 0, sizeof p->top);
        memset(&p->counted, 0, sizeof p->counted);
    }
    p->read_ns = now_ns;
    p->idle = p->start == start && p->user + p->system == ticks && p->resident_pages == pages;
    if (!good || t->kept > pseudo_open_max())
        drop(t, p);
    return good;
}

/* ---- all of them */

static int by_pid(const void *a, const void *b)
{
    return ((const struct process *)a)->pid - ((const struct process *)b)->pid;
}

/* The place of pid among the first n, searched from *from on (the directory is in order). */
static struct process *known(struct process_table *t, int pid, size_t n, size_t *from)
{
    if (*from < n && t->v[*from].pid == pid)
        return &t->v[(*from)++];
    struct process key = {.pid = pid};
    struct process *p = n ? bsearch(&key, t->v, n, sizeof *t->v, by_pid) : NULL;
    if (p)
        *from = (size_t)(p - t->v) + 1;
    return p;
}

static bool pid_of(const char *name, int *ret)
{
    uint64_t pid;
    if (name[0] < '1' || name[0] > '9' || !str_u64(str_c(name), &pid) || pid > INT32_MAX)
        return false;
    *ret = (int)pid;
    return true;
}

static int scan(struct process_table *t, int64_t now_ns, struct why *why)
{
    if (t->dir)
        rewinddir(t->dir);
    else
        t->dir = opendir(t->host->proc);
    if (!t->dir)
        return why_set(why, (enum err)err_of_errno(errno), "%s cannot be read", t->host->proc);
    t->scan++;
    size_t old = t->n, from = 0;
    for (struct dirent *d; (d = readdir(t->dir));) {
        int pid;
        if (!pid_of(d->d_name, &pid))
            continue;
        struct process *p = known(t, pid, old, &from);
        if (p) {
            if ((p->idle && now_ns - p->read_ns < IDLE_NS) || refresh(t, p, now_ns))
                p->scan = t->scan;
            continue;
        }
        struct process fresh = {.pid = pid, .fd = -1, .group = PROCESS_NO_GROUP};
        if (t->n >= PROCESS_MAX || !refresh(t, &fresh, now_ns))
            continue;
        fresh.scan = t->scan;
        vec_push(t, fresh);
    }
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->v[i].scan == t->scan)
            t->v[n++] = t->v[i];
        else
            drop(t, &t->v[i]);
    }
    t->n = n;
    if (t->n > 1)
        qsort(t->v, t->n, sizeof *t->v, by_pid);
    return 0;
}

int process_table_acquire(struct process_table *t, struct process **ret, size_t *ret_n,
                          struct why *why)
{
    if (pthread_mutex_trylock(&t->lock) != 0)
        return why_set(why, ERR_BUSY, "another collector holds the table of processes");
    int64_t now = clock_monotonic_ns(t->host->clock);
    if (t->at_ns == 0 || now - t->at_ns > AGE_NS) {
        int err = scan(t, now, why);
        if (err) {
            thread_unlock(&t->lock);
            return err;
        }
        t->at_ns = now ? now : 1;
    }
    *ret = t->v;
    *ret_n = t->n;
    return 0;
}

void process_table_release(struct process_table *t)
{
    thread_unlock(&t->lock);
}

/* ---- what costs more */

int process_table_file(struct process_table *t, const struct process *p, const char *name,
                       char *room, size_t size, struct str *ret)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", p->pid, name);
    return pseudo_peek_at(dirfd(t->dir), path, room, size, ret);
}

static bool comm_fits(const struct settings_group *g, const struct rule *r, struct str comm)
{
    if (g->comm.n) {
        bool found = false;
        for (size_t i = 0; i < g->comm.n; i++)
            found = found || str_eq(str_c(g->comm.v[i]), comm);
        if (!found)
            return false;
    }
    return !r->comm || regex_match(r->comm, comm);
}

int process_table_group(struct process_table *t, struct process *p)
{
    if (p->grouped)
        return p->group;
    const struct settings_group *groups = t->host->settings->groups.v;
    char room[CMDLINE_MAX];
    struct str cmdline = {0};
    bool have_cmdline = false;
    p->grouped = true;
    p->group = PROCESS_NO_GROUP;
    for (size_t i = 0; i < t->rules_n; i++) {
        const struct rule *r = &t->rules[i];
        if (!comm_fits(&groups[i], r, str_c(p->comm)))
            continue;
        if (r->cmdline && !have_cmdline) {
            have_cmdline = true;
            if (process_table_file(t, p, "cmdline", room, sizeof room, &cmdline))
                cmdline = STR("");
            while (cmdline.n && cmdline.p[cmdline.n - 1] == 0)
                cmdline.n--;
            for (size_t k = 0; k < cmdline.n; k++)
                if (room[k] == 0)
                    room[k] = ' ';
        }
        if (!r->cmdline || regex_match(r->cmdline, cmdline)) {
            p->group = (int)i;
            break;
        }
    }
    return p->group;
}

int process_table_files(struct process_table *t, const struct process *p, size_t *ret)
{
    char path[32];
    snprintf(path, sizeof path, "%d/fd", p->pid);
    return pseudo_count_at(dirfd(t->dir), path, ret);
}

int process_table_threads(struct process_table *t, const struct process *p,
                          void (*f)(void *context, char state), void *context)
{
    char path[32];
    snprintf(path, sizeof path, "%d/task", p->pid);
    int fd = openat(dirfd(t->dir), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -err_of_errno(errno);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ERR_IO;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        int tid;
        char name[32], room[STAT_MAX];
        struct str text;
        struct process thread = {0};
        if (!pid_of(d->d_name, &tid))
            continue;
        snprintf(name, sizeof name, "%d/stat", tid);
        if (pseudo_peek_at(fd, name, room, sizeof room, &text) == 0 && process_parse(text, &thread))
            f(context, thread.state);
    }
    closedir(dir);
    return 0;
}
