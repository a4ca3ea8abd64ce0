#include "client/metric/frame_writer.h"

#include <stdlib.h>
#include <string.h>

#include "client/core/identity.h"
#include "client/core/lost.h"
#include "client/core/proto.h"

enum { NAME_MAX_BYTES = 300, LABELS_MAX = SOURCE_LABELS_MAX + 4, LABELS_BYTES_MAX = 64 << 10 };

/* Numbers of fields in prompb. */
enum { REQUEST_SERIES = 1, REQUEST_METADATA = 3 };
enum { SERIES_LABELS = 1, SERIES_SAMPLES = 2, SERIES_EXEMPLARS = 3, SERIES_HISTOGRAMS = 4 };

static struct frame_writer *mine(struct source_writer *w)
{
    return (struct frame_writer *)w; /* its first member */
}

/* Before something new is written: what is full goes, since now it is known that more follows. */
static void make_room(struct frame_writer *w)
{
    if (w->text.len >= FRAME_WRITER_FULL) {
        w->frame(w->context, &w->text, true);
        text_clear(&w->text);
    }
}

/* After something was written: it is there as a whole, or not at all. */
static void settle(struct frame_writer *w, size_t before)
{
    if (w->text.cut) {
        w->text.len = before;
        w->text.cut = false;
        w->cut = true;
        lost_add(LOST_METRIC, LOST_TOO_BIG, 1);
    }
}

static void family(struct source_writer *base)
{
    static const uint64_t types[] = {
        [SOURCE_COUNTER] = 1, [SOURCE_GAUGE] = 2, [SOURCE_HISTOGRAM] = 3, [SOURCE_SUMMARY] = 5};
    struct frame_writer *w = mine(base);
    const struct writer_family *f = &base->now;
    char name[NAME_MAX_BYTES];
    if (!w->all_metadata && !f->new_to_daemon) {
        return;
    }
    make_room(w);
    size_t before = w->text.len, n = f->name_n;
    if (n + 7 > sizeof name) {
        return; /* no name of ours is that long */
    }
    memcpy(name, f->name, n);
    if (f->type == SOURCE_COUNTER) {
        memcpy(name + n, "_total", 6);
        n += 6;
    }
    size_t at = proto_open(&w->text, REQUEST_METADATA);
    proto_varint(&w->text, 1, types[f->type]);
    proto_bytes(&w->text, 2, name, n);
    if (*f->help) {
        proto_string(&w->text, 4, f->help);
    }
    if (*f->unit) {
        proto_string(&w->text, 5, f->unit);
    }
    proto_close(&w->text, at);
    settle(w, before);
}

struct pair {
    const char *name, *value;
    size_t value_n;
};

static void insert(struct pair *pairs, size_t *n, const char *name, const char *value,
                   size_t value_n)
{
    size_t i = *n;
    if (i == LABELS_MAX || value_n == 0) {
        return; /* an empty label is none */
    }
    for (; i && strcmp(pairs[i - 1].name, name) > 0; i--) {
        pairs[i] = pairs[i - 1];
    }
    pairs[i] = (struct pair){.name = name, .value = value, .value_n = value_n};
    ++*n;
}

static size_t varint_size(size_t n)
{
    return n < 0x80 ? 1 : n < 0x4000 ? 2 : 3;
}

/* A Label, with sizes of the least length: readers use these bytes as keys. */
static void put_label(struct text *t, const struct pair *p)
{
    size_t name_n = strlen(p->name);
    proto_packed_varint(t, SERIES_LABELS << 3 | 2);
    proto_packed_varint(t, 2 + varint_size(name_n) + name_n + varint_size(p->value_n) + p->value_n);
    proto_bytes(t, 1, p->name, name_n);
    proto_bytes(t, 2, p->value, p->value_n);
}

static void make_labels(struct frame_writer *w, const char *suffix, const sonde_label *labels,
                        struct text *t)
{
    struct pair pairs[LABELS_MAX];
    char name[NAME_MAX_BYTES];
    size_t n = 0, name_n = w->writer.now.name_n, suffix_n = strlen(suffix);
    if (name_n + suffix_n > sizeof name) {
        return;
    }
    memcpy(name, w->writer.now.name, name_n);
    memcpy(name + name_n, suffix, suffix_n);
    insert(pairs, &n, "__name__", name, name_n + suffix_n);
    insert(pairs, &n, "job", identity.service, strlen(identity.service));
    insert(pairs, &n, "instance", identity.instance, strlen(identity.instance));
    for (; labels && labels->name; labels++) {
        const char *label = strcmp(labels->name, "job") == 0        ? "exported_job"
                            : strcmp(labels->name, "instance") == 0 ? "exported_instance"
                                                                    : labels->name;
        insert(pairs, &n, label, labels->value, labels->value ? strlen(labels->value) : 0);
    }
    for (size_t i = 0; i < n; i++) {
        put_label(t, &pairs[i]);
    }
}

