/* bench/otlp.c - rewrites remote-write bodies of bench/generate.c as OpenTelemetry's metrics: the
 * same samples of the same series, to compare what each way in costs.
 *
 * usage: otlp [--batch SAMPLES] IN OUT
 *
 * An instance becomes a resource, runs of one name become a metric: counters monotonic sums, series
 * of classic buckets histograms, all else gauges. OUT has the same entries as IN: two 32-bit
 * numbers (bytes, samples) and a body, which is not packed. Prints one line of JSON.
 */
#include <getopt.h>
#include <snappy-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 32, BOUNDS_MAX = 64, TEXT_MAX = 512 };

enum kind { NONE = 0, GAUGE = 5, SUM = 7, HISTOGRAM = 9 };

struct text {
    const char *p;
    size_t n;
};

struct bytes {
    uint8_t *p;
    size_t n, room;
};

struct series {
    struct text name, instance, job, le;
    struct text label[LABELS_MAX], value[LABELS_MAX];
    size_t labels_n;
    double v;
    uint64_t ts_ms;
};

static struct {
    struct bytes body, resource, scope, metric, point, attributes;
    char name[TEXT_MAX], instance[TEXT_MAX];
    enum kind kind;
    double bounds[BOUNDS_MAX];
    uint64_t counts[BOUNDS_MAX], below, first_ms;
    size_t bounds_n, counts_n;
    uint64_t count;
    uint32_t samples, batch;
    uint64_t all, points, bodies, bytes;
    FILE *out;
} w = {.batch = 10000};

