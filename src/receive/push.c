#include "receive/push.h"

#include <strings.h>

int push_open(const struct push_from *from, size_t bad_max, struct push **ret, struct why *why)
{
    struct str name = from->tenant;
    struct tenant *t;
    int err = from->sink->ops->tenant(from->sink, name.n ? name : STR("default"), &t, why);
    if (err)
        return err;
    struct push *p = arena_new(from->arena, sizeof *p);
    p->loop = from->loop;
    p->sink = from->sink;
    p->tenant = t;
    p->lane = from->lane;
    p->arena = from->arena;
    p->bad_max = MIN(bad_max, (size_t)PUSH_BAD_MAX);
    *ret = p;
    return 0;
}

int push_new(struct http_request *r, struct sink *s, size_t bad_max, struct push **ret,
             struct why *why)
{
    const struct push_from from = {s, http_header(r, STR("X-Scope-OrgID")), http_loop(r),
                                   http_lane(r), http_arena(r)};
    int err = push_open(&from, bad_max, ret, why);
    if (err)
        return err;
    (*ret)->request = r;
    return 0;
}

bool push_curable(int err)
{
    return err == -ERR_FULL || err == -ERR_IO || err == -ERR_BUSY || err == -ERR_CLOSED ||
           err == -ERR_TIMEOUT || err == -ERR_STATE;
}

static void add_bad(struct push *p, size_t index, struct str series, struct str reason,
                    uint64_t samples)
{
    p->refused += samples;
    if (p->bad_n < p->bad_max)
        p->bad[p->bad_n++] =
            (struct push_bad){index, arena_str(p->arena, series), arena_str(p->arena, reason)};
}

static void refused_row(struct push *p, const struct batch *b, size_t i, size_t index,
                        const char *reason)
{
    struct buf text;
    if (push_curable(b->err[i])) {
        if (!p->store_err)
            why_set(&p->why, (enum err) - b->err[i], "%s", reason);
        p->store_err = b->err[i];
        return;
    }
    buf_init(&text, LABELS_KEY_MAX);
    if (p->bad_n < p->bad_max)
        labels_print(b->key[i], &text);
    buf_printf(&text, " at %lld", (long long)b->ts_ms[i]);
    add_bad(p, index, buf_str(&text), str_c(reason), 1);
    buf_done(&text);
}

static void count(struct push *p, const struct batch *b, const size_t *index, const char *first)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->err[i] == 0) {
            p->samples += b->histogram[i] == NULL;
            p->histograms += b->histogram[i] != NULL;
            continue;
        }
        refused_row(p, b, i, index ? index[i] : (size_t)(p->rows + i),
                    *first ? first : err_text(b->err[i]));
        first = "";
    }
}

int push_take(struct push *p, struct batch *b, const struct sides *s, const size_t *index)
{
    const struct sink_ops *ops = p->sink->ops;
    struct why why = {0};
    int taken = 0;
    if (b->n)
        taken = ops->append(p->sink, p->lane, p->tenant, b, &why);
    if (taken < 0) {
        p->store_err = taken;
        p->why = why;
        if (!why.text[0])
            why_set(&p->why, (enum err) - taken, "%s", err_text(taken));
        return taken;
    }
    if ((size_t)taken == b->n) { /* the usual batch */
        uint64_t histograms = 0;
        for (size_t i = 0; i < b->n; i++)
            histograms += b->histogram[i] != NULL;
        p->samples += b->n - histograms;
        p->histograms += histograms;
    } else {
        count(p, b, index, why.text);
    }
    p->rows += b->n;

    for (size_t i = 0; i < s->exemplars_n; i++)
        /* An exemplar that is refused is an example less, no loss of data: only counted. */
        if (ops->exemplar(p->sink, p->lane, p->tenant, &s->exemplars[i], NULL) == 0)
            p->exemplars++;
    for (size_t i = 0; i < s->metadata_n; i++)
        /* The same holds for a help text. */
        (void)!ops->metadata(p->sink, p->lane, p->tenant, &s->metadata[i]);
    for (size_t i = 0; i < s->bad_n; i++)
        add_bad(p, s->bad[i].at, s->bad[i].series, s->bad[i].reason, s->bad[i].samples);
    return 0;
}

static void on_loop(void *context)
{
    struct push *p = context;
    p->answer(p, p->commit_err);
}

/* On any thread. */
static void on_commit(void *context, int err)
{
    struct push *p = context;
    p->commit_err = err;
    loop_post(p->loop, on_loop, p);
}

void push_commit(struct push *p)
{
    p->sink->ops->commit(p->sink, p->lane, on_commit, p);
}

int push_status(struct push *p, int err)
{
    if (!push_curable(err))
        return 400;
    http_reply_header(p->request, STR("Retry-After"), err == -ERR_FULL ? STR("30") : STR("5"));
    return err == -ERR_FULL ? 507 : 503;
}

struct str push_media_type(struct str content_type)
{
    return str_trim(str_sub(content_type, 0, str_find(content_type, ';')));
}

bool push_same_text(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

struct str push_media_param(struct str content_type, struct str name)
{
    struct str rest = content_type, part;
    if (!str_split(&rest, ';', &part))
        return (struct str){0};
    while (str_split(&rest, ';', &part)) {
        size_t equals = str_find(part, '=');
        struct str value = str_trim(str_sub(part, equals + 1, part.n));
        if (!push_same_text(str_trim(str_sub(part, 0, equals)), name))
            continue;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = str_sub(value, 1, value.n - 1);
        return value.p ? value : STR("");
    }
    return (struct str){0};
}
