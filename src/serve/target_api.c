#include "serve/target_api.h"

#include "alert/send/send.h"
#include "base/mem.h"
#include "relabel/relabel.h"
#include "scrape/scrape.h"
#include "serve/answer.h"
#include "serve/member.h"
#include "serve/param.h"
#include "text/duration.h"
#include "text/json.h"
#include "text/regex.h"

/* What a request asks for. */
struct target_input {
    struct str pool, metric, labels; /* labels: a bare key */
    bool active, dropped;
    int64_t limit;
    struct param_selector target; /* n 0: all */
    struct regex **compiled;      /* [target.n] while the answer is made; NULL for equality */
};

/* The picture; none where nothing is scraped. view_done() must follow. */
static void view(struct job *j, struct str pool, struct scrape_view *ret)
{
    struct scrape *s = j->serve->config.scrape;
    *ret = (struct scrape_view){0};
    if (s)
        scrape_view(s, pool, &j->arena, ret);
}

static void view_done(struct job *j)
{
    if (j->serve->config.scrape)
        scrape_view_done(j->serve->config.scrape);
}

static struct json_writer begin(struct job *j)
{
    struct json_writer w;
    answer_begin(j);
    json_writer_init(&w, &j->body);
    return w;
}

/* ---- /api/v1/targets */

static void put_duration(struct json_writer *w, const char *name, int64_t ms)
{
    struct buf text;
    buf_init(&text, 64);
    duration_put(&text, ms);
    member_text(w, name, buf_str(&text));
    buf_done(&text);
}

static void put_target(struct json_writer *w, struct str pool, const struct scrape_target_view *t)
{
    static const char *const HEALTH[] = {
        [SCRAPE_UNKNOWN] = "unknown", [SCRAPE_UP] = "up", [SCRAPE_DOWN] = "down"};
    char date[ANSWER_DATE_MAX];
    json_begin_object(w);
    member_labels(w, "discoveredLabels", t->discovered);
    member_labels(w, "labels", t->labels);
    member_text(w, "scrapePool", pool);
    member_text(w, "scrapeUrl", t->url);
    member_text(w, "globalUrl", t->global_url);
    member_text(w, "lastError", t->last_error);
    member_text(w, "lastScrape",
                answer_date(t->last_scrape_ms ? t->last_scrape_ms : ANSWER_NEVER, date));
    json_key(w, STR("lastScrapeDuration"));
    json_number(w, (double)t->last_duration_ns / 1e9);
    member_text(w, "health", str_c(HEALTH[t->health]));
    put_duration(w, "scrapeInterval", t->interval_ms);
    put_duration(w, "scrapeTimeout", t->timeout_ms);
    json_end_object(w);
}

static void put_dropped(struct json_writer *w, const struct scrape_view *v, bool shown)
{
    json_key(w, STR("droppedTargets"));
    json_begin_array(w);
    for (size_t i = 0; shown && i < v->n; i++)
        for (size_t k = 0; k < v->pools[i].dropped_n; k++) {
            json_begin_object(w);
            member_labels(w, "discoveredLabels", v->pools[i].dropped[k]);
            member_text(w, "scrapePool", v->pools[i].job);
            json_end_object(w);
        }
    json_end_array(w);
    json_key(w, STR("droppedTargetCounts"));
    json_begin_object(w);
    for (size_t i = 0; shown && i < v->n; i++) {
        json_key(w, v->pools[i].job);
        json_u64(w, v->pools[i].dropped_total);
    }
    json_end_object(w);
}

static void targets_work(struct job *j)
{
    const struct target_input *in = j->context;
    struct scrape_view v;
    struct json_writer w = begin(j);
    view(j, in->pool, &v);
    json_begin_object(&w);
    json_key(&w, STR("activeTargets"));
    json_begin_array(&w);
    for (size_t i = 0; in->active && i < v.n; i++)
        for (size_t k = 0; k < v.pools[i].active_n; k++)
            put_target(&w, v.pools[i].job, &v.pools[i].active[k]);
    json_end_array(&w);
    put_dropped(&w, &v, in->dropped);
    json_end_object(&w);
    view_done(j);
    answer_end(j, NULL, STR(""));
}

static bool text_is(struct str text, const char *lower)
{
    size_t i = 0;
    for (; i < text.n && lower[i]; i++)
        if ((text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]) != lower[i])
            return false;
    return i == text.n && !lower[i];
}

void target_api_targets(struct http_request *r, void *serve)
{
    struct target_input *in = arena_new(http_arena(r), sizeof *in);
    struct str state;
    if (!http_param(r, STR("state"), &state))
        state = STR("");
    bool all = state.n == 0 || text_is(state, "any");
    in->active = all || text_is(state, "active");
    in->dropped = all || text_is(state, "dropped");
    if (!http_param(r, STR("scrapePool"), &in->pool))
        in->pool = STR("");
    job_start(serve, r, targets_work, in);
}

