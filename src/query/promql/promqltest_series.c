#include "query/promql/promqltest.h"

#include <math.h>
#include <string.h>

#include "base/vec.h"
#include "model/sample.h"
#include "query/promql/promql_engine.h"

enum { VALUES_MAX = 1 << 20 }; /* of one series */

/* Where the labels end: behind the closing brace, or at the first blank. */
static size_t labels_end(struct str line)
{
    char quote = 0;
    bool inside = false;
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        if (quote) {
            if (c == '\\' && quote != '`')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            if (i + 1 < line.n && line.p[i + 1] == '{' && !inside)
                return i;
            inside = true;
        } else if (c == '}') {
            return i + 1;
        } else if ((c == ' ' || c == '\t') && !inside) {
            return i;
        }
    }
    return line.n;
}

static int read_labels(struct str text, struct arena *a, struct str *ret, struct why *why)
{
    struct promql_token *t;
    size_t n, i = 0;
    struct label_set set = {.n = 0};
    struct promql_failure failure;
    promql_lex(text, a, &t, &n);
    if (t[0].kind != TOKEN_LEFT_BRACE && t[0].kind != TOKEN_EOF)
        promql_label_set_put(&set, LABEL_METRIC, t[i++].text);
    bool good = true;
    if (t[i].kind == TOKEN_LEFT_BRACE) {
        for (i++; good && t[i].kind != TOKEN_RIGHT_BRACE;) {
            struct str name = t[i].text, value = STR("");
            if (t[i].kind == TOKEN_STRING)
                good = promql_unquote(t[i].text, a, &name, &failure) == 0;
            else
                good = t[i].kind == TOKEN_IDENTIFIER;
            if (good && i + 2 < n && t[i + 1].kind == TOKEN_EQUAL) {
                good = t[i + 2].kind == TOKEN_STRING &&
                       promql_unquote(t[i + 2].text, a, &value, &failure) == 0;
                promql_label_set_put(&set, name, value);
                i += 3;
            } else {
                promql_label_set_put(&set, LABEL_METRIC, name);
                i++;
            }
            if (good && t[i].kind == TOKEN_COMMA)
                i++;
            else
                good = good && t[i].kind == TOKEN_RIGHT_BRACE;
        }
    }
    struct engine e = {.arena = a};
    if (good)
        *ret = promql_label_set_key(&e, &set);
    mem_free(t);
    return good ? 0 : why_set(why, ERR_FORMAT, "bad labels: " STR_FMT, STR_ARG(text));
}

static bool read_number(struct str s, double *ret)
{
    bool range, minus = s.n && s.p[0] == '-';
    struct str body = str_sub(s, s.n && (minus || s.p[0] == '+'), s.n);
    if (!promql_number_read(body, ret, &range))
        return false;
    *ret = minus ? -*ret : *ret;
    return true;
}

/* [1 2 3] into the arena. */
static bool read_list(struct str text, struct arena *a, double **ret, uint32_t *ret_n)
{
    text = str_trim(text);
    text = str_sub(text, 1, text.n - 1);
    double *v = arena_array(a, text.n + 1, sizeof *v);
    uint32_t n = 0;
    struct str word;
    while (str_word(&text, &word)) {
        if (!read_number(word, &v[n++]))
            return false;
    }
    *ret = v;
    *ret_n = n;
    return true;
}