static void put_labels(struct frame_writer *w, const char *suffix, const sonde_label *labels,
                       struct writer_bytes *kept)
{
    if (kept && kept->bytes) {
        text_add(&w->text, kept->bytes, kept->n);
        return;
    }
    size_t from = w->text.len;
    make_labels(w, suffix, labels, &w->text);
    size_t n = w->text.len - from;
    if (kept && !w->text.cut && n && n <= LABELS_BYTES_MAX) {
        kept->bytes = malloc(n);
        if (kept->bytes) { /* otherwise they are made again next time */
            memcpy(kept->bytes, w->text.bytes + from, n);
            kept->n = n;
        }
    }
}

static void put_exemplar(struct frame_writer *w, const struct exemplar_copy *e)
{
    static const char digits[] = "0123456789abcdef";
    char trace[32], span[16];
    for (size_t i = 0; i < 16; i++) {
        trace[2 * i] = digits[e->trace_id[i] >> 4];
        trace[2 * i + 1] = digits[e->trace_id[i] & 15];
    }
    for (size_t i = 0; i < 8; i++) {
        span[2 * i] = digits[e->span_id[i] >> 4];
        span[2 * i + 1] = digits[e->span_id[i] & 15];
    }
    size_t at = proto_open(&w->text, SERIES_EXEMPLARS);
    struct pair pairs[] = {{"span_id", span, sizeof span}, {"trace_id", trace, sizeof trace}};
    put_label(&w->text, &pairs[0]);
    put_label(&w->text, &pairs[1]);
    proto_double(&w->text, 2, e->value);
    proto_varint(&w->text, 3, (uint64_t)e->unix_ms);
    proto_close(&w->text, at);
}

static void sample(struct source_writer *base, const struct writer_sample *s)
{
    struct frame_writer *w = mine(base);
    make_room(w);
    size_t before = w->text.len;
    size_t at = proto_open(&w->text, REQUEST_SERIES);
    put_labels(w, s->suffix, s->labels, s->kept);
    size_t inner = proto_open(&w->text, SERIES_SAMPLES);
    proto_double(&w->text, 1, s->value);
    proto_varint(&w->text, 2, (uint64_t)w->unix_ms);
    proto_close(&w->text, inner);
    if (s->exemplar) {
        put_exemplar(w, s->exemplar);
    }
    proto_close(&w->text, at);
    settle(w, before);
}

/* The end of the span that begins at bucket i, which is in use: gaps of up to two empty buckets are
 * cheaper within it than a span more. */
static size_t span_end(const uint64_t *bucket, size_t n, size_t i)
{
    enum { GAP = 2 };
    size_t used = i;
    for (size_t k = i + 1; k < n && k - used <= GAP + 1; k++) {
        used = bucket[k] ? k : used;
    }
    return used + 1;
}

static void put_buckets(struct text *t, unsigned spans_field, unsigned deltas_field, int offset,
                        const uint64_t *bucket, size_t n)
{
    int next = 0;
    for (size_t i = 0; i < n; i++) {
        if (bucket[i]) {
            size_t end = span_end(bucket, n, i);
            size_t at = proto_open(t, spans_field);
            proto_sint(t, 1, offset + (int)i - next);
            proto_varint(t, 2, end - i);
            proto_close(t, at);
            next = offset + (int)end;
            i = end - 1;
        }
    }
    size_t at = proto_open(t, deltas_field);
    int64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t end = bucket[i] ? span_end(bucket, n, i) : i; i < end; i++) {
            proto_packed_sint(t, (int64_t)bucket[i] - before);
            before = (int64_t)bucket[i];
        }
    }
    proto_close(t, at);
}

static void native(struct source_writer *base, const struct writer_native *s)
{
    struct frame_writer *w = mine(base);
    const struct source_histogram *h = s->histogram;
    make_room(w);
    size_t before = w->text.len;
    size_t at = proto_open(&w->text, REQUEST_SERIES);
    put_labels(w, "", s->labels, s->kept);
    for (size_t i = 0; i < s->exemplars_n; i++) {
        put_exemplar(w, &s->exemplars[i]);
    }
    size_t inner = proto_open(&w->text, SERIES_HISTOGRAMS);
    proto_varint(&w->text, 1, h->count);
    proto_double(&w->text, 3, h->sum);
    proto_sint(&w->text, 4, h->schema);
    proto_double(&w->text, 5, h->zero_threshold);
    proto_varint(&w->text, 6, h->zero_count);
    if (h->negative_n) {
        put_buckets(&w->text, 8, 9, h->negative_offset, h->negative, h->negative_n);
    }
    if (h->positive_n) {
        put_buckets(&w->text, 11, 12, h->positive_offset, h->positive, h->positive_n);
    }
    proto_varint(&w->text, 15, (uint64_t)w->unix_ms);
    proto_close(&w->text, inner);
    proto_close(&w->text, at);
    settle(w, before);
}

void frame_writer_init(struct frame_writer *w, int64_t unix_ms,
                       void (*frame)(void *context, const struct text *payload, bool more),
                       void *context)
{
    *w = (struct frame_writer){
        .writer = {.family = family, .sample = sample, .native = native, .to_daemon = true},
        .unix_ms = unix_ms,
        .frame = frame,
        .context = context,
    };
    text_init(&w->text, FRAME_WRITER_MAX);
}

void frame_writer_end(struct frame_writer *w)
{
    if (w->text.len) {
        w->frame(w->context, &w->text, false);
    }
    text_done(&w->text);
}
