#include <arpa/inet.h>
#include <stdlib.h>

#include "model/labels.h"
#include "query/promql/promql_tree.h"
#include "rules/rule_template_state.h"

#define ARGUMENTS TEMPLATE_WORDS_ARGUMENTS

enum {
    QUERY_STEPS = 100, /* that a query counts for */
};

/* ---- queries and their samples */

static int call_query(ARGUMENTS)
{
    struct rule_template_state *s = c->context;
    struct rule_template_sample *samples = NULL;
    size_t count = 0;
    (void)n;
    c->cost = QUERY_STEPS;
    if (!s->data->query)
        return why_set(why, ERR_STATE, "queries cannot be run here");
    if (++s->queries > RULE_TEMPLATE_QUERIES_MAX)
        return why_set(why, ERR_LIMIT, "more than %d queries", RULE_TEMPLATE_QUERIES_MAX);
    int err = s->data->query(s->data->context, args[0].text, c->arena, &samples, &count, why);
    if (err)
        return err;
    struct template_value *items = arena_array(c->arena, count, sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = template_object(&rule_template_sample_object, &samples[i]);
    *ret = template_list(items, count);
    ret->go = "template.queryResult";
    return 0;
}

static int call_first(ARGUMENTS)
{
    (void)c;
    (void)n;
    if (args[0].n == 0)
        return why_set(why, ERR_FORMAT, "first() called on vector with no elements");
    *ret = args[0].items[0];
    return 0;
}

/* NULL (and why) where v is none. */
static const struct rule_template_sample *sample_in(const struct template_value *v, struct why *why)
{
    if (v->type == TEMPLATE_OBJECT && v->object.type == &rule_template_sample_object)
        return v->object.p;
    why_set(why, ERR_FORMAT, "wrong type for value; expected *template.sample; got %s",
            template_type_text(v));
    return NULL;
}

static int call_label(ARGUMENTS)
{
    const struct rule_template_sample *s = sample_in(&args[1], why);
    (void)n;
    if (!s)
        return -ERR_FORMAT;
    *ret = template_text(arena_str(c->arena, labels_get(s->key, args[0].text)));
    return 0;
}

static int call_strvalue(ARGUMENTS)
{
    const struct rule_template_sample *s = sample_in(&args[0], why);
    (void)n;
    if (!s)
        return -ERR_FORMAT;
    *ret = template_text(arena_str(c->arena, labels_get(s->key, STR("__value__"))));
    return 0;
}

static int call_value(ARGUMENTS)
{
    const struct rule_template_sample *s = sample_in(&args[0], why);
    (void)c;
    (void)n;
    if (!s)
        return -ERR_FORMAT;
    *ret = rule_template_sample_value(s->value, s->histogram);
    return 0;
}

struct ranked {
    struct str value;
    size_t at; /* where it stood: equal ones keep their order */
    struct template_value item;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = str_cmp(x->value, y->value);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int call_sort_by_label(ARGUMENTS)
{
    const struct template_value *list = &args[1];
    struct ranked *v = arena_array(c->arena, list->n, sizeof *v);
    struct template_value *items = arena_array(c->arena, list->n, sizeof *items);
    (void)n;
    for (size_t i = 0; i < list->n; i++) {
        const struct rule_template_sample *s = sample_in(&list->items[i], why);
        if (!s)
            return -ERR_FORMAT;
        v[i] = (struct ranked){labels_get(s->key, args[0].text), i, list->items[i]};
    }
    if (list->n)
        qsort(v, list->n, sizeof *v, compare_ranked);
    for (size_t i = 0; i < list->n; i++)
        items[i] = v[i].item;
    *ret = *list;
    ret->items = items;
    c->cost = list->n;
    return 0;
}

static int call_args(ARGUMENTS)
{
    struct template_pair *pairs = arena_array(c->arena, n, sizeof *pairs);
    (void)why;
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct template_pair){arena_printf(c->arena, "arg%zu", i), args[i]};
    *ret = template_map(pairs, n);
    return 0;
}

/* ---- addresses */

/* host:port or [host]:port taken apart as Go's net.SplitHostPort does; false where it is neither.
 */
static bool split_host_port(struct str s, struct str *ret_host, struct str *ret_port)
{
    size_t colon = s.n;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ':')
            colon = i;
    if (colon == s.n)
        return false;
    struct str host = str_sub(s, 0, colon), port = str_sub(s, colon + 1, s.n);
    if (s.p[0] == '[') {
        size_t close = str_find(s, ']');
        if (close + 1 != colon)
            return false;
        host = str_sub(s, 1, close);
        if (str_find(host, '[') < host.n)
            return false;
    } else if (str_find(host, ':') < host.n || str_find(host, '[') < host.n ||
               str_find(host, ']') < host.n) {
        return false;
    }
    if (str_find(port, '[') < port.n || str_find(port, ']') < port.n)
        return false;
    *ret_host = host;
    *ret_port = port;
    return true;
}

static int call_strip_port(ARGUMENTS)
{
    struct str host, port;
    (void)c;
    (void)n;
    (void)why;
    *ret = split_host_port(args[0].text, &host, &port) ? template_text(host) : args[0];
    return 0;
}

