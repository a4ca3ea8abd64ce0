#include "model/labels.h"

#include "base/bits.h"

enum { TAG_LABEL = 0x0a, TAG_NAME = 0x0a, TAG_VALUE = 0x12 };

static const uint8_t *bytes(const char *p)
{
    return (const uint8_t *)p;
}

static bool length(const uint8_t **p, const uint8_t *end, size_t *ret)
{
    uint64_t n;
    const uint8_t *at = varint_get(*p, end, &n);
    if (!at || n > (size_t)(end - at))
        return false;
    *p = at;
    *ret = (size_t)n;
    return true;
}

static bool skip_field(const uint8_t **p, const uint8_t *end, uint64_t tag)
{
    size_t n;
    uint64_t v;
    switch (tag & 7) {
    case 0:
        *p = varint_get(*p, end, &v);
        return *p != NULL;
    case 1:
    case 5:
        n = (tag & 7) == 1 ? 8 : 4;
        break;
    case 2:
        if (!length(p, end, &n))
            return false;
        break;
    default:
        return false;
    }
    if (n > (size_t)(end - *p))
        return false;
    *p += n;
    return true;
}

/* A Label message in any form that protobuf allows: fields missing, repeated, unknown. */
static bool label_parse(const uint8_t *p, const uint8_t *end, struct label *ret)
{
    *ret = (struct label){0};
    while (p < end) {
        uint64_t tag;
        p = varint_get(p, end, &tag);
        if (!p)
            return false;
        if (tag != TAG_NAME && tag != TAG_VALUE) {
            if (tag >> 3 == 0 || !skip_field(&p, end, tag))
                return false;
            continue;
        }
        size_t n;
        if (!length(&p, end, &n))
            return false;
        *(tag == TAG_NAME ? &ret->name : &ret->value) = str_of((const char *)p, n);
        p += n;
    }
    return true;
}

bool labels_next(struct str key, const char **at, struct label *ret, bool *ret_bad)
{
    size_t n;

    if (key.n == 0 || *at == key.p + key.n)
        return false;
    const uint8_t *p = bytes(*at), *end = bytes(key.p) + key.n;
    if (*p++ != TAG_LABEL || !length(&p, end, &n) || !label_parse(p, p + n, ret)) {
        if (ret_bad)
            *ret_bad = true;
        return false;
    }
    *at = (const char *)p + n;
    return true;
}

struct str labels_get(struct str key, struct str name)
{
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        if (str_eq(l.name, name))
            return l.value;
    return (struct str){0};
}

void labels_put(struct buf *key, struct str name, struct str value)
{
    size_t inner = 1 + varint_len(name.n) + name.n + 1 + varint_len(value.n) + value.n;
    char *to = buf_reserve(key, 1 + varint_len(inner) + inner);
    if (!to)
        return;
    uint8_t *p = (uint8_t *)to;
    *p++ = TAG_LABEL;
    p = varint_put(p, inner);
    *p++ = TAG_NAME;
    p = varint_put(p, name.n);
    if (name.n)
        memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = TAG_VALUE;
    p = varint_put(p, value.n);
    if (value.n)
        memcpy(p, value.p, value.n);
    p += value.n;
    buf_commit(key, (size_t)(p - (uint8_t *)to));
}

static int canonical_cmp(const struct label *a, const struct label *b)
{
    bool metric_a = str_eq(a->name, LABEL_METRIC), metric_b = str_eq(b->name, LABEL_METRIC);
    if (metric_a != metric_b)
        return metric_a ? -1 : 1;
    return str_cmp(a->name, b->name);
}

void labels_sort(struct label *labels, size_t n)
{
    /* Senders sort: one pass over labels that are nearly in order. */
    for (size_t i = 1; i < n; i++) {
        struct label l = labels[i];
        size_t k = i;
        for (; k > 0 && canonical_cmp(&l, &labels[k - 1]) < 0; k--)
            labels[k] = labels[k - 1];
        labels[k] = l;
    }
}

