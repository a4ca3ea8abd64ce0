#include "supervise/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "os/disk.h"
#include "os/fatal.h"
#include "os/file.h"

enum { REPORT_MAX = REPORT_TAIL_MAX + 4096 }; /* bytes of a report */

void report_tail_add(struct report_tail *t, const char *p, size_t n)
{
    if (n > REPORT_TAIL_MAX) {
        p += n - REPORT_TAIL_MAX;
        t->n += n - REPORT_TAIL_MAX;
        n = REPORT_TAIL_MAX;
    }
    size_t at = t->n % REPORT_TAIL_MAX, first = MIN(n, REPORT_TAIL_MAX - at);
    memcpy(t->bytes + at, p, first);
    memcpy(t->bytes, p + first, n - first);
    t->n += n;
}

size_t report_tail_copy(const struct report_tail *t, char ret[REPORT_TAIL_MAX])
{
    if (t->n <= REPORT_TAIL_MAX) {
        memcpy(ret, t->bytes, t->n);
        return t->n;
    }
    size_t at = t->n % REPORT_TAIL_MAX;
    memcpy(ret, t->bytes + at, REPORT_TAIL_MAX - at);
    memcpy(ret + (REPORT_TAIL_MAX - at), t->bytes, at);
    return REPORT_TAIL_MAX;
}

static void put_text(const struct report *r, const char *when, struct buf *out)
{
    buf_printf(out, "time: %s\nbuild: %s\npid: %d\nuptime_ms: %lld\nrestarts_before: %u\n", when,
               r->build, r->pid, (long long)r->uptime_ms, r->restarts);
    if (r->end.signaled)
        buf_printf(out, "signal: %d (%s)\n", r->end.code, fatal_name(r->end.code));
    else
        buf_printf(out, "exit_status: %d\n", r->end.code);
    if (r->hung)
        buf_put_str(out, STR("hung: its heartbeat had stopped, so it was ended\n"));
    buf_put_str(out, STR("\nthe end of its standard error:\n"));
    char *tail = buf_reserve(out, REPORT_TAIL_MAX);
    if (tail != NULL)
        buf_commit(out, report_tail_copy(r->tail, tail));
}

struct names {
    char **v; /* owned */
    size_t n, capacity;
};

static int take_name(void *context, const struct disk_entry *entry)
{
    struct names *names = context;
    size_t n = strlen(entry->name);
    if (n > 4 && strcmp(entry->name + n - 4, ".txt") == 0)
        vec_push(names, mem_text(entry->name, n));
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names are times, so the oldest come first. */
static int drop_old(struct disk *d, size_t keep)
{
    struct names names = {0};
    int err = disk_list(d, ".", take_name, &names);
    if (names.n > 0)
        qsort(names.v, names.n, sizeof *names.v, by_name);
    for (size_t i = 0; err == 0 && i + keep < names.n; i++)
        err = disk_remove(d, names.v[i]);
    for (size_t i = 0; i < names.n; i++)
        mem_free(names.v[i]);
    vec_free(&names);
    return err;
}

int report_write(const struct report *r, const char *folder, size_t keep, char ret_name[64],
                 struct why *why)
{
    struct disk *d;
    int err = file_make_dir(folder, why);
    if (err == 0)
        err = disk_real_open(folder, &d, why);
    if (err != 0)
        return err;

    char when[40], name[64];
    time_t seconds = r->time_ms / 1000;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(when, sizeof when, "%Y%m%dT%H%M%S", &utc);
    snprintf(when + n, sizeof when - n, ".%03dZ", (int)(r->time_ms % 1000));
    snprintf(name, sizeof name, "%s.txt", when);

    struct buf text;
    buf_init(&text, REPORT_MAX);
    put_text(r, when, &text);
    err = disk_replace(d, name, text.p, text.n);
    if (err == 0)
        err = drop_old(d, keep);
    if (err == 0)
        memcpy(ret_name, name, sizeof name);
    else
        why_set(why, (enum err) - err, "%s/%s cannot be written: %s", folder, name, err_text(err));
    buf_done(&text);
    disk_free(d);
    return err;
}
