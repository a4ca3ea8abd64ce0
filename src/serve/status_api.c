#include "serve/status_api.h"

#include "serve/answer.h"
#include "text/json.h"

/* Clients switch features on by the version: the API's level first, ours behind the plus. */
#define API_LEVEL "3.0.0"

static void put_pair(struct json_writer *w, struct str key, struct str value)
{
    json_key(w, key);
    json_text(w, value);
}

static void put_count(struct json_writer *w, struct str key, uint64_t n)
{
    json_key(w, key);
    json_u64(w, n);
}

static void facts(const struct serve *s, struct http_request *r, struct serve_facts *ret)
{
    const struct serve_daemon *daemon = &s->config.daemon;
    *ret = (struct serve_facts){.reload_problem = "", .reload_ms = s->config.start_ms};
    if (daemon->facts)
        daemon->facts(daemon->context, http_arena(r), ret);
}

static void put_build(const struct serve *s, struct buf *b)
{
    struct json_writer w;
    json_writer_init(&w, b);
    json_begin_object(&w);
    put_pair(&w, STR("version"), STR(API_LEVEL "+sonde-" SONDE_VERSION));
    put_pair(&w, STR("revision"), str_c(s->config.revision ? s->config.revision : ""));
    put_pair(&w, STR("branch"), STR(""));
    put_pair(&w, STR("buildUser"), STR(""));
    put_pair(&w, STR("buildDate"), STR(""));
    put_pair(&w, STR("goVersion"), STR(""));
    json_end_object(&w);
}

void status_api_build(struct http_request *r, void *serve)
{
    struct buf b;
    buf_init(&b, SERVE_BODY_MAX);
    put_build(serve, &b);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}

void status_api_version(struct http_request *r, void *serve)
{
    struct buf b;
    buf_init(&b, SERVE_BODY_MAX);
    put_build(serve, &b);
    buf_put_c(&b, '\n');
    http_reply(r, 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

void status_api_runtime(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    struct serve_facts f;
    struct json_writer w;
    struct buf b;
    char date[ANSWER_DATE_MAX];
    facts(s, r, &f);
    buf_init(&b, SERVE_BODY_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    put_pair(&w, STR("startTime"), answer_date(s->config.start_ms, date));
    put_pair(&w, STR("CWD"), f.folder);
    put_pair(&w, STR("hostname"), str_c(s->config.instance ? s->config.instance : ""));
    put_pair(&w, STR("serverTime"), answer_date(clock_wall_ms(s->config.clock), date));
    json_key(&w, STR("reloadConfigSuccess"));
    json_bool(&w, f.reload_problem[0] == '\0');
    put_pair(&w, STR("lastConfigTime"), answer_date(f.reload_ms, date));
    put_count(&w, STR("corruptionCount"), f.corruptions);
    put_count(&w, STR("goroutineCount"), f.threads);
    put_count(&w, STR("GOMAXPROCS"), f.cores);
    put_count(&w, STR("GOMEMLIMIT"), f.memory_max ? f.memory_max : INT64_MAX);
    put_pair(&w, STR("GOGC"), STR(""));
    put_pair(&w, STR("GODEBUG"), STR(""));
    put_pair(&w, STR("storageRetention"), f.retention);
    json_end_object(&w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}

void status_api_config(struct http_request *r, void *serve)
{
    struct serve_facts f;
    struct json_writer w;
    struct buf b;
    facts(serve, r, &f);
    buf_init(&b, SERVE_CONFIG_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    put_pair(&w, STR("yaml"), f.config);
    json_end_object(&w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}

void status_api_flags(struct http_request *r, void *serve)
{
    struct serve_facts f;
    struct json_writer w;
    struct buf b;
    facts(serve, r, &f);
    buf_init(&b, SERVE_CONFIG_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < f.flags_n; i++)
        put_pair(&w, f.flags[i].name, f.flags[i].value);
    json_end_object(&w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}

void status_api_replay(struct http_request *r, void *serve)
{
    (void)serve; /* the log was replayed before anybody could ask */
    answer_data(r, STR("{\"min\":0,\"max\":0,\"current\":0}"));
}
