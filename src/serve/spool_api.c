#include "serve/spool_api.h"

#include "apps/error_list.h"
#include "apps/signal_relay.h"
#include "apps/signal_spool.h"
#include "apps/symbols.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/param.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { ERRORS = 100 };

static void put_number(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, str_c(key));
    json_u64(w, v);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, str_c(key));
    json_text(w, str_c(text));
}

static void put_date(struct json_writer *w, const char *key, int64_t ms)
{
    char date[ANSWER_DATE_MAX];
    json_key(w, str_c(key));
    if (ms == 0)
        json_null(w);
    else
        json_text(w, answer_date(ms, date));
}

static void put_queue(struct json_writer *w, struct signal_spool *spool, enum signal_spool_queue q)
{
    struct signal_spool_facts facts;
    signal_spool_look(spool, q, &facts);
    json_begin_object(w);
    put_text(w, "name", signal_spool_word(q));
    put_number(w, "bytes", facts.bytes);
    put_number(w, "bytes_max", facts.bytes_max);
    put_number(w, "records", facts.records);
    put_number(w, "stored", facts.stored);
    put_number(w, "dropped", facts.dropped);
    put_number(w, "duplicates", facts.duplicates);
    put_number(w, "failed", facts.failed);
    json_end_object(w);
}

static void put_relay(struct json_writer *w, const struct signal_relay_facts *f)
{
    json_begin_object(w);
    put_text(w, "name", f->name);
    put_text(w, "to", f->to);
    put_number(w, "behind", f->behind);
    put_number(w, "sent", f->sent);
    put_number(w, "dropped", f->dropped);
    put_number(w, "lost", f->lost);
    put_number(w, "failures", f->failures);
    put_date(w, "last", f->last_ms);
    put_date(w, "waits_until", f->waits_until);
    put_text(w, "problem", f->why);
    json_end_object(w);
}

static void put_symbols(struct json_writer *w, struct symbols *symbols)
{
    struct symbols_facts facts;
    symbols_look(symbols, &facts);
    json_begin_object(w);
    put_number(w, "done", facts.done);
    put_number(w, "failed", facts.failed);
    put_number(w, "passed", facts.passed);
    put_number(w, "waiting", facts.waiting);
    json_end_object(w);
}

static void facts_work(struct job *j)
{
    const struct serve_config *c = &j->serve->config;
    struct json_writer w;
    struct signal_relay_facts relay;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("spools"));
    json_begin_array(&w);
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N; i++)
        put_queue(&w, c->spool, (enum signal_spool_queue)i);
    json_end_array(&w);
    json_key(&w, STR("relays"));
    json_begin_array(&w);
    for (size_t i = 0; signal_relay_look(c->relay, i, &relay); i++)
        put_relay(&w, &relay);
    json_end_array(&w);
    json_key(&w, STR("symbols"));
    put_symbols(&w, c->symbols);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

static bool spool_there(struct http_request *r, const struct serve *s)
{
    if (s->config.spool == NULL)
        answer_refuse(r, 404, "not_found", "this server takes no applications");
    return s->config.spool != NULL;
}

void spool_api_facts(struct http_request *r, void *serve)
{
    if (spool_there(r, serve))
        job_start(serve, r, facts_work, NULL);
}

struct wanted {
    uint64_t limit;
    struct str service;
};

static void errors_work(struct job *j)
{
    const struct wanted *wanted = j->context;
    bool partial = signal_spool_partial(j->serve->config.spool); /* before what is listed */
    answer_begin(j);
    error_list_recent(signal_spool_errors(j->serve->config.spool), (size_t)wanted->limit,
                      wanted->service, &j->body);
    if (partial)
        buf_put_str(&j->body, STR(",\"partial\":true"));
    answer_end(j, NULL, STR(""));
}

void spool_api_errors(struct http_request *r, void *serve)
{
    struct wanted *wanted = arena_new(http_arena(r), sizeof *wanted);
    if (!spool_there(r, serve) || !param_limit(r, STR("limit"), &wanted->limit))
        return;
    if (wanted->limit == 0)
        wanted->limit = ERRORS;
    if (!http_param(r, STR("service"), &wanted->service))
        wanted->service = STR("");
    wanted->service = arena_str(http_arena(r), wanted->service);
    job_start(serve, r, errors_work, wanted);
}