static int label_check(const struct label *l, struct why *why)
{
    if (l->name.n == 0)
        return why_set(why, ERR_FORMAT, "a label has an empty name");
    if (l->name.n > LABEL_NAME_MAX)
        return why_set(why, ERR_LIMIT, "label name \"%.64s...\" is longer than %d bytes", l->name.p,
                       LABEL_NAME_MAX);
    if (!str_utf8(l->name))
        return why_set(why, ERR_FORMAT, "a label name is not valid UTF-8");
    if (l->value.n > LABEL_VALUE_MAX)
        return why_set(why, ERR_LIMIT, "the value of label \"" STR_FMT "\" is longer than %d bytes",
                       STR_ARG(l->name), LABEL_VALUE_MAX);
    if (!str_utf8(l->value))
        return why_set(why, ERR_FORMAT, "the value of label \"" STR_FMT "\" is not valid UTF-8",
                       STR_ARG(l->name));
    return 0;
}

static int encode(struct label *labels, size_t n, bool series, struct buf *out, struct why *why)
{
    size_t kept = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        int err = label_check(&labels[i], why);
        if (err)
            return err;
        size += labels[i].name.n + labels[i].value.n + 16;
        if (labels[i].value.n)
            labels[kept++] = labels[i];
    }
    if (kept > LABELS_MAX)
        return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    if (size > LABELS_KEY_MAX)
        return why_set(why, ERR_LIMIT, "the labels together are longer than %d bytes",
                       LABELS_KEY_MAX);
    labels_sort(labels, kept);
    if (series && (kept == 0 || !str_eq(labels[0].name, LABEL_METRIC)))
        return why_set(why, ERR_FORMAT, "the label __name__ is missing");
    for (size_t i = 1; i < kept; i++)
        if (str_eq(labels[i].name, labels[i - 1].name))
            return why_set(why, ERR_FORMAT, "the label \"" STR_FMT "\" is there twice",
                           STR_ARG(labels[i].name));
    for (size_t i = 0; i < kept; i++)
        labels_put(out, labels[i].name, labels[i].value);
    return buf_failed(out) ? why_set(why, ERR_LIMIT, "no room for the labels") : 0;
}

int labels_encode(struct label *labels, size_t n, struct buf *out, struct why *why)
{
    return encode(labels, n, true, out, why);
}

int labels_encode_bare(struct label *labels, size_t n, struct buf *out, struct why *why)
{
    return encode(labels, n, false, out, why);
}

static int canonical(struct str key, bool series, struct buf *out, struct why *why)
{
    struct label labels[2 * LABELS_MAX]; /* some may be empty */
    size_t n = 0;
    bool bad = false;

    for (const char *at = key.p; n < COUNTOF(labels) && labels_next(key, &at, &labels[n], &bad);)
        n++;
    if (bad)
        return why_set(why, ERR_FORMAT, "the labels are not a well-formed protobuf message");
    if (n == COUNTOF(labels))
        return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    return encode(labels, n, series, out, why);
}

int labels_canonical(struct str key, struct buf *out, struct why *why)
{
    return canonical(key, true, out, why);
}

int labels_canonical_bare(struct str key, struct buf *out, struct why *why)
{
    return canonical(key, false, out, why);
}

/* Walks a canonical key in the plain order of names, where __name__ is one among others. */
struct walk {
    struct str key;
    const char *at;
    struct label metric, next;
    bool has_metric, has_next;
};

static void walk_begin(struct walk *w, struct str key)
{
    *w = (struct walk){.key = key, .at = key.p};
    w->has_next = labels_next(key, &w->at, &w->next, NULL);
    if (w->has_next && str_eq(w->next.name, LABEL_METRIC)) {
        w->metric = w->next;
        w->has_metric = true;
        w->has_next = labels_next(key, &w->at, &w->next, NULL);
    }
}

static bool walk_next(struct walk *w, struct label *ret)
{
    if (w->has_metric && (!w->has_next || str_cmp(LABEL_METRIC, w->next.name) < 0)) {
        *ret = w->metric;
        w->has_metric = false;
        return true;
    }
    if (!w->has_next)
        return false;
    *ret = w->next;
    w->has_next = labels_next(w->key, &w->at, &w->next, NULL);
    return true;
}

