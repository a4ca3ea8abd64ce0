#include "serve/registry_api.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/exposition.h"
#include "discover/local_exporters.h"
#include "discover/registry_request.h"
#include "net/client.h"
#include "os/thread.h"
#include "serve/answer.h"
#include "serve/health_api.h"
#include "serve/job.h"
#include "text/json.h"

enum {
    LOOK_MS = 60 * 1000,        /* between two looks at the ports */
    ASK_TIMEOUT_MS = 1000,      /* of one exporter */
    ASK_BYTES_MAX = 16 << 20,   /* of its answer */
    LOOK_TIMEOUT_MS = 20 * 1000 /* of all of them */
};

/* ---- who may */
static struct registry *registry_of(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct registry *registry = s->config.registry;
    if (!registry)
        answer_refuse(r, 404, "not_found", "this server scrapes nothing");
    else if (!registry_allows(registry, http_header(r, STR("Authorization")),
                              health_api_is_local(r)))
        answer_refuse(r, 403, "forbidden",
                      "registering needs Authorization: Bearer with one of register_tokens of "
                      "[discover], or, where there are none, a program on this machine");
    else
        return registry;
    return NULL;
}

/* ---- answers */
static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[ANSWER_DATE_MAX];
    json_key(w, str_c(key));
    json_text(w, answer_date(ms, text));
}

static void put_target(struct json_writer *w, const struct registry_target *t)
{
    json_begin_object(w);
    json_key(w, STR("id"));
    json_text(w, str_of(t->id, REGISTRY_ID_SIZE));
    registry_put_place(w, t);
    json_key(w, STR("ttl_seconds"));
    json_i64(w, t->ttl_s);
    put_time(w, "registered", t->registered_ms);
    if (t->expires_ms)
        put_time(w, "expires", t->expires_ms);
    registry_put_labels(w, t);
    json_end_object(w);
}

