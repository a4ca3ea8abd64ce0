#include "ingest/ingest.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/stat.h"

enum {
    TENANTS_MAX = 4096,     /* a power of two; past half of it tenants share one count */
    LABEL_BYTES_MIN = 8,    /* the least that a label with a value of one byte takes in a key */
    REFUSALS_PER_BATCH = 4, /* kept in the ring; all are counted */
    SERIES_TEXT_MAX = 200,  /* bytes of a series' name in the ring */
};

static const struct option ROWS[] = {
    {"labels_max", OPTION_INT, offsetof(struct ingest_settings, labels_max), "64", 1, LABELS_MAX,
     NULL, OPTION_RELOAD, "The most labels that a series may have, its name included."},
    {"label_name_bytes_max", OPTION_INT, offsetof(struct ingest_settings, label_name_bytes_max),
     "512", 16, LABEL_NAME_MAX, NULL, OPTION_RELOAD, "The longest name of a label."},
    {"label_value_bytes_max", OPTION_INT, offsetof(struct ingest_settings, label_value_bytes_max),
     "4096", 16, LABEL_VALUE_MAX, NULL, OPTION_RELOAD, "The longest value of a label."},
    {"future_window_ms", OPTION_INT, offsetof(struct ingest_settings, future_window_ms), "600000",
     0, 1e12, NULL, OPTION_RELOAD,
     "How far ahead of this machine's clock a sample may be dated. One sample from the far future "
     "would else make everything honest look old."},
};

const struct option_table ingest_options = {
    "ingest", "Limits on what is written, whatever way it comes in.",
    false,    sizeof(struct ingest_settings),
    ROWS,     COUNTOF(ROWS),
};

static struct stat samples_taken =
    STAT_COUNTER("sonde_ingest_samples_total", "Samples taken by the store.");

static struct stat samples_dropped = STAT_COUNTER("sonde_ingest_relabel_dropped_total",
                                                  "Samples that rules of relabelling dropped.");

#define REFUSED(err, reason)                                                                       \
    [err] = STAT_COUNTER_OF("sonde_ingest_refused_total", "reason=\"" reason "\"",                 \
                            "Samples refused, by reason.")
static struct stat samples_refused[ERR_COUNT] = {
#define ERR(name, code, text) REFUSED(ERR_##name, code),
#include "base/err.tbl.h"
#undef ERR
};

struct tenant_count {
    struct tenant *_Atomic tenant;
    char name[TENANT_NAME_MAX + 1];
    unsigned order;
    _Atomic uint64_t samples, refused;
};

struct refusal {
    int64_t at_ms;
    int err;
    char tenant[TENANT_NAME_MAX + 1];
    char series[SERIES_TEXT_MAX + 1];
    char reason[WHY_MAX];
};

struct ingest {
    struct sink sink;
    struct sink *next;
    const struct clock *clock;
    _Atomic int64_t labels_max, name_max, value_max, future_ms;
    _Atomic size_t key_free; /* a key of up to so many bytes is within all limits */
    struct ingest_relabel *relabel;
    struct tenant_count *tenants; /* [TENANTS_MAX], open addressing by pointer */
    struct tenant_count others;
    unsigned tenants_n;
    pthread_mutex_t lock; /* of tenants being added, and of the ring */
    struct refusal *ring; /* [INGEST_REFUSALS_MAX] */
    size_t refusals;      /* ever */
};

static struct ingest *of(struct sink *s)
{
    return (struct ingest *)((char *)s - offsetof(struct ingest, sink));
}

void ingest_reload(struct ingest *in, const struct ingest_settings *settings)
{
    int64_t free = MIN(settings->labels_max * LABEL_BYTES_MIN,
                       MIN(settings->label_name_bytes_max, settings->label_value_bytes_max));
    in->labels_max = settings->labels_max;
    in->name_max = settings->label_name_bytes_max;
    in->value_max = settings->label_value_bytes_max;
    in->future_ms = settings->future_window_ms;
    in->key_free = (size_t)MAX(free, 0);
    ingest_relabel_set(in->relabel, &settings->relabel);
}

int ingest_settings_check(const struct ingest_settings *settings, struct why *why)
{
    return ingest_relabel_check(&settings->relabel, why);
}

/* ---- tenants */

static size_t slot_of(const struct tenant *t)
{
    return (size_t)(((uintptr_t)t >> 4) * 0x9e3779b97f4a7c15ULL >> 40) & (TENANTS_MAX - 1);
}

