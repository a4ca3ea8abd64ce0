/* bench/generate.c - writes remote-write 1.0 bodies of many machines, for bench/send.c to post.
 *
 * usage: generate [--trace FILE] --start-ms T [--hosts N] [--steps N] [--interval-ms N]
 *                 [--stride N] [--batch N] [--shards N] [--jitter-ms N] [--churn-steps N]
 *                 [--routes N] [--first-step N] OUT
 *
 * The first step is what a run before this one has made already: slices of one load.
 * With --routes, each host is an HTTP service with a histogram of N routes instead of a machine.
 *
 * OUT.0 .. OUT.(shards-1) each hold entries of two 32-bit numbers (bytes, samples) and a snappy
 * body. A host is in one shard, so that its samples stay in order. Prints one line of JSON.
 *
 * One machine's samples are laid out once as protobuf; for each host and step only the instance,
 * the time and the values are written over, all of which have a fixed width.
 */
#include <getopt.h>
#include <snappy-c.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

enum { INSTANCE_ROOM = 64, MESSAGE_MAX = 4096, TIME_BYTES = 6, PATH_MAX_BYTES = 1024 };

/* Where one series lies in the laid out machine. */
struct place {
    size_t from, n, instance, value, time;
};

struct plan {
    const char *trace, *out;
    long long hosts, steps, interval_ms, start_ms, stride, batch, shards, jitter_ms, churn_steps,
        routes, first_step;
};

struct generator {
    struct plan plan;
    struct node node;
    struct place *places; /* [node.n] */
    uint8_t *layout;      /* [layout_n] */
    size_t layout_n, instance_n;
    uint64_t *offsets, *phases; /* [hosts] */
    uint64_t random;
    uint8_t *body, *packed;
    size_t body_n;
    uint32_t body_samples;
    FILE *out;
    uint64_t samples, raw_bytes, packed_bytes, bodies;
};

static uint64_t next_random(struct generator *g)
{
    g->random ^= g->random >> 12;
    g->random ^= g->random << 25;
    g->random ^= g->random >> 27;
    return g->random * 0x2545f4914f6cdd1dULL;
}

static void *room(size_t n)
{
    void *p = calloc(n, 1);
    if (p == NULL) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return p;
}

static size_t varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static size_t field(uint8_t *p, uint8_t tag, const void *bytes, size_t n)
{
    size_t at = 0;
    p[at++] = tag;
    at += varint(p + at, n);
    memcpy(p + at, bytes, n);
    return at + n;
}

static size_t label(uint8_t *p, const char *name, const char *value)
{
    uint8_t pair[MESSAGE_MAX];
    size_t n = field(pair, 0x0a, name, strlen(name));
    n += field(pair + n, 0x12, value, strlen(value));
    return field(p, 0x0a, pair, n);
}

static size_t instance_text(const struct generator *g, long long host, long long life, char *ret)
{
    int n = g->plan.churn_steps
                ? snprintf(ret, INSTANCE_ROOM, "host-%05lld-%04lld:9100", host, life)
                : snprintf(ret, INSTANCE_ROOM, "host-%05lld:9100", host);
    return (size_t)n;
}

/* Labels in order of their names, with instance and job among them; sets where instance's text
 * is. */
static size_t lay_out_labels(const struct node_series *s, const char *instance, const char *job,
                             uint8_t *p, size_t *ret_instance)
{
    static const char *const OWN[] = {"instance", "job"};
    const char *own_value[] = {instance, job};
    size_t n = label(p, "__name__", s->name);
    size_t own = 0;
    for (size_t i = 0; i <= s->labels_n; i++) {
        while (own < 2 && (i == s->labels_n || strcmp(s->label[i], OWN[own]) > 0)) {
            n += label(p + n, OWN[own], own_value[own]);
            if (own++ == 0)
                *ret_instance = n - strlen(instance);
        }
        if (i < s->labels_n)
            n += label(p + n, s->label[i], s->value[i]);
    }
    return n;
}