static bool is_ip(struct str s)
{
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char address[sizeof(struct in6_addr)];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static int call_strip_domain(ARGUMENTS)
{
    struct str host = args[0].text, port = STR("");
    (void)n;
    (void)why;
    (void)split_host_port(args[0].text, &host, &port); /* else all of it is the host */
    if (is_ip(host)) {
        *ret = args[0];
        return 0;
    }
    host = str_sub(host, 0, str_find(host, '.'));
    bool colon = str_find(host, ':') < host.n;
    if (port.n == 0)
        *ret = template_text(host);
    else
        *ret = template_text(arena_printf(c->arena,
                                          colon ? "[" STR_FMT "]:" STR_FMT : STR_FMT ":" STR_FMT,
                                          STR_ARG(host), STR_ARG(port)));
    return 0;
}

static int link_to(struct template_call *c, struct str expr, int tab, struct template_value *ret,
                   struct why *why)
{
    struct buf b;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    buf_put_str(&b, STR("/graph?g0.expr="));
    template_escape_query(expr, &b);
    buf_printf(&b, "&g0.tab=%d", tab);
    return template_words_give(c, &b, ret, why);
}

static int call_graph_link(ARGUMENTS)
{
    (void)n;
    return link_to(c, args[0].text, 0, ret, why);
}

static int call_table_link(ARGUMENTS)
{
    (void)n;
    return link_to(c, args[0].text, 1, ret, why);
}

static int call_external_url(ARGUMENTS)
{
    const struct rule_template_state *s = c->context;
    (void)args;
    (void)n;
    (void)why;
    *ret = template_text(s->data->external_url);
    return 0;
}

/* What stands in a URL behind the host and before ? and #. */
static int call_path_prefix(ARGUMENTS)
{
    const struct rule_template_state *s = c->context;
    struct str url = s->data->external_url;
    (void)args;
    (void)n;
    (void)why;
    size_t scheme = str_search(url, STR("://"));
    struct str rest = scheme < url.n ? str_sub(url, scheme + 3, url.n) : url;
    rest = str_sub(rest, 0, str_find(rest, '#'));
    rest = str_sub(rest, 0, str_find(rest, '?'));
    *ret = template_text(str_sub(rest, str_find(rest, '/'), rest.n));
    return 0;
}

/* ---- times */

static int call_now(ARGUMENTS)
{
    const struct rule_template_state *s = c->context;
    (void)args;
    (void)n;
    (void)why;
    *ret = template_float((double)s->data->now_ms / 1000);
    return 0;
}

static int call_to_time(ARGUMENTS)
{
    double v;
    int64_t ms;
    (void)n;
    int err = template_human_number(&args[0], &v, why);
    if (!err)
        err = template_time_of_seconds(v, &ms, why);
    if (!err)
        *ret = template_time(c, ms);
    return err;
}

static int call_to_duration(ARGUMENTS)
{
    double v;
    int64_t ns;
    (void)n;
    int err = template_human_number(&args[0], &v, why);
    if (!err)
        err = template_time_duration_of_seconds(v, &ns, why);
    if (!err)
        *ret = template_time_duration(c, ns);
    return err;
}

static int call_parse_duration(ARGUMENTS)
{
    int64_t ms = 0;
    (void)c;
    (void)n;
    bool negative = str_starts(args[0].text, STR("-"));
    int err = promql_duration_read(str_sub(args[0].text, negative, args[0].text.n), &ms, why);
    if (!err)
        *ret = template_float((negative ? -(double)ms : (double)ms) / 1000);
    return err;
}

/* ---- templates by a name that is computed */

static int call_tmpl(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    int err = template_run_inner(c, args[0].text, &args[1], &b, why);
    if (err) {
        buf_done(&b);
        return err;
    }
    err = template_words_give(c, &b, ret, why);
    if (!err)
        ret->safe = true;
    return err;
}

static const struct template_function FUNCTIONS[] = {
    {"tmpl", "sa", call_tmpl, NULL}, /* the first: templates of texts do not have it */
    {"query", "s", call_query, NULL},
    {"first", "l", call_first, "template.queryResult"},
    {"label", "so", call_label, "*template.sample"},
    {"value", "o", call_value, "*template.sample"},
    {"strvalue", "o", call_strvalue, "*template.sample"},
    {"sortByLabel", "sl", call_sort_by_label, "template.queryResult"},
    {"args", "a.", call_args, NULL},
    {"reReplaceAll", "sss", template_words_re_replace_all, NULL},
    {"match", "ss", template_words_match, NULL},
    {"title", "s", template_words_title, NULL},
    {"toUpper", "s", template_words_to_upper, NULL},
    {"toLower", "s", template_words_to_lower, NULL},
    {"safeHtml", "s", template_words_safe_html, NULL},
    {"urlQueryEscape", "s", template_words_escape_query, NULL},
    {"graphLink", "s", call_graph_link, NULL},
    {"tableLink", "s", call_table_link, NULL},
    {"stripPort", "s", call_strip_port, NULL},
    {"stripDomain", "s", call_strip_domain, NULL},
    {"externalURL", "", call_external_url, NULL},
    {"pathPrefix", "", call_path_prefix, NULL},
    {"humanize", "a", template_human_decimal, NULL},
    {"humanize1024", "a", template_human_1024, NULL},
    {"humanizeDuration", "a", template_human_duration, NULL},
    {"humanizePercentage", "a", template_human_percentage, NULL},
    {"humanizeTimestamp", "a", template_human_timestamp, NULL},
    {"toTime", "a", call_to_time, NULL},
    {"toDuration", "a", call_to_duration, NULL},
    {"now", "", call_now, NULL},
    {"parseDuration", "s", call_parse_duration, NULL},
};

const struct template_functions rule_template_functions = {FUNCTIONS + 1, COUNTOF(FUNCTIONS) - 1};
const struct template_functions rule_template_functions_html = {FUNCTIONS, COUNTOF(FUNCTIONS)};