static struct tenant_count *count_of(struct ingest *in, const struct tenant *t)
{
    for (size_t i = slot_of(t);; i = (i + 1) & (TENANTS_MAX - 1)) {
        struct tenant *at = atomic_load_explicit(&in->tenants[i].tenant, memory_order_acquire);
        if (at == t)
            return &in->tenants[i];
        if (!at)
            return &in->others;
    }
}

static void tenant_add(struct ingest *in, struct tenant *t, struct str name)
{
    pthread_mutex_lock(&in->lock);
    if (count_of(in, t) == &in->others && in->tenants_n < TENANTS_MAX / 2) {
        size_t i = slot_of(t);
        while (in->tenants[i].tenant)
            i = (i + 1) & (TENANTS_MAX - 1);
        struct tenant_count *c = &in->tenants[i];
        size_t n = MIN(name.n, (size_t)TENANT_NAME_MAX);
        memcpy(c->name, name.p, n);
        c->order = ++in->tenants_n;
        atomic_store_explicit(&c->tenant, t, memory_order_release);
    }
    pthread_mutex_unlock(&in->lock);
}

static int sink_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    struct ingest *in = of(s);
    struct tenant *t;
    int err = in->next->ops->tenant(in->next, name, &t, why);
    if (err)
        return err;
    if (count_of(in, t) == &in->others)
        tenant_add(in, t, name);
    *ret = t;
    return 0;
}

/* ---- checks */

static int key_check(struct ingest *in, struct str key, struct why *why)
{
    struct label l;
    int64_t n = 0;
    bool bad = false;
    for (const char *at = key.p; labels_next(key, &at, &l, &bad);) {
        n += l.value.n > 0;
        if ((int64_t)l.name.n > in->name_max)
            return why_set(why, ERR_LIMIT, "a label name of %zu bytes, at most %lld are accepted",
                           l.name.n, (long long)in->name_max);
        if ((int64_t)l.value.n > in->value_max)
            return why_set(why, ERR_LIMIT,
                           "the value of label \"" STR_FMT
                           "\" has %zu bytes, at most %lld are accepted",
                           STR_ARG(l.name), l.value.n, (long long)in->value_max);
    }
    if (bad)
        return why_set(why, ERR_FORMAT, "the labels are not a well-formed protobuf message");
    if (n > in->labels_max)
        return why_set(why, ERR_LIMIT, "%lld labels, at most %lld are accepted", (long long)n,
                       (long long)in->labels_max);
    return 0;
}

static int row_check(struct ingest *in, const struct batch *b, size_t i, int64_t limit_ms,
                     struct why *why)
{
    int err = 0;
    if (b->ts_ms[i] > limit_ms)
        err = why_set(why, ERR_FUTURE,
                      "dated %lld s ahead of this server's clock, at most %lld s are accepted",
                      (long long)((b->ts_ms[i] - (limit_ms - in->future_ms)) / 1000),
                      (long long)(in->future_ms / 1000));
    if (!err && b->key[i].n > in->key_free)
        err = key_check(in, b->key[i], why);
    if (!err && b->histogram[i])
        err = histogram_check(b->histogram[i], why);
    return err;
}

/* ---- what is refused */

static void remember(struct ingest *in, const struct tenant_count *c, struct str key, int err,
                     const char *reason)
{
    struct buf text;
    buf_init(&text, LABELS_KEY_MAX);
    labels_print(key, &text);
    size_t n = MIN(text.n, (size_t)SERIES_TEXT_MAX);
    while (n > 0 && !str_utf8(str_of(text.p, n)))
        n--;

    pthread_mutex_lock(&in->lock);
    struct refusal *r = &in->ring[in->refusals++ % INGEST_REFUSALS_MAX];
    r->at_ms = clock_wall_ms(in->clock);
    r->err = err;
    memcpy(r->tenant, c->name, sizeof r->tenant);
    if (n)
        memcpy(r->series, text.p, n);
    r->series[n] = 0;
    size_t reason_n = MIN(strlen(reason), sizeof r->reason - 1);
    memcpy(r->reason, reason, reason_n);
    r->reason[reason_n] = 0;
    pthread_mutex_unlock(&in->lock);
    buf_done(&text);
}

static size_t code_of(int err)
{
    return err < 0 && -err < ERR_COUNT ? (size_t)-err : ERR_STATE;
}