static void lay_out(struct generator *g)
{
    char instance[INSTANCE_ROOM];
    g->instance_n = instance_text(g, 0, 0, instance);
    g->places = room(g->node.n * sizeof *g->places);
    g->layout = room(g->node.n * MESSAGE_MAX);
    for (size_t i = 0; i < g->node.n; i++) {
        uint8_t message[MESSAGE_MAX], head[16];
        struct place *at = &g->places[i];
        size_t n = lay_out_labels(&g->node.series[i], instance,
                                  g->plan.routes ? "api" : "node_exporter", message, &at->instance);
        static const uint8_t SAMPLE[] = {0x12, 10 + TIME_BYTES, 0x09};
        memcpy(message + n, SAMPLE, sizeof SAMPLE);
        at->value = n + sizeof SAMPLE;
        at->time = at->value + 8 + 1;
        message[at->time - 1] = 0x10;
        n = at->time + TIME_BYTES;
        head[0] = 0x0a;
        size_t head_n = 1 + varint(head + 1, n);
        at->from = g->layout_n;
        memcpy(g->layout + at->from, head, head_n);
        memcpy(g->layout + at->from + head_n, message, n);
        at->n = head_n + n;
        at->instance += at->from + head_n;
        at->value += at->from + head_n;
        at->time += at->from + head_n;
        g->layout_n += at->n;
    }
}

static void end_body(struct generator *g)
{
    if (g->body_samples == 0)
        return;
    size_t n = snappy_max_compressed_length(g->body_n);
    if (snappy_compress((const char *)g->body, g->body_n, (char *)g->packed, &n) != SNAPPY_OK)
        exit(1);
    uint32_t head[2] = {(uint32_t)n, g->body_samples};
    if (fwrite(head, sizeof head, 1, g->out) != 1 || fwrite(g->packed, n, 1, g->out) != 1) {
        perror("write");
        exit(1);
    }
    g->samples += g->body_samples;
    g->raw_bytes += g->body_n;
    g->packed_bytes += n;
    g->bodies++;
    g->body_n = 0;
    g->body_samples = 0;
}

static int64_t time_of(struct generator *g, long long host, long long step)
{
    int64_t ts = g->plan.start_ms + step * g->plan.interval_ms + (int64_t)g->phases[host];
    uint64_t width = (uint64_t)(2 * g->plan.jitter_ms + 1);
    return g->plan.jitter_ms ? ts + (int64_t)(next_random(g) % width) - g->plan.jitter_ms : ts;
}

static void scrape(struct generator *g, long long host, long long step)
{
    const struct plan *p = &g->plan;
    char instance[INSTANCE_ROOM];
    uint8_t time[16];
    long long life = p->churn_steps ? (step + host) / p->churn_steps : 0;
    size_t place = (size_t)(step * p->stride) + g->offsets[host];
    instance_text(g, host, life, instance);
    if (varint(time, (uint64_t)time_of(g, host, step)) != TIME_BYTES) {
        fputs("generate: --start-ms must be milliseconds of this century\n", stderr);
        exit(2);
    }
    for (size_t i = 0; i < g->node.n; i++) {
        const struct place *at = &g->places[i];
        double v = node_at(&g->node, i, place);
        memcpy(g->layout + at->instance, instance, g->instance_n);
        memcpy(g->layout + at->value, &v, sizeof v);
        memcpy(g->layout + at->time, time, TIME_BYTES);
        memcpy(g->body + g->body_n, g->layout + at->from, at->n);
        g->body_n += at->n;
        if (++g->body_samples == (uint32_t)p->batch)
            end_body(g);
    }
}

static void write_shard(struct generator *g, long long shard)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof path, "%s.%lld", g->plan.out, shard);
    g->out = fopen(path, "we");
    if (g->out == NULL) {
        perror(path);
        exit(1);
    }
    for (long long step = g->plan.first_step; step < g->plan.first_step + g->plan.steps; step++)
        for (long long host = shard; host < g->plan.hosts; host += g->plan.shards)
            scrape(g, host, step);
    end_body(g);
    if (fclose(g->out) != 0) {
        perror(path);
        exit(1);
    }
}

