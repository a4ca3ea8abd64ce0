#include "tool/query_offline.h"

#include <stdio.h>

#include "base/vec.h"
#include "query/promql/promql_explain.h"
#include "serve/answer.h"
#include "serve/query_api.h"
#include "serve/query_settings.h"
#include "text/number.h"

enum { BODY_MAX = 1 << 30 /* bytes of an answer */ };

static void put_statistics(struct buf *b, const struct promql_result *result)
{
    struct promql_statistics s = promql_result_statistics(result);
    buf_put_str(b, STR(",\"stats\":{\"timings\":{\"evalTotalTime\":"));
    number_put(b, (double)s.elapsed_ns / 1e9);
    buf_put_str(b, STR("},\"samples\":{\"totalQueryableSamples\":"));
    buf_put_u64(b, s.queryable_samples);
    buf_put_str(b, STR(",\"peakSamples\":"));
    buf_put_u64(b, s.samples_peak);
    buf_put_str(b, STR("}}"));
}

static void put_answer(struct job *j, const struct query_request *q, struct promql_result *result,
                       const struct promql_profile *profile)
{
    answer_begin(j);
    bool cut = query_api_result(&j->body, result, q->limit);
    if (q->stats)
        put_statistics(&j->body, result);
    if (profile) {
        buf_put_str(&j->body, STR(",\"explain\":{\"tree\":"));
        promql_profile_put(profile, &j->body);
        buf_put_c(&j->body, '}');
    }
    buf_put_c(&j->body, '}');
    answer_end(j, result, cut ? STR("results truncated due to limit") : STR(""));
}

static void run(struct store *s, const struct query_settings *set, const struct query_request *q,
                struct job *j)
{
    struct series_store *face = store_face(s);
    const struct promql_options language = query_settings_language(set);
    struct promql_failure failure;
    struct promql_expr *expr;
    struct promql_result *result;
    if (promql_parse(str_c(q->expression), &language, &j->arena, &expr, &failure) != 0) {
        answer_error(j, PROMQL_BAD_DATA, "invalid parameter \"query\": %s", failure.text);
        return;
    }
    struct promql_query query = {
        .expr = expr,
        .options = &language,
        .store = face,
        .tenant = face->ops->tenant(face, str_c(q->tenant)),
        .start_ms = q->start_ms,
        .end_ms = q->end_ms,
        .step_ms = q->step_ms,
        .instant = !q->range,
        .lookback_ms = set->lookback_ms,
        .subquery_step_ms = set->subquery_step_ms,
        .limits = {.samples_max = (uint64_t)set->samples_max,
                   .bytes_max = (uint64_t)set->bytes_max,
                   .timeout_ns = set->timeout_ms * 1000000},
        .count_steps = q->stats,
        .profile = q->explain ? promql_profile_new(expr) : NULL,
    };
    if (promql_run(&query, &result, &failure) != 0) {
        answer_error(j, failure.kind, "%s", failure.text);
    } else {
        put_answer(j, q, result, query.profile);
        promql_result_free(result);
    }
    promql_profile_free(query.profile);
}

/* ---- the directory as it was: opening a store begins a segment of the log */

enum { NAME_MAX_BYTES = 256 };

struct names {
    struct arena arena;
    struct {
        struct str *v;
        size_t n, capacity;
    } list;
};

static int add_name(void *context, const struct disk_entry *e)
{
    struct names *names = context;
    vec_push(&names->list, arena_str(&names->arena, str_c(e->name)));
    return 0;
}

static int names_read(struct names *names, struct disk *d)
{
    *names = (struct names){0};
    arena_init(&names->arena);
    return disk_list(d, "log", add_name, names);
}

static void names_done(struct names *names)
{
    vec_free(&names->list);
    arena_done(&names->arena);
}

static bool has(const struct names *names, struct str name)
{
    for (size_t i = 0; i < names->list.n; i++)
        if (str_eq(names->list.v[i], name))
            return true;
    return false;
}

/* Removes the segments that were not there before: nothing was written into them. */
static void clean(struct offline *o, const struct names *before)
{
    struct names now;
    if (names_read(&now, o->disk) == 0)
        for (size_t i = 0; i < now.list.n; i++) {
            char path[NAME_MAX_BYTES];
            if (has(before, now.list.v[i]) || disk_join(path, sizeof path, "log", now.list.v[i].p))
                continue;
            if (disk_remove(o->disk, path))
                fprintf(stderr, "%s: %s/%s cannot be removed\n", o->command, o->data, path);
        }
    names_done(&now);
}

int query_offline(struct offline *o, const struct query_request *q, struct buf *ret)
{
    if (!offline_alone(o) || !offline_disk(o))
        return 1;
    struct names before;
    int err = names_read(&before, o->disk);
    struct store *s = err && err != -ERR_NOENT ? NULL : offline_store(o);
    if (!s) {
        names_done(&before);
        return err && err != -ERR_NOENT ? offline_fail(o, "its log cannot be listed") : 1;
    }
    struct job j = {.body = {.max = BODY_MAX}};
    arena_init(&j.arena);
    run(s, conf_get(o->conf, &query_settings_options), q, &j);
    buf_put_str(ret, buf_str(&j.body));
    bool failed = buf_failed(&j.body) || buf_failed(ret);
    buf_done(&j.body);
    arena_done(&j.arena);
    store_abandon(s); /* without a flush: the log stays as it was found */
    clean(o, &before);
    names_done(&before);
    return failed ? offline_fail(o, "the answer is larger than 1 GiB: ask for less") : 0;
}
