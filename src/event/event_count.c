#include "event/event_count.h"

#include <pthread.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "os/thread.h"

enum { TEXT_MAX = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map series; /* family and labels -> struct stat */

/* As the exposition format has a label's value; cut at a character's begin. */
static void put_value(struct str v, struct buf *out)
{
    size_t n = MIN(v.n, (size_t)EVENT_COUNT_VALUE_MAX);
    while (n < v.n && n > 0 && ((unsigned char)v.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++) {
        if (v.p[i] == '\n')
            buf_put_str(out, STR("\\n"));
        else if (v.p[i] == '"' || v.p[i] == '\\')
            buf_printf(out, "\\%c", v.p[i]);
        else
            buf_put_c(out, v.p[i]);
    }
}

static void put_labels(const struct event_count_family *f, const struct str *values,
                       struct buf *out)
{
    for (size_t i = 0; i < EVENT_COUNT_LABELS_MAX && f->labels[i]; i++) {
        buf_printf(out, "%s%s=\"", i ? "," : "", f->labels[i]);
        put_value(values[i], out);
        buf_put_c(out, '"');
    }
}

static struct stat *make(const struct event_count_family *f, struct str labels)
{
    struct stat *s = mem_new(sizeof *s);
    s->name = f->name;
    s->help = f->help;
    s->labels = mem_text(labels.p, labels.n);
    s->type = f->type;
    s->bounds = f->bounds;
    stat_register(s);
    return s;
}

struct stat *event_count(const struct event_count_family *f, const struct str *values)
{
    static const struct str OTHER[EVENT_COUNT_LABELS_MAX] = {
        {"other", 5}, {"other", 5}, {"other", 5}};
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_printf(&text, "%s{", f->name);
    size_t at = text.n;
    put_labels(f, values, &text);
    thread_lock(&lock);
    union map_value *v = map_get(&series, buf_str(&text));
    if (!v && series.n >= EVENT_COUNT_SERIES_MAX) {
        text.n = at;
        put_labels(f, OTHER, &text);
    }
    bool is_new;
    v = map_put(&series, buf_str(&text), &is_new);
    if (is_new)
        v->p = make(f, str_sub(buf_str(&text), at, text.n));
    struct stat *s = v->p;
    thread_unlock(&lock);
    buf_done(&text);
    return s;
}