/* Counts b's refused rows; why tells of row told. */
static void count_refused(struct ingest *in, struct tenant_count *c, const struct batch *b,
                          size_t told, const struct why *why)
{
    size_t kept = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->err[i])
            continue;
        n++;
        stat_add(&samples_refused[code_of(b->err[i])], 1);
        if (kept++ < REFUSALS_PER_BATCH)
            remember(in, c, b->key[i], b->err[i],
                     i == told && why->text[0] ? why->text : err_text(b->err[i]));
    }
    atomic_fetch_add_explicit(&c->refused, n, memory_order_relaxed);
}

static size_t first_refused(const struct batch *b)
{
    size_t i = 0;
    while (i < b->n && !b->err[i])
        i++;
    return i;
}

/* Some rows must not reach the store: it gets the others and their answers are put in place. */
static int append_some(struct ingest *in, size_t lane, struct tenant *t, struct batch *b,
                       int64_t limit_ms, size_t *ret_told, struct why *why)
{
    struct batch *good = mem_raw(sizeof *good);
    struct why ours = {0}, theirs = {0};
    uint8_t place[BATCH_MAX];
    size_t first = BATCH_MAX; /* of those refused here */
    int taken = 0;

    good->n = 0;
    for (size_t i = 0; i < b->n; i++) {
        int err = row_check(in, b, i, limit_ms, first == BATCH_MAX ? &ours : NULL);
        b->err[i] = (int8_t)err;
        if (err) {
            first = MIN(first, i);
            continue;
        }
        size_t k = good->n++;
        place[k] = (uint8_t)i;
        good->key[k] = b->key[i];
        good->ts_ms[k] = b->ts_ms[i];
        good->value[k] = b->value[i];
        good->histogram[k] = b->histogram[i];
        good->start_ms[k] = b->start_ms[i];
    }
    if (good->n)
        taken = in->next->ops->append(in->next, lane, t, good, &theirs);
    for (size_t k = 0; taken >= 0 && k < good->n; k++)
        b->err[place[k]] = good->err[k];
    *ret_told = first_refused(b);
    *why = taken >= 0 && *ret_told == first ? ours : theirs;
    mem_free(good);
    return taken;
}

static int append_checked(struct ingest *in, size_t lane, struct tenant *t, struct batch *b,
                          struct why *why)
{
    int64_t limit_ms = clock_wall_ms(in->clock) + in->future_ms;
    size_t key_free = in->key_free;
    struct why own = {0};
    uint64_t doubt = 0;
    size_t told = BATCH_MAX;
    int taken;

    for (size_t i = 0; i < b->n; i++)
        doubt |= (uint64_t)(b->ts_ms[i] > limit_ms) | (uint64_t)(b->key[i].n > key_free) |
                 (uint64_t)(b->histogram[i] != NULL);
    if (LIKELY(!doubt))
        taken = in->next->ops->append(in->next, lane, t, b, &own);
    else
        taken = append_some(in, lane, t, b, limit_ms, &told, &own);
    if (taken < 0 || (size_t)taken < b->n) {
        if (why)
            *why = own;
    }
    if (taken < 0)
        return taken;

    struct tenant_count *c = count_of(in, t);
    stat_add(&samples_taken, (uint64_t)taken);
    atomic_fetch_add_explicit(&c->samples, (uint64_t)taken, memory_order_relaxed);
    if (UNLIKELY((size_t)taken < b->n))
        count_refused(in, c, b, told < BATCH_MAX ? told : first_refused(b), &own);
    return taken;
}

static int append_relabelled(struct ingest *in, size_t lane, struct tenant *t, struct batch *b,
                             struct why *why)
{
    struct ingest_relabelled *left = ingest_relabel_batch(in->relabel, lane, b);
    struct why theirs = {0};
    int taken = 0;
    stat_add(&samples_dropped, left->dropped);
    if (left->refused)
        count_refused(in, count_of(in, t), b, first_refused(b), &left->why);
    size_t ours = first_refused(b);
    if (left->batch.n)
        taken = append_checked(in, lane, t, &left->batch, &theirs);
    if (taken < 0) {
        if (why)
            *why = theirs;
        return taken;
    }
    for (size_t k = 0; k < left->batch.n; k++)
        b->err[left->place[k]] = left->batch.err[k];
    size_t first = first_refused(b);
    if (why && first < b->n)
        *why = first == ours ? left->why : theirs;
    return taken + (int)left->dropped;
}