/* ---- /api/v1/targets/metadata */

struct rows {
    struct json_writer w;
    const struct target_input *in;
    int64_t n;
};

static bool matches(const struct target_input *in, struct str key)
{
    for (size_t i = 0; i < in->target.n; i++) {
        const struct matcher *m = &in->target.matchers[i];
        struct str value = labels_get(key, m->name);
        bool negative = m->type == MATCH_NOT_EQUAL || m->type == MATCH_NOT_REGEX;
        bool same = in->compiled[i] ? regex_match(in->compiled[i], value) : str_eq(value, m->value);
        if (same == negative)
            return false;
    }
    return true;
}

static void put_row(void *context, const struct scrape_metadata_view *row)
{
    struct rows *rows = context;
    const struct target_input *in = rows->in;
    const struct metadata *m = &row->metadata;
    if ((in->limit >= 0 && rows->n >= in->limit) || !matches(in, row->target) ||
        (in->metric.n && !str_eq(in->metric, m->metric)))
        return;
    rows->n++;
    json_begin_object(&rows->w);
    member_labels(&rows->w, "target", row->target);
    if (!in->metric.n)
        member_text(&rows->w, "metric", m->metric);
    member_text(&rows->w, "type", str_c(metric_type_text(m->type)));
    member_text(&rows->w, "help", m->help);
    member_text(&rows->w, "unit", m->unit);
    json_end_object(&rows->w);
}

static int compile(struct target_input *in, struct why *why)
{
    in->compiled = mem_array(in->target.n + 1, sizeof(struct regex *));
    for (size_t i = 0; i < in->target.n; i++) {
        const struct matcher *m = &in->target.matchers[i];
        if (m->type != MATCH_REGEX && m->type != MATCH_NOT_REGEX)
            continue;
        int err = regex_new(m->value, &in->compiled[i], why);
        if (err)
            return err;
    }
    return 0;
}

static void metadata_work(struct job *j)
{
    struct target_input *in = j->context;
    struct why why = {0};
    if (compile(in, &why)) {
        answer_fault(j, 400, "bad_data", "invalid parameter \"match_target\": %s", why.text);
    } else {
        struct rows rows = {.w = begin(j), .in = in};
        json_begin_array(&rows.w);
        if (j->serve->config.scrape)
            scrape_metadata(j->serve->config.scrape, put_row, &rows);
        json_end_array(&rows.w);
        answer_end(j, NULL, STR(""));
    }
    for (size_t i = 0; i < in->target.n; i++)
        regex_free(in->compiled[i]);
    mem_free(in->compiled);
}

void target_api_metadata(struct http_request *r, void *serve)
{
    struct promql_failure failure;
    struct target_input *in = arena_new(http_arena(r), sizeof *in);
    struct str text;
    if (!param_number(r, STR("limit"), -1, &in->limit))
        return;
    if (http_param(r, STR("match_target"), &text) && text.n &&
        promql_parse_selector(text, http_arena(r), &in->target.matchers, &in->target.n, &failure) !=
            0) {
        param_refuse(r, STR("match_target"), failure.text);
        return;
    }
    if (!http_param(r, STR("metric"), &in->metric))
        in->metric = STR("");
    job_start(serve, r, metadata_work, in);
}

/* ---- /api/v1/targets/relabel_steps, /api/v1/scrape_pools */

static void refuse_pool(struct job *j, const char *before, struct str pool)
{
    struct str cut = str_sub(pool, 0, 200);
    answer_fault(j, 400, "bad_data", "%sscrape pool \"" STR_FMT "\" not found", before,
                 STR_ARG(cut));
}

static bool needed(struct http_request *r, struct str name, struct str *ret)
{
    if (http_param(r, name, ret) && ret->n)
        return true;
    answer_refuse(r, 400, "bad_data", "no " STR_FMT " parameter provided", STR_ARG(name));
    return false;
}

/* Reads an object of texts into a key. */
static int read_labels(struct http_request *r, struct str text, struct str *ret, struct why *why)
{
    struct json_reader reader;
    struct json_event e;
    struct str name = {0};
    struct buf key, sorted;
    int got;
    size_t n = 0;
    buf_init(&key, LABELS_KEY_MAX);
    json_reader_init(&reader, text, http_arena(r));
    while ((got = json_next(&reader, &e, why)) > 0) {
        bool fits = n == 0 ? e.type == JSON_OBJECT
                           : e.type == JSON_KEY || e.type == JSON_TEXT || e.type == JSON_OBJECT_END;
        n++;
        if (!fits)
            got = why_set(why, ERR_FORMAT, "labels are an object of texts");
        if (!fits)
            break;
        if (e.type == JSON_KEY)
            name = e.text;
        else if (e.type == JSON_TEXT)
            labels_put(&key, name, e.text);
    }
    if (got == 0 && n == 0)
        got = why_set(why, ERR_FORMAT, "unexpected end of JSON input");
    buf_init(&sorted, LABELS_KEY_MAX);
    if (got == 0)
        got = labels_canonical_bare(buf_str(&key), &sorted, why);
    if (got == 0)
        *ret = arena_str(http_arena(r), buf_str(&sorted));
    buf_done(&key);
    buf_done(&sorted);
    return got;
}