static bool read_options(int argc, char **argv, struct plan *p)
{
    static const char *const NAMES[] = {"hosts",       "steps",  "interval-ms", "start-ms",
                                        "stride",      "batch",  "shards",      "jitter-ms",
                                        "churn-steps", "routes", "first-step"};
    long long *const into[] = {&p->hosts,       &p->steps,  &p->interval_ms, &p->start_ms,
                               &p->stride,      &p->batch,  &p->shards,      &p->jitter_ms,
                               &p->churn_steps, &p->routes, &p->first_step};
    enum { N = sizeof NAMES / sizeof NAMES[0] };
    struct option options[N + 2] = {0};
    for (int i = 0; i < N; i++)
        options[i] = (struct option){NAMES[i], required_argument, NULL, i + 1};
    options[N] = (struct option){"trace", required_argument, NULL, N + 1};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) > 0) {
        if (c > N + 1)
            return false;
        if (c == N + 1)
            p->trace = optarg;
        else
            *into[c - 1] = strtoll(optarg, NULL, 10);
    }
    if (optind + 1 != argc)
        return false;
    p->out = argv[optind];
    return p->hosts > 0 && p->hosts < 100000 && p->steps > 0 && p->interval_ms > 0 &&
           p->start_ms > 0 && p->batch > 0 && p->batch <= 1000000 && p->shards > 0 &&
           p->stride > 0 && p->jitter_ms >= 0 && p->churn_steps >= 0 && p->routes >= 0 &&
           p->routes <= NODE_ROUTES_MAX && p->first_step >= 0;
}

int main(int argc, char **argv)
{
    struct generator g = {.random = 88172645463325252ULL,
                          .plan = {.hosts = 1,
                                   .steps = 1,
                                   .interval_ms = 15000,
                                   .stride = 15,
                                   .batch = 2000,
                                   .shards = 1}};
    if (!read_options(argc, argv, &g.plan)) {
        fputs("usage: generate [--trace FILE] --start-ms T [--hosts N] [--steps N] "
              "[--interval-ms N] [--stride N] [--batch N] [--shards N] [--jitter-ms N] "
              "[--churn-steps N] [--routes N] [--first-step N] OUT\n",
              stderr);
        return 2;
    }
    if (g.plan.routes)
        node_make_up_service((size_t)g.plan.routes, &g.node);
    else if (g.plan.trace == NULL)
        node_make_up(&g.node);
    else if (!node_read(g.plan.trace, &g.node))
        return 1;
    g.offsets = room((size_t)g.plan.hosts * sizeof *g.offsets);
    g.phases = room((size_t)g.plan.hosts * sizeof *g.phases);
    for (long long i = 0; i < g.plan.hosts; i++) {
        g.offsets[i] = next_random(&g) % g.node.snapshots;
        g.phases[i] = next_random(&g) % (uint64_t)g.plan.interval_ms;
    }
    lay_out(&g);
    size_t most = (size_t)g.plan.batch * MESSAGE_MAX / 4 + g.layout_n;
    g.body = room(most);
    g.packed = room(snappy_max_compressed_length(most));
    for (long long i = 0; i < g.plan.shards; i++)
        write_shard(&g, i);
    printf("{\"samples\": %llu, \"series_per_host\": %zu, \"bodies\": %llu, "
           "\"raw_bytes_per_sample\": %.2f, \"packed_bytes_per_sample\": %.2f}\n",
           (unsigned long long)g.samples, g.node.n, (unsigned long long)g.bodies,
           (double)g.raw_bytes / (double)g.samples, (double)g.packed_bytes / (double)g.samples);
    node_done(&g.node);
    free(g.places);
    free(g.layout);
    free(g.offsets);
    free(g.phases);
    free(g.body);
    free(g.packed);
    return 0;
}
