#include <inttypes.h>
#include <stdlib.h>

#include "base/vec.h"
#include "model/labels.h"
#include "text/number.h"
#include "tool/test_rules.h"

enum { LINES_MAX = 2000 /* of each side of a difference that is compared line by line */ };

static void put_quoted(struct buf *out, struct str value)
{
    struct buf key, text;
    buf_init(&key, LABELS_KEY_MAX);
    buf_init(&text, (size_t)8 * LABELS_KEY_MAX);
    labels_put(&key, STR("v"), value);
    labels_print(buf_str(&key), &text); /* {v="..."} */
    buf_put_str(out, str_sub(buf_str(&text), 3, text.n - 1));
    buf_done(&text);
    buf_done(&key);
}

static int label_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void test_rules_text_labels(struct str key, struct buf *out)
{
    struct {
        struct label *v;
        size_t n, capacity;
    } all = {0};
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        vec_push(&all, l);
    if (all.n > 1)
        qsort(all.v, all.n, sizeof *all.v, label_cmp);
    buf_put_c(out, '{');
    for (size_t i = 0; i < all.n; i++) {
        buf_put_str(out, i ? STR(", ") : STR(""));
        if (label_name_plain(all.v[i].name))
            buf_put_str(out, all.v[i].name);
        else
            put_quoted(out, all.v[i].name);
        buf_put_c(out, '=');
        put_quoted(out, all.v[i].value);
    }
    buf_put_c(out, '}');
    vec_free(&all);
}

/* ---- histograms */

static void put_g(struct buf *out, const char *name, double v)
{
    char text[NUMBER_MAX];
    (void)number_format_exposition(v, text);
    buf_printf(out, "%s%s ", name, text);
}

/* The first bucket that is not empty, and the one behind the last. */
static bool bounds(const struct histogram_span *spans, uint32_t n, const double *counts,
                   int64_t *ret_first, int64_t *ret_end)
{
    int64_t index = 0;
    bool any = false;
    for (uint32_t i = 0, at = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, at++, index++) {
            if (counts[at] == 0)
                continue;
            *ret_first = any ? *ret_first : index;
            *ret_end = index + 1;
            any = true;
        }
    }
    return any;
}

static void put_side(struct buf *out, const char *name, const struct histogram_span *spans,
                     uint32_t n, const double *counts)
{
    int64_t first = 0, end = 0, index = 0, written;
    if (!bounds(spans, n, counts, &first, &end))
        return;
    if (first != 0)
        buf_printf(out, "%soffset:%" PRId64 " ", name[0] == 'n' ? "n_" : "", first);
    buf_printf(out, "%s:[", name);
    written = first;
    for (uint32_t i = 0, at = 0; i < n; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length; k++, at++, index++) {
            if (index < first || index >= end)
                continue;
            for (; written < index; written++)
                buf_put_str(out, STR("0 "));
            put_g(out, "", counts[at]);
            written++;
        }
    }
    out->n--;
    buf_put_str(out, STR("] "));
}

void test_rules_text_histogram(const struct histogram *h, struct buf *out)
{
    static const char *const HINTS[] = {"", "reset", "not_reset", "gauge"};
    size_t begun = out->n;
    buf_put_str(out, STR("{{"));
    if (h->schema != 0)
        buf_printf(out, "schema:%d ", h->schema);
    if (h->count != 0)
        put_g(out, "count:", h->count);
    if (h->sum != 0)
        put_g(out, "sum:", h->sum);
    if (h->zero_count != 0)
        put_g(out, "z_bucket:", h->zero_count);
    if (h->zero_threshold != 0)
        put_g(out, "z_bucket_w:", h->zero_threshold);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        buf_put_str(out, STR("custom_values:["));
        for (uint32_t i = 0; i < h->custom_n; i++)
            put_g(out, "", h->custom_bounds[i]);
        out->n -= h->custom_n > 0;
        buf_put_str(out, STR("] "));
    }
    if (h->reset != HISTOGRAM_RESET_UNKNOWN)
        buf_printf(out, "counter_reset_hint:%s ", HINTS[h->reset & 3]);
    put_side(out, "buckets", h->positive_spans, h->positive_spans_n, h->positive);
    put_side(out, "n_buckets", h->negative_spans, h->negative_spans_n, h->negative);
    if (out->n > begun + 2)
        out->n--;
    buf_put_str(out, STR("}}"));
}

/* ---- durations */

void test_rules_text_duration(int64_t ms, struct buf *out)
{
    if (ms < 0)
        buf_put_c(out, '-');
    uint64_t all = ms < 0 ? (uint64_t)-ms : (uint64_t)ms;
    uint64_t hours = all / 3600000, minutes = all / 60000 % 60, rest = all % 60000;
    if (all > 0 && all < 1000) {
        buf_printf(out, "%" PRIu64 "ms", all);
        return;
    }
    if (hours > 0)
        buf_printf(out, "%" PRIu64 "h", hours);
    if (hours > 0 || minutes > 0)
        buf_printf(out, "%" PRIu64 "m", minutes);
    number_put(out, (double)rest / 1000);
    buf_put_c(out, 's');
}

/* ---- differences */

struct lines {
    struct str *v;
    size_t n, capacity;
};

static void split(struct str text, struct lines *ret)
{
    struct str line;
    while (ret->n < LINES_MAX && str_split(&text, '\n', &line))
        vec_push(ret, line);
}

static void put_line(struct buf *out, char mark, struct str line)
{
    buf_put_c(out, mark);
    buf_put_c(out, ' ');
    buf_put_str(out, line);
    buf_put_c(out, '\n');
}

/* The longest common subsequence, by the table of its lengths from each place on. */
void test_rules_text_diff(struct str exp, struct str got, struct buf *out)
{
    struct lines a = {0}, b = {0};
    split(exp, &a);
    split(got, &b);
    size_t width = b.n + 1, i = 0, k = 0;
    uint32_t *best = mem_array((a.n + 1) * width, sizeof *best);
    for (size_t x = a.n; x-- > 0;)
        for (size_t y = b.n; y-- > 0;)
            best[x * width + y] = str_eq(a.v[x], b.v[y])
                                      ? best[(x + 1) * width + y + 1] + 1
                                      : MAX(best[(x + 1) * width + y], best[x * width + y + 1]);
    while (i < a.n || k < b.n) {
        if (i < a.n && k < b.n && str_eq(a.v[i], b.v[k])) {
            put_line(out, ' ', a.v[i++]);
            k++;
        } else if (k == b.n || (i < a.n && best[(i + 1) * width + k] >= best[i * width + k + 1])) {
            put_line(out, '-', a.v[i++]);
        } else {
            put_line(out, '+', b.v[k++]);
        }
    }
    mem_free(best);
    vec_free(&a);
    vec_free(&b);
}
