/* Annotations: what a person should know of an answer, in the words of Prometheus, once each. */
#include "query/promql/promql_engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/vec.h"

enum { NOTES_MAX = 1000, TIME_TEXT_MAX = 32 };

/* Is text base and a place behind it? */
static bool is_of(struct str text, struct str base)
{
    if (!str_starts(text, base))
        return false;
    struct str rest = str_sub(text, base.n, text.n);
    if (rest.n == 0)
        return true;
    for (size_t i = 2; i + 1 < rest.n; i++) {
        if (rest.p[i] != ':' && (rest.p[i] < '0' || rest.p[i] > '9'))
            return false;
    }
    return rest.n > 3 && str_starts(rest, STR(" (")) && rest.p[rest.n - 1] == ')';
}

/* Appends the text with its place, unless the same was said of any place. */
static void put(struct engine *e, struct engine_texts *list, struct str text, const char *position)
{
    for (size_t i = 0; i < list->n; i++) {
        if (is_of(list->v[i], text))
            return;
    }
    if (list->n < NOTES_MAX)
        vec_push(list, arena_printf(e->arena, STR_FMT "%s", STR_ARG(text), position));
}

static void position_of(const struct engine *e, const struct promql_expr *where, char *out,
                        size_t n)
{
    char position[32] = "";
    out[0] = 0;
    if (!where)
        return;
    promql_position(e->text, where->start, position, sizeof position);
    snprintf(out, n, " (%s)", position);
}

PRINTF(5, 0)
static void note(struct engine *e, struct engine_texts *list, const char *prefix,
                 const struct promql_expr *where, const char *format, va_list args)
{
    char text[PROMQL_MESSAGE_MAX], position[40];
    int n = snprintf(text, sizeof text, "%s", prefix);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    position_of(e, where, position, sizeof position);
    put(e, list, str_c(text), position);
}

void promql_engine_warn(struct engine *e, const struct promql_expr *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(e, &e->warnings, "PromQL warning: ", where, format, args);
    va_end(args);
}

void promql_engine_info(struct engine *e, const struct promql_expr *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    note(e, &e->infos, "PromQL info: ", where, format, args);
    va_end(args);
}

void promql_engine_store_warning(struct engine *e, const char *text)
{
    put(e, &e->warnings, str_c(text), "");
}

static void join(struct engine *e, struct engine_texts *to, struct engine_texts *from)
{
    for (size_t i = 0; i < from->n; i++)
        put(e, to, from->v[i], "");
    vec_free(from);
}

void promql_engine_join(struct engine *e, struct engine *from)
{
    join(e, &e->warnings, &from->warnings);
    join(e, &e->infos, &from->infos);
}

/* text and the name of the metric in quotes; without it where there is none and that may be. */
static void named(struct engine *e, struct engine_texts *list, const struct promql_expr *where,
                  struct str metric, const char *text, bool always)
{
    struct buf b;
    char position[40];
    buf_init(&b, PROMQL_MESSAGE_MAX);
    buf_printf(&b, "%s%s", list == &e->warnings ? "PromQL warning: " : "PromQL info: ", text);
    if (metric.n || always) {
        buf_put_str(&b, STR(" for metric name "));
        promql_quote(metric, &b);
    }
    position_of(e, where, position, sizeof position);
    put(e, list, buf_str(&b), position);
    buf_done(&b);
}

void promql_warn_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text)
{
    named(e, &e->warnings, where, metric, text, true);
}

void promql_info_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                        const char *text)
{
    named(e, &e->infos, where, metric, text, true);
}

void promql_warn_maybe_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                              const char *text)
{
    named(e, &e->warnings, where, metric, text, false);
}

void promql_info_maybe_metric(struct engine *e, const struct promql_expr *where, struct str metric,
                              const char *text)
{
    named(e, &e->infos, where, metric, text, false);
}

/* --- classic buckets that had to be mended -----------------------------------------------------
 */

static void time_text(int64_t ms, char *out)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || !strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(out, TIME_TEXT_MAX, "%lld", (long long)seconds);
}

/* The text of an info that gathers all its samples. */
static void mended_text(const struct engine *e, const struct engine_mended *m, struct buf *b)
{
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX], position[40];
    time_text(m->from_ms, from);
    time_text(m->to_ms, to);
    position_of(e, m->where, position, sizeof position);
    buf_put_str(b, STR("PromQL info: input to histogram_quantile needed to be fixed for "
                       "monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/"
                       "functions/#histogram_quantile)"));
    if (m->metric.n) {
        buf_put_str(b, STR(" for metric name "));
        promql_quote(m->metric, b);
    }
    buf_put_str(b, STR(", from buckets "));
    promql_number_short(m->least, b);
    buf_put_str(b, STR(" to "));
    promql_number_short(m->greatest, b);
    buf_printf(b, ", with a max diff of %.2g, over %llu samples from %s to %s%s", m->diff,
               (unsigned long long)m->n, from, to, position);
}

void promql_engine_mended(struct engine *e, const struct engine_mended *m)
{
    struct engine_mended *known = NULL;
    for (size_t i = 0; !known && i < e->mended.n; i++) {
        if (str_eq(e->mended.v[i].metric, m->metric))
            known = &e->mended.v[i];
    }
    if (known) {
        known->from_ms = MIN(known->from_ms, m->from_ms);
        known->to_ms = MAX(known->to_ms, m->to_ms);
        known->least = fmin(known->least, m->least);
        known->greatest = fmax(known->greatest, m->greatest);
        known->diff = fmax(known->diff, m->diff);
        known->n++;
        return;
    }
    if (e->infos.n >= NOTES_MAX)
        return;
    struct engine_mended fresh = *m;
    fresh.metric = arena_str(e->arena, m->metric);
    fresh.place = e->infos.n;
    fresh.n = 1;
    vec_push(&e->infos, STR("")); /* its place, until all samples are known */
    vec_push(&e->mended, fresh);
}

void promql_engine_notes_end(struct engine *e)
{
    for (size_t i = 0; i < e->mended.n; i++) {
        struct buf b;
        buf_init(&b, PROMQL_MESSAGE_MAX);
        mended_text(e, &e->mended.v[i], &b);
        e->infos.v[e->mended.v[i].place] = arena_str(e->arena, buf_str(&b));
        buf_done(&b);
    }
    vec_free(&e->mended);
}