/* How many bytes of labels that are the same both keys begin with. */
static size_t same_labels(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n), same = 0, at = 0;
    while (same + 8 <= n && memcmp(a.p + same, b.p + same, 8) == 0)
        same += 8;
    while (same < n && a.p[same] == b.p[same])
        same++;
    while (at + 2 <= same) {
        const char *next = a.p + at;
        size_t len = (unsigned char)a.p[at + 1];
        struct label l;
        if (len < 0x80)
            next += 2 + len;
        else if (!labels_next(a, &next, &l, NULL))
            break;
        if (next > a.p + same)
            break;
        at = (size_t)(next - a.p);
    }
    return at;
}

/* The label at *at where it comes behind __name__ in the plain order, or is that; false where it
 * comes before, so that labels have to be walked. At the end its name is empty. */
static bool plain_next(struct str key, const char **at, struct label *ret)
{
    *ret = (struct label){0};
    return !labels_next(key, at, ret, NULL) || str_cmp(ret->name, LABEL_METRIC) >= 0;
}

static int cmp_walking(struct str a, struct str b)
{
    struct walk wa, wb;
    struct label la, lb;
    walk_begin(&wa, a);
    walk_begin(&wb, b);
    for (;;) {
        bool more_a = walk_next(&wa, &la), more_b = walk_next(&wb, &lb);
        if (!more_a || !more_b)
            return (int)more_a - (int)more_b;
        int order = str_cmp(la.name, lb.name);
        if (order == 0)
            order = str_cmp(la.value, lb.value);
        if (order)
            return order;
    }
}

int labels_cmp(struct str a, struct str b)
{
    size_t same = same_labels(a, b);
    const char *at_a = a.p + same, *at_b = b.p + same;
    struct label la, lb, second;
    if (!plain_next(a, &at_a, &la) || !plain_next(b, &at_b, &lb))
        return cmp_walking(a, b);
    if (same == 0 && (!plain_next(a, &at_a, &second) || !plain_next(b, &at_b, &second)))
        return cmp_walking(a, b); /* what stands behind the name comes before it */
    if (la.name.n == 0 || lb.name.n == 0)
        return (la.name.n != 0) - (lb.name.n != 0);
    int order = str_cmp(la.name, lb.name);
    if (order == 0)
        order = str_cmp(la.value, lb.value);
    return order ? order : cmp_walking(a, b);
}

static void put_quoted(struct buf *out, struct str s)
{
    static const char SHORT[] = "\aa\bb\ff\nn\rr\tt\vv\\\\\"\"";
    bool utf8 = str_utf8(s);
    buf_put_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *escape = s.p[i] ? strchr(SHORT, s.p[i]) : NULL;
        unsigned char c = (unsigned char)s.p[i];
        if (escape && (escape - SHORT) % 2 == 0)
            buf_printf(out, "\\%c", escape[1]);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            buf_printf(out, "\\x%02x", c);
        else
            buf_put_c(out, s.p[i]);
    }
    buf_put_c(out, '"');
}

void labels_print(struct str key, struct buf *out)
{
    struct str metric = labels_get(key, LABEL_METRIC);
    bool plain = metric_name_plain(metric), braces = !plain;
    const char *between = "";
    struct label l;

    if (plain)
        buf_put_str(out, metric);
    if (!plain)
        buf_put_c(out, '{');
    if (!plain && metric.n) {
        put_quoted(out, metric);
        between = ", ";
    }
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        if (str_eq(l.name, LABEL_METRIC))
            continue;
        if (!braces)
            buf_put_c(out, '{');
        braces = true;
        buf_put_str(out, str_c(between));
        between = ", ";
        if (label_name_plain(l.name))
            buf_put_str(out, l.name);
        else
            put_quoted(out, l.name);
        buf_put_c(out, '=');
        put_quoted(out, l.value);
    }
    if (braces)
        buf_put_c(out, '}');
}

bool label_name_plain(struct str s)
{
    return metric_name_plain(s) && str_find(s, ':') == s.n;
}