static int sink_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                       struct why *why)
{
    struct ingest *in = of(s);
    if (UNLIKELY(ingest_relabel_any(in->relabel)))
        return append_relabelled(in, lane, t, b, why);
    return append_checked(in, lane, t, b, why);
}

static int exemplar_relabelled(struct ingest *in, size_t lane, struct exemplar *e, struct why *why)
{
    if (LIKELY(!ingest_relabel_any(in->relabel)))
        return 1;
    return ingest_relabel_key(in->relabel, lane, e->key, &e->key, why);
}

static int sink_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    struct ingest *in = of(s);
    struct exemplar own = *e;
    int kept = exemplar_relabelled(in, lane, &own, why), err = 0;
    if (kept <= 0)
        return kept;
    if (e->ts_ms > clock_wall_ms(in->clock) + in->future_ms)
        err = why_set(why, ERR_FUTURE, "an exemplar is dated too far ahead");
    if (!err && own.key.n > in->key_free)
        err = key_check(in, own.key, why);
    if (!err && e->labels.n > in->key_free)
        err = key_check(in, e->labels, why);
    return err ? err : in->next->ops->exemplar(in->next, lane, t, &own, why);
}

static int sink_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    struct ingest *in = of(s);
    if ((int64_t)m->metric.n > in->value_max || (int64_t)m->help.n > in->value_max ||
        (int64_t)m->unit.n > in->name_max)
        return -ERR_LIMIT;
    return in->next->ops->metadata(in->next, lane, t, m);
}

static void sink_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    struct ingest *in = of(s);
    in->next->ops->commit(in->next, lane, done, context);
}

static const struct sink_ops OPS = {
    .tenant = sink_tenant,
    .append = sink_append,
    .exemplar = sink_exemplar,
    .metadata = sink_metadata,
    .commit = sink_commit,
};

struct ingest *ingest_new(const struct ingest_settings *settings, struct sink *next,
                          const struct clock *clock)
{
    struct ingest *in = mem_new(sizeof *in);
    in->sink.ops = &OPS;
    in->next = next;
    in->clock = clock;
    in->tenants = mem_array(TENANTS_MAX, sizeof *in->tenants);
    in->ring = mem_array(INGEST_REFUSALS_MAX, sizeof *in->ring);
    in->relabel = ingest_relabel_new();
    must(pthread_mutex_init(&in->lock, NULL) == 0);
    ingest_reload(in, settings);
    stat_register(&samples_taken);
    stat_register(&samples_dropped);
    for (size_t i = 1; i < ERR_COUNT; i++)
        stat_register(&samples_refused[i]);
    return in;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    pthread_mutex_destroy(&in->lock);
    ingest_relabel_free(in->relabel);
    mem_free(in->tenants);
    mem_free(in->ring);
    mem_free(in);
}

struct sink *ingest_sink(struct ingest *in)
{
    return &in->sink;
}

/* ---- what the status API asks */

void ingest_refusals(struct ingest *in, struct arena *a, struct ingest_refusal **ret, size_t *ret_n)
{
    pthread_mutex_lock(&in->lock);
    size_t n = MIN(in->refusals, (size_t)INGEST_REFUSALS_MAX);
    struct ingest_refusal *out = arena_array(a, n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const struct refusal *r = &in->ring[(in->refusals - 1 - i) % INGEST_REFUSALS_MAX];
        out[i] = (struct ingest_refusal){
            .at_ms = r->at_ms,
            .err = r->err,
            .tenant = arena_str(a, str_c(r->tenant)),
            .series = arena_str(a, str_c(r->series)),
            .reason = arena_str(a, str_c(r->reason)),
        };
    }
    pthread_mutex_unlock(&in->lock);
    *ret = out;
    *ret_n = n;
}

void ingest_counts(struct ingest *in, struct arena *a, struct ingest_count **ret, size_t *ret_n)
{
    pthread_mutex_lock(&in->lock);
    struct ingest_count *out = arena_array(a, in->tenants_n, sizeof *out);
    for (size_t i = 0; i < TENANTS_MAX; i++) {
        const struct tenant_count *c = &in->tenants[i];
        if (c->tenant)
            out[c->order - 1] = (struct ingest_count){
                .tenant = arena_str(a, str_c(c->name)),
                .samples = c->samples,
                .refused = c->refused,
            };
    }
    *ret = out;
    *ret_n = in->tenants_n;
    pthread_mutex_unlock(&in->lock);
}
