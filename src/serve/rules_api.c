#include "serve/rules_api.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "serve/answer.h"
#include "serve/member.h"
#include "serve/param.h"
#include "text/json.h"
#include "text/number.h"
#include "text/regex.h"

enum {
    NAMES_MAX = 1000,   /* values of one of the list parameters */
    TOKEN_SIZE = 2 * 16 /* hexadecimal digits */
};

/* What a request asks for. */
struct names {
    struct str *v; /* [n]; none: all */
    size_t n;
};

struct rules_input {
    bool alerting, recording, without_alerts;
    struct names rules, groups, files;
    struct param_selectors selectors;
    struct regex **compiled; /* of the selectors, while the answer is made */
    int64_t groups_max;      /* 0: all */
    struct str token;        /* "": from the first */
};

/* ---- reading the request */

static bool read_names(struct http_request *r, struct str name, struct names *ret)
{
    struct str text;
    ret->v = arena_array(http_arena(r), NAMES_MAX, sizeof *ret->v);
    ret->n = 0;
    while (http_param_at(r, name, ret->n, &text)) {
        if (ret->n == NAMES_MAX) {
            param_refuse(r, name, "there are more than 1000 of them");
            return false;
        }
        ret->v[ret->n++] = text;
    }
    return true;
}

static bool read_type(struct http_request *r, struct rules_input *in)
{
    struct str text;
    if (!http_param(r, STR("type"), &text))
        text = STR("");
    char *lower = arena_new(http_arena(r), text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        lower[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
    text.p = lower;
    in->alerting = text.n == 0 || str_eq(text, STR("alert"));
    in->recording = text.n == 0 || str_eq(text, STR("record"));
    if (in->alerting || in->recording)
        return true;
    struct str cut = str_sub(text, 0, 200);
    answer_refuse(r, 400, "bad_data",
                  "invalid parameter \"type\": not supported value \"" STR_FMT "\"", STR_ARG(cut));
    return false;
}

static bool read_exclude(struct http_request *r, struct rules_input *in)
{
    struct str text;
    if (!http_param(r, STR("exclude_alerts"), &text) || text.n == 0 ||
        param_parse_bool(text, &in->without_alerts))
        return true;
    struct str cut = str_sub(text, 0, 200);
    answer_refuse(r, 400, "bad_data",
                  "invalid parameter \"exclude_alerts\": error converting exclude_alerts: "
                  "strconv.ParseBool: parsing \"" STR_FMT "\": invalid syntax",
                  STR_ARG(cut));
    return false;
}

static bool read_page(struct http_request *r, struct rules_input *in)
{
    struct str limit;
    bool has_limit = http_param(r, STR("group_limit"), &limit) && limit.n;
    if (!http_param(r, STR("group_next_token"), &in->token))
        in->token = STR("");
    if (in->token.n && !has_limit) {
        param_refuse(r, STR("group_next_token"),
                     "group_limit needs to be present in order to paginate over the groups");
        return false;
    }
    if (!has_limit)
        return true;
    if (!str_i64(limit, &in->groups_max) || in->groups_max > INT32_MAX) {
        struct str cut = str_sub(limit, 0, 200);
        answer_refuse(r, 400, "bad_data",
                      "invalid parameter \"group_limit\": group_limit needs to be a valid number: "
                      "strconv.ParseInt: parsing \"" STR_FMT "\": invalid syntax",
                      STR_ARG(cut));
        return false;
    }
    if (in->groups_max <= 0) {
        param_refuse(r, STR("group_limit"), "group_limit needs to be greater than 0");
        return false;
    }
    return true;
}

/* ---- choosing */

static bool is_among(const struct names *names, struct str name)
{
    bool found = names->n == 0;
    for (size_t i = 0; i < names->n && !found; i++)
        found = str_eq(names->v[i], name);
    return found;
}

/* Expressions of the selectors in their order, compiled once for all rules; NULL where a matcher
 * has none. */
static struct regex **compile(const struct param_selectors *all, size_t *ret_n)
{
    struct regex **v;
    struct why why = {0};
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += all->v[i].n;
    v = mem_array(n, sizeof(struct regex *));
    *ret_n = n;
    for (size_t i = 0, at = 0; i < all->n; i++) {
        for (size_t k = 0; k < all->v[i].n; k++, at++) {
            const struct matcher *m = &all->v[i].matchers[k];
            bool has = m->type == MATCH_REGEX || m->type == MATCH_NOT_REGEX;
            if (has && regex_new(m->value, &v[at], &why) != 0)
                v[at] = NULL; /* the selector's parser has tried it already */
        }
    }
    return v;
}

static void free_compiled(struct regex **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        regex_free(v[i]);
    mem_free(v);
}

static bool matches_one(const struct matcher *m, const struct regex *re, struct str labels)
{
    struct str value = labels_get(labels, m->name);
    if (m->type == MATCH_EQUAL || m->type == MATCH_NOT_EQUAL)
        return str_eq(value, m->value) == (m->type == MATCH_EQUAL);
    return re && regex_match(re, value) == (m->type == MATCH_REGEX);
}

/* Any of the selectors. */
static bool matches(const struct rules_input *in, struct str labels)
{
    const struct param_selectors *all = &in->selectors;
    bool found = all->n == 0;
    for (size_t i = 0, first = 0; i < all->n && !found; first += all->v[i++].n) {
        found = true;
        for (size_t k = 0; k < all->v[i].n && found; k++)
            found = matches_one(&all->v[i].matchers[k], in->compiled[first + k], labels);
    }
    return found;
}

static bool wanted(const struct rules_input *in, const struct rule_view *rule)
{
    return (rule->alerting ? in->alerting : in->recording) && is_among(&in->rules, rule->name) &&
           matches(in, rule->labels);
}

/* Names a group for the page that begins with it. */
static void token_of(const struct group_view *g, char ret[TOKEN_SIZE + 1])
{
    uint64_t hash[2];
    for (uint64_t seed = 0; seed < COUNTOF(hash); seed++)
        hash[seed] = hash_xxh3(g->name.p, g->name.n, hash_xxh3(g->file.p, g->file.n, seed));
    snprintf(ret, TOKEN_SIZE + 1, "%016llx%016llx", (unsigned long long)hash[0],
             (unsigned long long)hash[1]);
}

/* ---- writing */

static void put_date(struct json_writer *w, const char *key, int64_t ts_ms)
{
    char date[ANSWER_DATE_MAX];
    member_text(w, key, answer_date(ts_ms ? ts_ms : ANSWER_NEVER, date));
}

static void put_seconds(struct json_writer *w, struct str key, double seconds)
{
    json_key(w, key);
    json_number(w, seconds);
}

static void put_alert(struct json_writer *w, const struct alert_view *alert)
{
    char value[NUMBER_MAX];
    json_begin_object(w);
    member_labels(w, "labels", alert->labels);
    member_labels(w, "annotations", alert->annotations);
    member_text(w, "state", str_c(alert_state_text(alert->state)));
    put_date(w, "activeAt", alert->active_ms);
    if (alert->keep_firing_since_ms)
        put_date(w, "keepFiringSince", alert->keep_firing_since_ms);
    member_text(w, "value", str_of(value, number_format_e(alert->value, value)));
    json_end_object(w);
}

static void put_alerts(struct json_writer *w, const struct rule_view *rule)
{
    for (size_t i = 0; i < rule->alerts_n; i++)
        put_alert(w, &rule->alerts[i]);
}

/* A rule that has not run yet is in no state. */
static struct str state_of(const struct rule_view *rule)
{
    return rule->last_evaluation_ms == 0 ? STR("unknown") : str_c(alert_state_text(rule->state));
}

static void put_rule(struct json_writer *w, const struct rule_view *rule, bool without_alerts)
{
    json_begin_object(w);
    if (rule->alerting)
        member_text(w, "state", state_of(rule));
    member_text(w, "name", rule->name);
    member_text(w, "query", rule->query);
    if (rule->alerting) {
        put_seconds(w, STR("duration"), (double)rule->for_ms / 1000);
        put_seconds(w, STR("keepFiringFor"), (double)rule->keep_firing_for_ms / 1000);
    }
    if (rule->alerting || rule->labels.n)
        member_labels(w, "labels", rule->labels);
    if (rule->alerting) {
        member_labels(w, "annotations", rule->annotations);
        json_key(w, STR("alerts"));
        json_begin_array(w);
        if (!without_alerts)
            put_alerts(w, rule);
        json_end_array(w);
    }
    member_text(w, "health", str_c(rule_health_text(rule->health)));
    if (rule->last_error.n)
        member_text(w, "lastError", rule->last_error);
    put_seconds(w, STR("evaluationTime"), (double)rule->evaluation_ns / 1e9);
    put_date(w, "lastEvaluation", rule->last_evaluation_ms);
    member_text(w, "type", rule->alerting ? STR("alerting") : STR("recording"));
    json_end_object(w);
}

static void put_group(struct json_writer *w, const struct group_view *g,
                      const struct rules_input *in)
{
    json_begin_object(w);
    member_text(w, "name", g->name);
    member_text(w, "file", g->file);
    json_key(w, STR("rules"));
    json_begin_array(w);
    for (size_t i = 0; i < g->rules_n; i++)
        if (wanted(in, &g->rules[i]))
            put_rule(w, &g->rules[i], in->without_alerts);
    json_end_array(w);
    put_seconds(w, STR("interval"), (double)g->interval_ms / 1000);
    json_key(w, STR("limit"));
    json_u64(w, g->limit);
    put_seconds(w, STR("evaluationTime"), (double)g->evaluation_ns / 1e9);
    put_date(w, "lastEvaluation", g->last_evaluation_ms);
    json_end_object(w);
}

static void view(struct job *j, struct rules_view *ret)
{
    const struct serve_rules *rules = &j->serve->config.rules;
    bool theirs = rules->tenant == NULL || str_eq(job_tenant(j->request), str_c(rules->tenant));
    *ret = (struct rules_view){0};
    if (rules->view && theirs)
        rules->view(rules->rules, &j->arena, ret);
}

static bool group_wanted(const struct rules_input *in, const struct group_view *g)
{
    bool any = false;
    if (!is_among(&in->groups, g->name) || !is_among(&in->files, g->file))
        return false;
    for (size_t i = 0; i < g->rules_n && !any; i++)
        any = wanted(in, &g->rules[i]);
    return any;
}

/* Writes the page's groups; where more follow, the token of the next one is left in next. False
 * where no group has the request's token. */
static bool put_groups(struct json_writer *w, const struct rules_view *v,
                       const struct rules_input *in, char next[TOKEN_SIZE + 1])
{
    bool begun = in->token.n == 0;
    int64_t n = 0;
    next[0] = '\0';
    for (size_t i = 0; i < v->groups_n; i++) {
        char token[TOKEN_SIZE + 1];
        token_of(&v->groups[i], token);
        begun = begun || str_eq(in->token, str_c(token));
        if (!begun || !group_wanted(in, &v->groups[i]))
            continue;
        if (in->groups_max && n == in->groups_max) {
            snprintf(next, TOKEN_SIZE + 1, "%s", token);
            break;
        }
        put_group(w, &v->groups[i], in);
        n++;
    }
    return begun;
}

static void rules_work(struct job *j)
{
    struct rules_input *in = j->context;
    struct rules_view v;
    struct json_writer w;
    char next[TOKEN_SIZE + 1];
    size_t compiled_n;
    view(j, &v);
    in->compiled = compile(&in->selectors, &compiled_n);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("groups"));
    json_begin_array(&w);
    bool begun = put_groups(&w, &v, in, next);
    free_compiled(in->compiled, compiled_n);
    json_end_array(&w);
    if (next[0])
        member_text(&w, "groupNextToken", str_c(next));
    json_end_object(&w);
    if (begun) {
        answer_end(j, NULL, STR(""));
        return;
    }
    struct str cut = str_sub(in->token, 0, 200);
    answer_error(j, PROMQL_BAD_DATA,
                 "invalid parameter \"group_next_token\": invalid group_next_token '" STR_FMT
                 "'. were rule groups changed?",
                 STR_ARG(cut));
}

void rules_api_rules(struct http_request *r, void *serve)
{
    struct rules_input *in = arena_new(http_arena(r), sizeof *in);
    if (read_names(r, STR("rule_name[]"), &in->rules) &&
        read_names(r, STR("rule_group[]"), &in->groups) &&
        read_names(r, STR("file[]"), &in->files) &&
        param_selectors(r, PARAM_OPTIONAL, &in->selectors) && read_type(r, in) &&
        read_exclude(r, in) && read_page(r, in))
        job_start(serve, r, rules_work, in);
}

static void alerts_work(struct job *j)
{
    struct rules_view v;
    struct json_writer w;
    view(j, &v);
    answer_begin(j);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("alerts"));
    json_begin_array(&w);
    for (size_t i = 0; i < v.groups_n; i++)
        for (size_t k = 0; k < v.groups[i].rules_n; k++)
            put_alerts(&w, &v.groups[i].rules[k]);
    json_end_array(&w);
    json_end_object(&w);
    answer_end(j, NULL, STR(""));
}

void rules_api_alerts(struct http_request *r, void *serve)
{
    job_start(serve, r, alerts_work, NULL);
}
