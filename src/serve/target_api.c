#include "serve/target_api.h"

#include "serve/answer.h"
#include "serve/param.h"
#include "text/json.h"

void target_api_targets(struct http_request *r, void *serve)
{
    (void)serve; /* state and scrapePool choose among none; Prometheus takes any text for both */
    answer_data(r, STR("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"));
}

void target_api_metadata(struct http_request *r, void *serve)
{
    struct promql_failure failure;
    struct matcher *matchers;
    struct str text;
    int64_t limit;
    size_t n;
    (void)serve;
    if (!param_number(r, STR("limit"), -1, &limit))
        return;
    if (http_param(r, STR("match_target"), &text) && text.n &&
        promql_parse_selector(text, http_arena(r), &matchers, &n, &failure) != 0) {
        param_refuse(r, STR("match_target"), failure.text);
        return;
    }
    answer_data(r, STR("[]"));
}

/* No pool has that name, whatever it is. */
static void refuse_pool(struct http_request *r, const char *before, struct str pool)
{
    struct str cut = str_sub(pool, 0, 200);
    answer_refuse(r, 400, "bad_data", "%sscrape pool \"" STR_FMT "\" not found", before,
                  STR_ARG(cut));
}

static bool needed(struct http_request *r, struct str name, struct str *ret)
{
    if (http_param(r, name, ret) && ret->n)
        return true;
    answer_refuse(r, 400, "bad_data", "no " STR_FMT " parameter provided", STR_ARG(name));
    return false;
}

/* Is text an object of texts? why tells. */
static bool is_label_object(struct http_request *r, struct str text, struct why *why)
{
    struct json_reader reader;
    struct json_event e;
    int got;
    size_t n = 0;
    json_reader_init(&reader, text, http_arena(r));
    while ((got = json_next(&reader, &e, why)) > 0) {
        bool fits = n == 0 ? e.type == JSON_OBJECT
                           : e.type == JSON_KEY || e.type == JSON_TEXT || e.type == JSON_OBJECT_END;
        n++;
        if (!fits)
            return why_set(why, ERR_FORMAT, "labels are an object of texts") == 0;
    }
    if (got == 0 && n == 0)
        return why_set(why, ERR_FORMAT, "unexpected end of JSON input") == 0;
    return got == 0;
}

void target_api_relabel_steps(struct http_request *r, void *serve)
{
    struct str pool, labels;
    struct why why = {0};
    (void)serve;
    if (!needed(r, STR("scrapePool"), &pool) || !needed(r, STR("labels"), &labels))
        return;
    if (!is_label_object(r, labels, &why))
        answer_refuse(r, 400, "bad_data", "error parsing labels: %s", why.text);
    else
        refuse_pool(r, "error retrieving scrape config: ", pool);
}

void target_api_pools(struct http_request *r, void *serve)
{
    (void)serve;
    answer_data(r, STR("{\"scrapePools\":[]}"));
}

void target_api_pool_config(struct http_request *r, void *serve)
{
    struct str pool;
    (void)serve;
    if (needed(r, STR("scrapePool"), &pool))
        refuse_pool(r, "", pool);
}

void target_api_alertmanagers(struct http_request *r, void *serve)
{
    (void)serve;
    answer_data(r, STR("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}"));
}