static bool read_hint(struct str v, uint8_t *ret)
{
    static const char *const hints[] = {"unknown", "reset", "not_reset", "gauge"};
    for (uint8_t i = 0; i < COUNTOF(hints); i++) {
        if (str_eq(v, str_c(hints[i]))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

struct raw_histogram {
    struct histogram h;
    double offset, n_offset, schema;
    double *positive, *negative, *bounds;
};

static bool read_field(struct raw_histogram *r, struct str name, struct str v, struct arena *a)
{
    struct histogram *h = &r->h;
    if (str_eq(name, STR("schema")))
        return read_number(v, &r->schema);
    if (str_eq(name, STR("sum")))
        return read_number(v, &h->sum);
    if (str_eq(name, STR("count")))
        return read_number(v, &h->count);
    if (str_eq(name, STR("z_bucket")))
        return read_number(v, &h->zero_count);
    if (str_eq(name, STR("z_bucket_w")))
        return read_number(v, &h->zero_threshold);
    if (str_eq(name, STR("offset")))
        return read_number(v, &r->offset);
    if (str_eq(name, STR("n_offset")))
        return read_number(v, &r->n_offset);
    if (str_eq(name, STR("buckets")))
        return read_list(v, a, &r->positive, &h->positive_n);
    if (str_eq(name, STR("n_buckets")))
        return read_list(v, a, &r->negative, &h->negative_n);
    if (str_eq(name, STR("custom_values")))
        return read_list(v, a, &r->bounds, &h->custom_n);
    if (str_eq(name, STR("counter_reset_hint")))
        return read_hint(v, &h->reset);
    return false;
}

static struct histogram_span *one_span(struct arena *a, double offset, uint32_t n)
{
    struct histogram_span *s = arena_new(a, sizeof *s);
    *s = (struct histogram_span){(int32_t)offset, n};
    return s;
}

/* The inside of {{ }}. */
static struct histogram *read_histogram(struct str text, struct arena *a)
{
    struct raw_histogram r = {0};
    if (text.n && text.p[0] == ' ' && str_trim(text).n)
        return NULL; /* a blank may stand between fields only */
    while ((text = str_trim(text)).n) {
        size_t colon = str_find(text, ':');
        struct str name = str_sub(text, 0, colon), rest = str_sub(text, colon + 1, text.n);
        size_t end = rest.n && rest.p[0] == '[' ? str_find(rest, ']') + 1 : str_find(rest, ' ');
        if (!read_field(&r, name, str_sub(rest, 0, end), a))
            return NULL;
        text = str_sub(rest, end, rest.n);
    }
    struct histogram *h = arena_new(a, sizeof *h);
    *h = r.h;
    h->is_float = true;
    h->schema = (int32_t)r.schema;
    h->positive = r.positive;
    h->negative = r.negative;
    h->custom_bounds = r.bounds;
    h->positive_spans_n = h->positive_n > 0;
    h->negative_spans_n = h->negative_n > 0;
    h->positive_spans = one_span(a, r.offset, h->positive_n);
    h->negative_spans = one_span(a, r.n_offset, h->negative_n);
    return h;
}

static void push(struct promqltest_series *s, bool present, double v, const struct histogram *h)
{
    struct promqltest_value value = {.present = present, .value = v, .histogram = h};
    vec_push(s, value);
}

/* v, vxN, v+sxN, v-sxN of plain numbers. */
static bool read_float_item(struct str item, struct promqltest_series *s)
{
    size_t x = str_find(item, 'x');
    struct str head = str_sub(item, 0, x);
    uint64_t times = 0;
    double v, step = 0;
    if (x < item.n && !str_u64(str_sub(item, x + 1, item.n), &times))
        return false;
    if (!read_number(head, &v)) {
        size_t sign = head.n;
        while (sign > 1 && !((head.p[sign - 1] == '+' || head.p[sign - 1] == '-') &&
                             (head.p[sign - 2] | 32) != 'e'))
            sign--;
        if (sign <= 1 || x == item.n || !read_number(str_sub(head, 0, sign - 1), &v) ||
            !read_number(str_sub(head, sign - 1, head.n), &step))
            return false;
    }
    for (uint64_t i = 0; i <= times && s->n < VALUES_MAX; i++) {
        push(s, true, v, NULL);
        v += step;
    }
    return true;
}

static bool read_histogram_item(struct str item, struct arena *a, struct promqltest_series *s)
{
    struct engine e = {.arena = a};
    size_t end = str_search(item, STR("}}"));
    const struct histogram *h = read_histogram(str_sub(item, 2, end), a), *step = NULL;
    struct str rest = str_sub(item, end + 2, item.n);
    double sign = 1;
    uint64_t times = 0;
    if (!h)
        return false;
    if (rest.n && (rest.p[0] == '+' || rest.p[0] == '-')) {
        sign = rest.p[0] == '+' ? 1 : -1;
        end = str_search(rest, STR("}}"));
        step = read_histogram(str_sub(rest, 3, end), a);
        rest = str_sub(rest, end + 2, rest.n);
        if (!step || !rest.n || step->schema < h->schema)
            return false;
    }
    if (rest.n && !str_u64(str_sub(rest, 1, rest.n), &times))
        return false;
    for (uint64_t i = 0; i <= times && s->n < VALUES_MAX; i++) {
        push(s, true, 0, h);
        unsigned notes = 0;
        if (step && i < times) {
            uint8_t reset = h->reset;
            struct histogram *next = promql_histogram_add(&e, h, step, sign, &notes);
            if (!next)
                return false;
            next->reset = reset;
            h = next;
        }
    }
    return true;
}

static bool read_item(struct str item, struct arena *a, struct promqltest_series *s)
{
    if (item.p[0] == '_') {
        uint64_t n = 1;
        if (item.n > 1 && (item.p[1] != 'x' || !str_u64(str_sub(item, 2, item.n), &n)))
            return false;
        for (uint64_t i = 0; i < n && s->n < VALUES_MAX; i++)
            push(s, false, 0, NULL);
        return true;
    }
    if (str_eq(item, STR("stale"))) {
        push(s, true, sample_stale(), NULL);
        return true;
    }
    if (str_starts(item, STR("{{")))
        return read_histogram_item(item, a, s);
    return read_float_item(item, s);
}

int promqltest_series_read(struct str line, struct arena *a, struct promqltest_series *ret,
                           struct why *why)
{
    size_t end = labels_end(line);
    int err = read_labels(str_sub(line, 0, end), a, &ret->key, why);
    if (err < 0)
        return err;
    struct str rest = str_trim(str_sub(line, end, line.n));
    while (rest.n) {
        size_t at = 0, depth = 0;
        while (at < rest.n && (depth || (rest.p[at] != ' ' && rest.p[at] != '\t'))) {
            depth += rest.p[at] == '{';
            depth -= rest.p[at] == '}';
            at++;
        }
        struct str item = str_sub(rest, 0, at);
        if (!read_item(item, a, ret) || ret->n == VALUES_MAX)
            return why_set(why, ERR_FORMAT, "bad value " STR_FMT, STR_ARG(item));
        rest = str_trim(str_sub(rest, at, rest.n));
    }
    return 0;
}

/* --- created times ---------------------------------------------------------------------------- */

static const struct str start_mark = {"@st", 3};

bool promqltest_is_starts(struct str line)
{
    size_t end = labels_end(line);
    return str_starts(str_sub(line, end, line.n), start_mark) ||
           str_ends(str_sub(line, 0, end), start_mark);
}

/* A duration with a sign; *used bytes of text. */
static bool read_signed(struct str text, int64_t *ret, size_t *used)
{
    bool minus = text.n && text.p[0] == '-';
    size_t at = text.n && (minus || text.p[0] == '+'), end = at;
    struct why why;
    while (end < text.n && text.p[end] != 'x' && text.p[end] != '+' && text.p[end] != '-')
        end++;
    if (promql_duration_read(str_sub(text, at, end), ret, &why) < 0)
        return false;
    *ret = minus ? -*ret : *ret;
    *used = end;
    return true;
}

/* d, dxN, d+dxN, d-dxN. */
static bool read_start_item(struct str item, struct promqltest_series *s)
{
    int64_t ms, step = 0;
    uint64_t times = 0;
    size_t used;
    if (!read_signed(item, &ms, &used))
        return false;
    item = str_sub(item, used, item.n);
    if (item.n && item.p[0] != 'x') {
        if (!read_signed(item, &step, &used))
            return false;
        item = str_sub(item, used, item.n);
    }
    if (item.n && !str_u64(str_sub(item, 1, item.n), &times))
        return false;
    for (uint64_t i = 0; i <= times && s->n < VALUES_MAX; i++, ms += step) {
        struct promqltest_value v = {.started = true, .start_ms = ms};
        vec_push(s, v);
    }
    return true;
}

int promqltest_starts_read(struct str line, struct arena *a, struct promqltest_series *ret,
                           struct why *why)
{
    size_t end = labels_end(line);
    struct str labels = str_sub(line, 0, end), item;
    struct str rest = str_sub(line, end, line.n);
    if (str_ends(labels, start_mark))
        labels = str_sub(labels, 0, labels.n - start_mark.n);
    else
        rest = str_sub(rest, start_mark.n, rest.n);
    int err = read_labels(labels, a, &ret->key, why);
    while (err == 0 && str_word(&rest, &item)) {
        bool good = item.p[0] == '_' ? read_item(item, a, ret) : read_start_item(item, ret);
        good &= ret->n < VALUES_MAX;
        if (!good)
            err = why_set(why, ERR_FORMAT, "bad created time " STR_FMT, STR_ARG(item));
    }
    return err;
}