static void answer_targets(struct job *j, const struct registry_target *targets, size_t n)
{
    struct json_writer w;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        put_target(&w, &targets[i]);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

/* ---- registering */
static void add_work(struct job *j)
{
    struct registry *registry = j->serve->config.registry;
    struct registry_request request;
    struct why why = {0};
    int err = registry_read(registry, http_body(j->request), &j->arena, &request, &why);
    if (!err)
        err = registry_add(registry, &request, &why);
    if (!err)
        answer_targets(j, request.targets, request.n);
    else if (err == -ERR_BUSY)
        answer_fault(j, 429, "too_many_requests", "%s", why.text);
    else if (err == -ERR_DENIED)
        answer_fault(j, 403, "forbidden", "%s", why.text);
    else
        answer_fault(j, 400, "bad_data", "%s", why.text);
}

static void list_work(struct job *j)
{
    struct registry_target *targets;
    size_t n;
    registry_list(j->serve->config.registry, &j->arena, &targets, &n);
    answer_targets(j, targets, n);
}

static void drop_work(struct job *j)
{
    struct str id = http_segment(j->request, 0);
    if (registry_drop(j->serve->config.registry, id) == 0)
        answer_nothing(j);
    else
        answer_fault(j, 404, "not_found", "there is no target \"" STR_FMT "\"",
                     STR_ARG(str_sub(id, 0, 100)));
}

void registry_api_add(struct http_request *r, void *serve)
{
    if (registry_of(r, serve))
        job_start(serve, r, add_work, NULL);
}

void registry_api_list(struct http_request *r, void *serve)
{
    if (registry_of(r, serve))
        job_start(serve, r, list_work, NULL);
}

void registry_api_drop(struct http_request *r, void *serve)
{
    if (registry_of(r, serve))
        job_start(serve, r, drop_work, NULL);
}

/* ---- offers */
struct offer {
    char address[32];
    const char *kind;
    uint64_t samples;
};

struct registry_offers {
    pthread_mutex_t lock; /* held while the ports are looked at: who else asks waits for it */
    int64_t looked_ns;    /* 0: never */
    struct offer v[LOCAL_EXPORTERS_MAX];
    size_t n;
};

struct registry_offers *registry_api_offers_new(void)
{
    struct registry_offers *o = mem_new(sizeof *o);
    thread_lock_init(&o->lock);
    return o;
}

void registry_api_offers_free(struct registry_offers *o)
{
    if (!o)
        return;
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}

/* Samples of a text of metrics; 0 where a line of it is none. */
static uint64_t count_samples(struct str text, enum exposition_format format)
{
    struct exposition_reader *reader = mem_new(sizeof *reader);
    struct batch *b = mem_new(sizeof *b);
    struct sides *s = mem_new(sizeof *s);
    uint64_t n = 0;
    bool bad = false;
    exposition_init(reader);
    exposition_begin(reader, text, format, 0);
    while (exposition_next(reader, b, s) > 0) {
        n += b->n;
        bad = bad || s->bad_n;
    }
    exposition_done(reader);
    mem_free(s);
    mem_free(b);
    mem_free(reader);
    return bad ? 0 : n;
}

static bool is_exposition(const struct client_reply *reply, enum exposition_format *ret)
{
    struct str rest = buf_str(&reply->headers), line;
    while (str_split(&rest, '\n', &line)) {
        size_t colon = str_find(line, ':');
        if (colon == strlen("Content-Type") && strncasecmp(line.p, "Content-Type", colon) == 0)
            return exposition_format_of(str_trim(str_sub(line, colon + 1, line.n)), ret);
    }
    return false;
}

static uint64_t ask(const struct local_exporter *e, struct offer *o)
{
    char url[64];
    static const char *const headers[] = {"Accept: text/plain;version=0.0.4"};
    struct client_reply reply;
    enum exposition_format format;
    uint64_t samples = 0;
    snprintf(o->address, sizeof o->address, "%s:%u", e->six ? "[::1]" : "127.0.0.1", e->port);
    snprintf(url, sizeof url, "http://%s/metrics", o->address);
    struct client_request request = {.url = url,
                                     .headers = headers,
                                     .headers_n = COUNTOF(headers),
                                     .timeout_ms = ASK_TIMEOUT_MS,
                                     .body_max = ASK_BYTES_MAX};
    o->kind = e->kind;
    if (client_send(&request, &reply, NULL) != 0)
        return 0;
    if (reply.status == 200 && is_exposition(&reply, &format))
        samples = count_samples(buf_str(&reply.body), format);
    client_reply_done(&reply);
    return samples;
}

static void look(struct registry_offers *o, const struct clock *clock)
{
    struct local_exporter found[LOCAL_EXPORTERS_MAX];
    size_t n = local_exporters_find(found);
    int64_t begun = clock_monotonic_ns(clock);
    o->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (clock_monotonic_ns(clock) - begun > LOOK_TIMEOUT_MS * 1000000LL)
            break;
        o->v[o->n].samples = ask(&found[i], &o->v[o->n]);
        o->n += o->v[o->n].samples > 0;
    }
    o->looked_ns = MAX(clock_monotonic_ns(clock), 1);
}

static bool is_registered(const struct registry_target *targets, size_t n, const char *address)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(targets[i].address, str_c(address)))
            return true;
    }
    return false;
}

static void offers_work(struct job *j)
{
    struct registry_offers *o = j->serve->offers;
    const struct clock *clock = j->serve->config.clock;
    struct registry_target *targets;
    struct json_writer w;
    size_t n;
    registry_list(j->serve->config.registry, &j->arena, &targets, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_array(&w);
    thread_lock(&o->lock);
    if (o->looked_ns == 0 || clock_monotonic_ns(clock) - o->looked_ns > LOOK_MS * 1000000LL)
        look(o, clock);
    for (size_t i = 0; i < o->n; i++) {
        json_begin_object(&w);
        json_key(&w, STR("address"));
        json_text(&w, str_c(o->v[i].address));
        json_key(&w, STR("job"));
        json_text(&w, str_c(o->v[i].kind));
        json_key(&w, STR("kind"));
        json_text(&w, str_c(o->v[i].kind));
        json_key(&w, STR("samples"));
        json_u64(&w, o->v[i].samples);
        json_key(&w, STR("registered"));
        json_bool(&w, is_registered(targets, n, o->v[i].address));
        json_end_object(&w);
    }
    thread_unlock(&o->lock);
    json_end_array(&w);
    answer_end(j, NULL, STR(""));
}

void registry_api_offers(struct http_request *r, void *serve)
{
    if (registry_of(r, serve))
        job_start(serve, r, offers_work, NULL);
}