static void put_rule(struct json_writer *w, const struct relabel_rule *rule)
{
    json_begin_object(w);
    if (rule->source_labels_n) {
        json_key(w, STR("source_labels"));
        json_begin_array(w);
        for (size_t i = 0; i < rule->source_labels_n; i++)
            json_text(w, rule->source_labels[i]);
        json_end_array(w);
    }
    member_text(w, "separator", rule->separator);
    member_text(w, "regex", rule->regex);
    if (rule->modulus) {
        json_key(w, STR("modulus"));
        json_u64(w, rule->modulus);
    }
    if (rule->target_label.n)
        member_text(w, "target_label", rule->target_label);
    member_text(w, "replacement", rule->replacement);
    member_text(w, "action", rule->action);
    json_end_object(w);
}

static void put_steps(struct job *j, const struct relabel *relabel, struct str labels)
{
    struct json_writer w = begin(j);
    size_t n = relabel ? relabel_count(relabel) : 0;
    json_begin_object(&w);
    json_key(&w, STR("steps"));
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        struct str out = STR("");
        /* Labels that are past a limit count as dropped, as they do in a scrape. */
        bool keep = relabel_apply_first(relabel, i + 1, labels, &j->arena, &out, NULL) > 0;
        json_begin_object(&w);
        json_key(&w, STR("rule"));
        put_rule(&w, relabel_at(relabel, i));
        member_labels(&w, "output", keep ? out : STR(""));
        json_key(&w, STR("keep"));
        json_bool(&w, keep);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

static void steps_work(struct job *j)
{
    const struct target_input *in = j->context;
    struct scrape_view v;
    view(j, in->pool, &v);
    if (v.n)
        put_steps(j, v.pools[0].config->relabel, in->labels);
    else
        refuse_pool(j, "error retrieving scrape config: ", in->pool);
    view_done(j);
}

void target_api_relabel_steps(struct http_request *r, void *serve)
{
    struct target_input *in = arena_new(http_arena(r), sizeof *in);
    struct str text;
    struct why why = {0};
    if (!needed(r, STR("scrapePool"), &in->pool) || !needed(r, STR("labels"), &text))
        return;
    if (read_labels(r, text, &in->labels, &why))
        answer_refuse(r, 400, "bad_data", "error parsing labels: %s", why.text);
    else
        job_start(serve, r, steps_work, in);
}

static void pools_work(struct job *j)
{
    struct scrape_view v;
    struct json_writer w = begin(j);
    view(j, STR(""), &v);
    json_begin_object(&w);
    json_key(&w, STR("scrapePools"));
    json_begin_array(&w);
    for (size_t i = 0; i < v.n; i++)
        json_text(&w, v.pools[i].job);
    json_end_array(&w);
    json_end_object(&w);
    view_done(j);
    answer_end(j, NULL, STR(""));
}

void target_api_pools(struct http_request *r, void *serve)
{
    job_start(serve, r, pools_work, NULL);
}

static void pool_config_work(struct job *j)
{
    const struct target_input *in = j->context;
    struct scrape_view v;
    view(j, in->pool, &v);
    if (v.n) {
        struct json_writer w = begin(j);
        json_begin_object(&w);
        member_text(&w, "yaml", v.pools[0].yaml);
        json_end_object(&w);
        answer_end(j, NULL, STR(""));
    } else {
        refuse_pool(j, "", in->pool);
    }
    view_done(j);
}

void target_api_pool_config(struct http_request *r, void *serve)
{
    struct target_input *in = arena_new(http_arena(r), sizeof *in);
    if (needed(r, STR("scrapePool"), &in->pool))
        job_start(serve, r, pool_config_work, in);
}

static void put_managers(struct json_writer *w, const struct send_view *v, size_t n, bool dropped)
{
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        if (v[i].dropped != dropped)
            continue;
        json_begin_object(w);
        member_text(w, "url", v[i].url);
        json_end_object(w);
    }
    json_end_array(w);
}

static void alertmanagers_work(struct job *j)
{
    struct send *send = j->serve->config.alerts.send;
    struct send_view *v = NULL;
    struct json_writer w;
    size_t n = 0;
    if (send)
        send_view(send, &j->arena, &v, &n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("activeAlertmanagers"));
    put_managers(&w, v, n, false);
    json_key(&w, STR("droppedAlertmanagers"));
    put_managers(&w, v, n, true);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void target_api_alertmanagers(struct http_request *r, void *serve)
{
    job_start(serve, r, alertmanagers_work, NULL);
}
