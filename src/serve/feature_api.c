#include "serve/feature_api.h"

#include "query/promql/promql.h"
#include "serve/answer.h"
#include "text/json.h"

#define ON  ""
#define OFF NULL

struct feature {
    const char *group, *name;
    const char *needs; /* ON, OFF, "@setting" or a feature of the query language */
};

static const struct feature FEATURES[] = {
#define FEATURE(group, name, needs) {group, name, needs},
#include "serve/features.tbl.h"
#undef FEATURE
};

static const struct str FUNCTIONS = {"promql_functions", 16};

static bool is_on(const struct serve *s, const struct promql_options *language, const char *needs)
{
    struct str name = str_c(needs);
    if (needs == OFF || name.n == 0)
        return needs != OFF;
    if (str_eq(name, STR("@admin")))
        return s->config.admin_api;
    if (str_eq(name, STR("@lifecycle")))
        return s->config.lifecycle;
    return promql_option_get(language, name);
}

static void put_functions(struct json_writer *w, const struct promql_options *language)
{
    bool experimental;
    const char *name;
    json_key(w, FUNCTIONS);
    json_begin_object(w);
    for (size_t i = 0; (name = promql_function_name(i, &experimental)) != NULL; i++) {
        json_key(w, str_c(name));
        json_bool(w, !experimental || language->experimental_functions);
    }
    json_end_object(w);
}

void feature_api_list(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    const struct serve_daemon *daemon = &s->config.daemon;
    struct serve_facts facts = {0};
    struct json_writer w;
    struct buf b;
    if (daemon->facts)
        daemon->facts(daemon->context, http_arena(r), &facts);
    buf_init(&b, SERVE_BODY_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    for (size_t i = 0; i < COUNTOF(FEATURES);) {
        const char *group = FEATURES[i].group;
        json_key(&w, str_c(group));
        json_begin_object(&w);
        for (; i < COUNTOF(FEATURES) && str_eq(str_c(group), str_c(FEATURES[i].group)); i++) {
            json_key(&w, str_c(FEATURES[i].name));
            json_bool(&w, is_on(s, &facts.language, FEATURES[i].needs));
        }
        json_end_object(&w);
    }
    put_functions(&w, &facts.language);
    json_key(&w, STR("service_discovery_providers"));
    json_begin_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    answer_data(r, buf_str(&b));
    buf_done(&b);
}
