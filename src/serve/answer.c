#include "serve/answer.h"

#include <string.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "text/json.h"
#include "text/number.h"

enum {
    ANNOTATIONS_MAX = 10,
    TEXT_MAX = PROMQL_MESSAGE_MAX + 2048, /* bytes of an error's text */
};

static int status_of(enum promql_error kind)
{
    switch (kind) {
    case PROMQL_BAD_DATA:
        return 400;
    case PROMQL_EXECUTION:
        return 422;
    case PROMQL_TIMEOUT:
        return 503;
    case PROMQL_CANCELED:
        return 499;
    case PROMQL_NONE:
    case PROMQL_INTERNAL:
        break;
    }
    return 500;
}

static void put_envelope(struct buf *b, const char *type, struct str text)
{
    buf_put_str(b, STR("{\"status\":\"error\",\"errorType\":\""));
    buf_put_str(b, str_c(type));
    buf_put_str(b, STR("\",\"error\":"));
    json_put_text(b, text);
    buf_put_c(b, '}');
}

static void put_error(struct job *j, int status, const char *type, struct str text)
{
    buf_clear(&j->body);
    j->status = status;
    put_envelope(&j->body, type, text);
}

/* What vsnprintf() has left of a text. */
static struct str formatted(const char *text, size_t size, int n)
{
    return str_of(text, MIN((size_t)MAX(n, 0), size - 1));
}

void answer_data(struct http_request *r, struct str data)
{
    struct buf b;
    buf_init(&b, data.n + 64);
    buf_put_str(&b, STR("{\"status\":\"success\",\"data\":"));
    buf_put_str(&b, data);
    buf_put_c(&b, '}');
    http_reply(r, 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

void answer_refuse(struct http_request *r, int status, const char *type, const char *format, ...)
{
    char text[TEXT_MAX];
    struct buf b;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_init(&b, TEXT_MAX * 8);
    put_envelope(&b, type, formatted(text, sizeof text, n));
    http_reply(r, status, STR("application/json"), buf_str(&b));
    buf_done(&b);
}

void answer_fault(struct job *j, int status, const char *type, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_error(j, status, type, formatted(text, sizeof text, n));
}

void answer_error(struct job *j, enum promql_error kind, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_error(j, status_of(kind), promql_error_text(kind), formatted(text, sizeof text, n));
}

void answer_failure(struct job *j, int err, const struct why *why)
{
    struct str text = str_c(why && why->text[0] ? why->text : err_text(err));
    if (err == -ERR_LIMIT)
        put_error(j, 422, "execution", text);
    else if (err == -ERR_FORMAT || err == -ERR_RANGE)
        put_error(j, 400, "bad_data", text);
    else if (err == -ERR_BUSY || err == -ERR_CLOSED)
        put_error(j, 503, "unavailable", text);
    else
        put_error(j, 500, "internal", text);
}

void answer_refusal(struct job *j, int err, const struct why *why)
{
    static const struct {
        int err, status;
        const char *type;
    } OF[] = {
        {-ERR_NOENT, 404, "not_found"}, {-ERR_EXISTS, 409, "conflict"},
        {-ERR_STATE, 409, "conflict"},  {-ERR_DENIED, 403, "forbidden"},
        {-ERR_TIMEOUT, 504, "timeout"}, {-ERR_FULL, 507, "unavailable"},
    };
    for (size_t i = 0; i < COUNTOF(OF); i++)
        if (err == OF[i].err) {
            answer_fault(j, OF[i].status, OF[i].type, "%s",
                         why->text[0] ? why->text : err_text(err));
            return;
        }
    answer_failure(j, err, why);
}

void answer_begin(struct job *j)
{
    buf_put_str(&j->body, STR("{\"status\":\"success\",\"data\":"));
}

static void put_annotation(struct buf *b, const char *kind, size_t n, struct str text)
{
    if (n == 0)
        buf_printf(b, ",\"%ss\":[", kind);
    else
        buf_put_c(b, ',');
    json_put_text(b, text);
}

static void put_list(struct buf *b, const char *kind, const struct promql_result *r,
                     bool (*next)(const struct promql_result *, size_t *, struct str *),
                     struct str extra)
{
    struct str text;
    size_t at = 0, n = 0, left = 0;
    if (extra.n)
        put_annotation(b, kind, n++, extra);
    while (r && next(r, &at, &text)) {
        if (n < ANNOTATIONS_MAX)
            put_annotation(b, kind, n++, text);
        else
            left++;
    }
    if (left) {
        char more[80];
        int size = snprintf(more, sizeof more, "%zu more %s annotations omitted", left, kind);
        put_annotation(b, kind, n, formatted(more, sizeof more, size));
    }
    if (n)
        buf_put_c(b, ']');
}

void answer_end(struct job *j, const struct promql_result *r, struct str extra)
{
    put_list(&j->body, "warning", r, promql_result_warning, extra);
    put_list(&j->body, "info", r, promql_result_info, STR(""));
    buf_put_c(&j->body, '}');
}

void answer_nothing(struct job *j)
{
    buf_clear(&j->body);
    j->status = 204;
    j->type = STR("");
}

struct str answer_date(int64_t ts_ms, char out[ANSWER_DATE_MAX])
{
    static const struct str NEVER = {"0001-01-01T00:00:00Z", 20};
    enum { YEAR_LAST = 9999 };
    struct tm tm;
    int64_t ms = ts_ms % 1000, whole = ts_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        whole--;
    }
    time_t seconds = (time_t)whole;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > YEAR_LAST - 1900)
        return NEVER;
    size_t n = strftime(out, ANSWER_DATE_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (ms) {
        n += (size_t)snprintf(out + n, ANSWER_DATE_MAX - n, ".%03d", (int)ms);
        while (out[n - 1] == '0')
            n--;
    }
    out[n++] = 'Z';
    return str_of(out, n);
}

void answer_labels(struct buf *b, struct str key)
{
    struct label l;
    const char *separator = "";
    buf_put_c(b, '{');
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        buf_put_str(b, str_c(separator));
        separator = ",";
        json_put_text(b, l.name);
        buf_put_c(b, ':');
        json_put_text(b, l.value);
    }
    buf_put_c(b, '}');
}