static void put(struct bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->room) {
        b->room = (b->n + n) * 2;
        b->p = realloc(b->p, b->room);
        if (b->p == NULL)
            exit(1);
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_varint(struct bytes *b, uint64_t v)
{
    uint8_t one;
    for (; v >= 0x80; v >>= 7) {
        one = (uint8_t)(v | 0x80);
        put(b, &one, 1);
    }
    one = (uint8_t)v;
    put(b, &one, 1);
}

static void put_field(struct bytes *b, unsigned number, const void *p, size_t n)
{
    put_varint(b, number << 3 | 2);
    put_varint(b, n);
    put(b, p, n);
}

static void put_fixed(struct bytes *b, unsigned number, const void *eight)
{
    put_varint(b, number << 3 | 1);
    put(b, eight, 8);
}

static void put_attribute(struct bytes *b, unsigned number, struct text key, struct text value)
{
    static struct bytes any, pair;
    any.n = pair.n = 0;
    put_field(&any, 1, value.p, value.n);
    put_field(&pair, 1, key.p, key.n);
    put_field(&pair, 2, any.p, any.n);
    put_field(b, number, pair.p, pair.n);
}

static struct text text(const char *s)
{
    return (struct text){s, strlen(s)};
}

static void end_metric(void)
{
    static struct bytes whole;
    if (w.kind == NONE)
        return;
    if (w.kind != GAUGE) {
        put_varint(&w.metric, 2 << 3);
        put_varint(&w.metric, 2); /* cumulative */
    }
    if (w.kind == SUM) {
        put_varint(&w.metric, 3 << 3);
        put_varint(&w.metric, 1); /* monotonic */
    }
    size_t n = strlen(w.name), total = sizeof "_total" - 1;
    if (w.kind == SUM && n > total && strcmp(w.name + n - total, "_total") == 0)
        n -= total; /* it comes back */
    whole.n = 0;
    put_field(&whole, 1, w.name, n);
    put_field(&whole, w.kind, w.metric.p, w.metric.n);
    put_field(&w.scope, 2, whole.p, whole.n);
    w.metric.n = 0;
    w.kind = NONE;
}

static void end_resource(void)
{
    static struct bytes scope;
    end_metric();
    if (w.resource.n == 0)
        return;
    scope.n = 0;
    put_field(&scope, 1, "bench", 5);
    struct bytes *all = &w.attributes;
    all->n = 0;
    put_field(all, 1, scope.p, scope.n);
    put(all, w.scope.p, w.scope.n);
    put_field(&w.resource, 2, all->p, all->n);
    put_field(&w.body, 1, w.resource.p, w.resource.n);
    w.resource.n = w.scope.n = 0;
    w.instance[0] = '\0';
}

static void end_body(void)
{
    end_resource();
    if (w.samples == 0)
        return;
    uint32_t head[2] = {(uint32_t)w.body.n, w.samples};
    if (fwrite(head, sizeof head, 1, w.out) != 1 || fwrite(w.body.p, w.body.n, 1, w.out) != 1)
        exit(1);
    w.all += w.samples;
    w.bytes += w.body.n;
    w.bodies++;
    w.body.n = 0;
    w.samples = 0;
}

static void begin_resource(const struct series *s)
{
    static struct bytes attributes;
    char instance[TEXT_MAX];
    snprintf(instance, sizeof instance, "%.*s", (int)s->instance.n, s->instance.p);
    if (strcmp(instance, w.instance) == 0)
        return;
    end_resource();
    if (w.samples >= w.batch)
        end_body();
    memcpy(w.instance, instance, sizeof instance);
    attributes.n = 0;
    put_attribute(&attributes, 1, text("service.name"), s->job);
    put_attribute(&attributes, 1, text("service.instance.id"), s->instance);
    put_attribute(&attributes, 1, text("host.name"), s->instance);
    put_attribute(&attributes, 1, text("os.type"), text("linux"));
    put_field(&w.resource, 1, attributes.p, attributes.n);
}

static void begin_metric(struct text name, enum kind kind)
{
    char own[TEXT_MAX];
    snprintf(own, sizeof own, "%.*s", (int)name.n, name.p);
    if (kind == w.kind && strcmp(own, w.name) == 0)
        return;
    end_metric();
    memcpy(w.name, own, sizeof own);
    w.kind = kind;
}

static void put_times(const struct series *s)
{
    uint64_t start = w.first_ms * 1000000, time = s->ts_ms * 1000000;
    put_fixed(&w.point, 2, &start);
    put_fixed(&w.point, 3, &time);
}

static void put_attributes(const struct series *s, unsigned number)
{
    for (size_t i = 0; i < s->labels_n; i++)
        put_attribute(&w.point, number, s->label[i], s->value[i]);
}

static void end_point(void)
{
    put_field(&w.metric, 1, w.point.p, w.point.n);
    w.point.n = 0;
    w.points++;
}

static bool ends(struct text s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n > n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

/* Buckets in order, the infinite one last; then the count, then the sum, which ends the point. */
static bool histogram(const struct series *s)
{
    if (s->le.n) {
        char le[TEXT_MAX];
        snprintf(le, sizeof le, "%.*s", (int)s->le.n, s->le.p);
        w.counts[w.counts_n++] = (uint64_t)s->v - w.below;
        w.below = (uint64_t)s->v;
        if (strcmp(le, "+Inf") != 0)
            w.bounds[w.bounds_n++] = strtod(le, NULL);
        return true;
    }
    if (w.counts_n == 0)
        return false;
    if (ends(s->name, "_count")) {
        w.count = (uint64_t)s->v;
        return true;
    }
    struct text name = {s->name.p, s->name.n - 4};
    begin_metric(name, HISTOGRAM);
    put_times(s);
    put_fixed(&w.point, 4, &w.count);
    put_fixed(&w.point, 5, &s->v);
    put_field(&w.point, 6, w.counts, w.counts_n * 8);
    put_field(&w.point, 7, w.bounds, w.bounds_n * 8);
    put_attributes(s, 9);
    end_point();
    w.counts_n = w.bounds_n = 0;
    w.below = 0;
    return true;
}

static void take(const struct series *s)
{
    if (w.first_ms == 0)
        w.first_ms = s->ts_ms;
    begin_resource(s);
    w.samples++;
    if (histogram(s))
        return;
    begin_metric(s->name, ends(s->name, "_total") ? SUM : GAUGE);
    put_times(s);
    put_fixed(&w.point, 4, &s->v);
    put_attributes(s, 7);
    end_point();
}

/* ---- reading */

static uint64_t varint(const uint8_t **p)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
}

static struct text bytes_of(const uint8_t **p)
{
    size_t n = varint(p);
    struct text t = {(const char *)*p, n};
    *p += n;
    return t;
}

static bool is(struct text t, const char *s)
{
    return t.n == strlen(s) && memcmp(t.p, s, t.n) == 0;
}

static void add_label(struct series *s, struct text pair)
{
    const uint8_t *p = (const uint8_t *)pair.p + 1;
    struct text name = bytes_of(&p);
    p++;
    struct text value = bytes_of(&p);
    if (is(name, "__name__"))
        s->name = value;
    else if (is(name, "instance"))
        s->instance = value;
    else if (is(name, "job"))
        s->job = value;
    else if (is(name, "le"))
        s->le = value;
    else if (s->labels_n < LABELS_MAX) {
        s->label[s->labels_n] = name;
        s->value[s->labels_n++] = value;
    }
}

static void read_series(struct text message)
{
    const uint8_t *p = (const uint8_t *)message.p, *end = p + message.n;
    struct series s = {.v = 0};
    while (p < end) {
        uint8_t tag = *p++;
        struct text t = bytes_of(&p);
        if (tag == 0x0a) {
            add_label(&s, t);
        } else if (tag == 0x12) {
            const uint8_t *q = (const uint8_t *)t.p + 1;
            memcpy(&s.v, q, 8);
            q += 9;
            s.ts_ms = varint(&q);
        }
    }
    take(&s);
}

static void convert(FILE *in)
{
    uint32_t head[2];
    while (fread(head, sizeof head, 1, in) == 1) {
        char *packed = malloc(head[0]);
        size_t n = 0;
        if (packed == NULL || fread(packed, head[0], 1, in) != 1 ||
            snappy_uncompressed_length(packed, head[0], &n) != SNAPPY_OK)
            exit(1);
        char *body = malloc(n);
        if (body == NULL || snappy_uncompress(packed, head[0], body, &n) != SNAPPY_OK)
            exit(1);
        const uint8_t *p = (const uint8_t *)body, *end = p + n;
        while (p < end) {
            p++; /* a series is all that there is */
            read_series(bytes_of(&p));
        }
        free(packed);
        free(body);
    }
    end_body();
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"batch", required_argument, NULL, 'b'}, {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) > 0) {
        if (c != 'b')
            return 2;
        w.batch = (uint32_t)strtoul(optarg, NULL, 10);
    }
    if (argc - optind != 2) {
        fputs("usage: otlp [--batch SAMPLES] IN OUT\n", stderr);
        return 2;
    }
    FILE *in = fopen(argv[optind], "rbe");
    w.out = fopen(argv[optind + 1], "wbe");
    if (in == NULL || w.out == NULL) {
        perror("otlp");
        return 1;
    }
    convert(in);
    fclose(in);
    if (fclose(w.out) != 0)
        return 1;
    printf("{\"samples\": %llu, \"points\": %llu, \"bodies\": %llu, \"bytes\": %llu}\n",
           (unsigned long long)w.all, (unsigned long long)w.points, (unsigned long long)w.bodies,
           (unsigned long long)w.bytes);
    return 0;
}
