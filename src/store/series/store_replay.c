#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/vec.h"
#include "store/series/fields.h"
#include "store/series/store_inside.h"

/* Lanes' states by lane and tenant. */
struct replay {
    struct store *s;
    struct head_replay *states; /* [LOG_LANES_MAX * (tenants + 1)] */
    size_t tenants;
    struct arena arena; /* of the bytes kept */
    struct {
        struct kept {
            uint64_t sequence;
            struct str bytes;
            uint64_t segment;
            uint32_t lane;
            bool after_gap;
        } * v;
        size_t n, capacity;
    } kept;
    uint64_t bad;
};

static struct tenant *tenant_at(struct replay *r, uint64_t number)
{
    return number && number <= r->s->tenants.n ? r->s->tenants.v[number - 1] : NULL;
}

static struct str bytes_of(const struct log_record *rec)
{
    return str_of((const char *)rec->p, rec->n);
}

static bool apply_series(struct replay *r, const struct log_record *rec)
{
    struct str in = bytes_of(rec);
    uint64_t number, id;
    if (!fields_take_number(&in, &number) || !fields_take_number(&in, &id) || id > UINT32_MAX)
        return false;
    struct tenant *t = tenant_at(r, number);
    if (!t)
        return false;
    return head_define(t->head, (uint32_t)id, in) == 0;
}

/* Lookup and postings of all heads, made while the samples are applied. */
static void index_all(void *context)
{
    struct store *s = context;
    for (size_t i = 0; i < s->tenants.n; i++)
        head_index_all(s->tenants.v[i]->head);
}

static bool apply_exemplar(struct replay *r, const struct log_record *rec)
{
    struct str in = bytes_of(rec);
    uint64_t number, ts, bits;
    struct exemplar e;
    if (!fields_take_number(&in, &number) || !fields_take_text(&in, &e.key) ||
        !fields_take_text(&in, &e.labels) || !fields_take_number(&in, &ts) ||
        !fields_take_number(&in, &bits) || !tenant_at(r, number))
        return false;
    e.ts_ms = unzigzag(ts);
    e.value = bits_double(bits);
    tenant_note_exemplar(tenant_at(r, number), &e);
    return true;
}

static bool apply_metadata(struct replay *r, const struct log_record *rec)
{
    struct str in = bytes_of(rec);
    uint64_t number, type;
    struct metadata m;
    bool is_new;
    if (!fields_take_number(&in, &number) || !fields_take_number(&in, &type) ||
        type > METRIC_STATESET || !fields_take_text(&in, &m.metric) ||
        !fields_take_text(&in, &m.help) || !fields_take_text(&in, &m.unit) || !tenant_at(r, number))
        return false;
    m.type = (enum metric_type)type;
    tenant_note_metadata(tenant_at(r, number), &m, &is_new);
    return true;
}

/* Copies a record of samples: they are applied in the order of their sequence, all lanes and
 * segments together. */
static bool keep_samples(struct replay *r, const struct log_record *rec)
{
    struct record_reader reader;
    if (record_read(&reader, bytes_of(rec)) || !tenant_at(r, reader.tenant) ||
        rec->lane >= LOG_LANES_MAX)
        return false;
    struct kept kept = {reader.sequence, arena_str(&r->arena, bytes_of(rec)), rec->segment,
                        rec->lane, rec->after_gap};
    vec_push(&r->kept, kept);
    r->s->sequence = MAX(r->s->sequence, reader.sequence + 1);
    return true;
}

static bool apply_samples(struct replay *r, const struct kept *k)
{
    struct record_reader reader;
    if (record_read(&reader, k->bytes))
        return false;
    struct tenant *t = r->s->tenants.v[reader.tenant - 1];
    struct head_replay *state = &r->states[k->lane * (r->tenants + 1) + reader.tenant];
    /* Values that lean on lost ones are found by their segment number: forget them all. */
    if (k->after_gap)
        head_replay_done(state);
    return head_apply(t->head, state, (uint32_t)k->segment, &reader, &r->s->orphans) == 0;
}

static int by_sequence(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static void apply_kept(struct replay *r)
{
    if (r->kept.n)
        qsort(r->kept.v, r->kept.n, sizeof *r->kept.v, by_sequence);
    for (size_t i = 0; i < r->kept.n; i++)
        r->bad += !apply_samples(r, &r->kept.v[i]);
    vec_free(&r->kept);
    arena_done(&r->arena);
}

static int apply(void *context, const struct log_record *rec)
{
    struct replay *r = context;
    bool ok = true;
    if (rec->type == RECORD_SAMPLES)
        ok = keep_samples(r, rec);
    else if (rec->type == RECORD_SERIES)
        ok = apply_series(r, rec);
    else if (rec->type == RECORD_EXEMPLAR)
        ok = apply_exemplar(r, rec);
    else if (rec->type == RECORD_METADATA)
        ok = apply_metadata(r, rec);
    r->bad += !ok;
    return 0;
}

static void warn(void *context, const char *text)
{
    struct replay *r = context;
    store_warn(r->s, "log: %s", text);
}

bool store_replay_from(struct str text, uint64_t *ret)
{
    struct str number, sum;
    char wanted[16];
    text = str_trim(text);
    if (!str_split(&text, ' ', &number) || !str_split(&text, ' ', &sum))
        return false;
    snprintf(wanted, sizeof wanted, "%08x", hash_crc32c(0, number.p, number.n));
    return str_eq(sum, str_c(wanted)) && str_u64(number, ret);
}

/* The first segment that has anything a part does not hold: "replay-from", see store_flush.c. */
static uint64_t replay_from(struct store *s)
{
    void *p = NULL;
    size_t n = 0;
    uint64_t from = 0;
    int err = disk_slurp(s->config.disk, "replay-from", 64, &p, &n);
    if (!err && !store_replay_from(str_of(p, n), &from))
        err = -ERR_CORRUPT;
    if (err && err != -ERR_NOENT)
        store_warn(s, "replay-from cannot be read (%s): the whole log is replayed", err_text(err));
    mem_free(p);
    return from;
}

int store_replay(struct store *s, uint64_t *ret_last_segment, struct why *why)
{
    int64_t begun = clock_monotonic_ns(&clock_real);
    struct replay r = {.s = s, .tenants = s->tenants.n};
    struct log_replay_result result;
    struct log_replay how = {replay_from(s), apply, warn, &r};
    r.states = mem_array(LOG_LANES_MAX * (r.tenants + 1), sizeof *r.states);

    /* Samples wait: a lane's may lie before the definition that another lane made. */
    struct thread indexer = {0};
    arena_init(&r.arena);
    int err = log_replay(s->config.disk, "log", s->ring, &how, &result, why);
    thread_start(&indexer, "index", index_all, s);
    apply_kept(&r);
    thread_join(&indexer);
    for (size_t i = 0; i < s->tenants.n; i++)
        head_reserve_orphans(s->tenants.v[i]->head);
    for (size_t i = 0; i < LOG_LANES_MAX * (r.tenants + 1); i++)
        head_replay_done(&r.states[i]);
    mem_free(r.states);
    if (err)
        return err;
    s->replay_bad = r.bad;
    if (r.bad || s->orphans)
        store_warn(s, "log: %llu records could not be applied, %llu samples had no series",
                   (unsigned long long)r.bad, (unsigned long long)s->orphans);
    for (size_t i = 0; i < s->tenants.n; i++)
        s->replayed_samples += head_samples(s->tenants.v[i]->head);
    s->replay_ns = clock_monotonic_ns(&clock_real) - begun;
    *ret_last_segment = MAX(result.last_segment, how.from_segment);
    return 0;
}