size_t answer_time_text(int64_t ts_ms, char out[ANSWER_TIME_MAX])
{
    char text[ANSWER_TIME_MAX];
    size_t n = sizeof text;
    uint64_t size = ts_ms < 0 ? 0 - (uint64_t)ts_ms : (uint64_t)ts_ms;
    unsigned fraction = (unsigned)(size % 1000);
    uint64_t whole = size / 1000;
    if (fraction) {
        for (int i = 0; i < 3; i++, fraction /= 10)
            text[--n] = (char)('0' + fraction % 10);
        text[--n] = '.';
    }
    do
        text[--n] = (char)('0' + whole % 10);
    while (whole /= 10);
    if (ts_ms < 0)
        text[--n] = '-';
    memcpy(out, text + n, sizeof text - n);
    return sizeof text - n;
}

void answer_time(struct buf *b, int64_t ts_ms)
{
    char text[ANSWER_TIME_MAX];
    buf_put(b, text, answer_time_text(ts_ms, text));
}

/* ---- histograms */

struct bucket_list {
    struct buf *b;
    bool any;
};

static void put_bucket(struct bucket_list *list, int rule, double low, double high, double count)
{
    struct buf *b = list->b;
    if (count == 0)
        return;
    buf_put_str(b, list->any ? STR(",[") : STR(",\"buckets\":[["));
    list->any = true;
    buf_put_u64(b, (uint64_t)rule);
    const double v[] = {low, high, count};
    for (size_t i = 0; i < COUNTOF(v); i++) {
        buf_put_str(b, STR(",\""));
        number_put_point(b, v[i]);
        buf_put_c(b, '"');
    }
    buf_put_c(b, ']');
}

/* The upper bound of bucket index. */
static double bound_of(const struct histogram *h, int64_t index)
{
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (index < 0)
            return -INFINITY;
        return index < (int64_t)h->custom_n ? h->custom_bounds[index] : INFINITY;
    }
    return exp2(ldexp((double)index, -h->schema));
}

static int rule_of(const struct histogram *h, int64_t index, double low, double high)
{
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    bool low_in = custom ? index == 0 : low < 0;
    bool high_in = custom || high > 0;
    return low_in ? (high_in ? 3 : 1) : (high_in ? 0 : 2);
}

static void put_positive(const struct histogram *h, struct bucket_list *list)
{
    int64_t index = 0;
    size_t at = 0;
    for (size_t s = 0; s < h->positive_spans_n; s++) {
        index += h->positive_spans[s].offset;
        for (uint32_t i = 0; i < h->positive_spans[s].length; i++, index++, at++) {
            double low = bound_of(h, index - 1), high = bound_of(h, index);
            put_bucket(list, rule_of(h, index, low, high), low, high, h->positive[at]);
        }
    }
}

/* From the lowest value up, that is from the last bucket to the first. */
static void put_negative(const struct histogram *h, struct bucket_list *list)
{
    int64_t index = 0;
    size_t at = h->negative_n;
    for (size_t s = 0; s < h->negative_spans_n; s++)
        index += (int64_t)h->negative_spans[s].offset + h->negative_spans[s].length;
    for (size_t s = h->negative_spans_n; s-- > 0;) {
        for (uint32_t i = 0; i < h->negative_spans[s].length; i++) {
            index--;
            at--;
            double low = -bound_of(h, index), high = -bound_of(h, index - 1);
            put_bucket(list, rule_of(h, index, low, high), low, high, h->negative[at]);
        }
        index -= h->negative_spans[s].offset;
    }
}

void answer_histogram(struct buf *b, const struct histogram *h)
{
    struct bucket_list list = {.b = b};
    buf_put_str(b, STR("{\"count\":\""));
    number_put_point(b, h->count);
    buf_put_str(b, STR("\",\"sum\":\""));
    number_put_point(b, h->sum);
    buf_put_c(b, '"');
    put_negative(h, &list);
    put_bucket(&list, 3, -h->zero_threshold, h->zero_threshold, h->zero_count);
    put_positive(h, &list);
    buf_put_str(b, list.any ? STR("]}") : STR("}"));
}
