#include "model/labels.h"
#include "receive/pushgateway.h"

/* The value of one sign of base64 for URLs, -1 for another. */
static int sign_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Padding may be there or not; an empty text is written as "=". */
static bool decode(struct str s, struct arena *a, struct str *ret)
{
    while (s.n > 0 && s.p[s.n - 1] == '=')
        s.n--;
    char *p = arena_new(a, s.n + 1);
    size_t n = 0;
    unsigned bits = 0, held = 0;
    for (size_t i = 0; i < s.n; i++) {
        int v = sign_value(s.p[i]);
        if (v < 0)
            return false;
        held = (held << 6 | (unsigned)v) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            p[n++] = (char)(held >> bits);
        }
    }
    *ret = str_of(p, n);
    return s.n % 4 != 1 && (held & ((1U << bits) - 1)) == 0;
}

/* The last one of a name counts. */
static int set_label(struct pushgateway_grouping *g, struct str name, struct str value,
                     struct why *why)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(g->labels[i].name, name)) {
            g->labels[i].value = value;
            return 0;
        }
    if (g->n == PUSHGATEWAY_LABELS_MAX)
        return why_set(why, ERR_LIMIT, "more than %d grouping labels", PUSHGATEWAY_LABELS_MAX);
    g->labels[g->n++] = (struct label){name, value};
    return 0;
}

static int add_label(struct pushgateway_grouping *g, struct str name, struct str value,
                     struct arena *a, struct why *why)
{
    struct str base64 = STR("@base64"), shown = value;
    if (str_ends(name, base64)) {
        name.n -= base64.n;
        if (!decode(shown, a, &value))
            return why_set(why, ERR_FORMAT,
                           "invalid base64 encoding of label " STR_FMT ": " STR_FMT, STR_ARG(name),
                           STR_ARG(shown));
    }
    if (!label_name_plain(name) || str_starts(name, STR("__")))
        return why_set(why, ERR_FORMAT, "improper label name \"" STR_FMT "\"", STR_ARG(name));
    if (!str_utf8(value) || value.n > LABEL_VALUE_MAX)
        return why_set(why, ERR_FORMAT, "the value of label " STR_FMT " is too long or no UTF-8",
                       STR_ARG(name));
    return set_label(g, name, value, why);
}

int pushgateway_grouping_of(struct str path, struct arena *a, struct pushgateway_grouping *ret,
                            struct why *why)
{
    struct str rest = str_sub(path, sizeof "/metrics/" - 1, path.n), name, value;
    struct pushgateway_grouping g = {0};
    struct str job_name = {0}, job_value = {0};
    for (bool first = true; str_split(&rest, '/', &name); first = false) {
        /* A slash behind the job alone is nothing. */
        if (name.n == 0 && g.n == 1 && (rest.p == NULL || rest.n == 0))
            break;
        if (!str_split(&rest, '/', &value))
            return why_set(why, ERR_FORMAT,
                           "odd number of components in label string \"" STR_FMT "\"",
                           STR_ARG(path));
        int err = add_label(&g, name, value, a, why);
        if (err != 0)
            return err;
        if (first) {
            job_name = g.labels[0].name;
            job_value = g.labels[0].value;
        }
    }
    if (job_value.n == 0)
        return why_set(why, ERR_FORMAT, "job name is required");
    g.labels[0] = (struct label){job_name, job_value}; /* no later one counts */
    labels_sort(g.labels, g.n);
    g.tenant = ret->tenant;
    *ret = g;
    return 0;
}
