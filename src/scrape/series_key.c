#include "scrape/series_key.h"

enum { EXPORTED_MAX = 8 }; /* "exported_" in front of each other */

/* Labels that grow: those exposed, those of the target, and renamed ones. */
struct set {
    struct label v[2 * LABELS_MAX + 2];
    size_t n;
};

static struct label *find(struct set *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->v[i].name, name))
            return &s->v[i];
    return NULL;
}

/* name with as many exported_ in front as make it free. */
static int rename_exposed(struct set *s, struct str name, struct str value, struct arena *a,
                          struct why *why)
{
    for (int i = 0; i < EXPORTED_MAX; i++) {
        name = arena_printf(a, "exported_" STR_FMT, STR_ARG(name));
        struct label *taken = find(s, name);
        if (taken && taken->value.n)
            continue;
        if (!taken)
            taken = &s->v[s->n++];
        *taken = (struct label){name, value};
        return 0;
    }
    return why_set(why, ERR_LIMIT, "too many labels that begin with exported_");
}

/* Longer names come last, so that exported_x, where it is there, is renamed behind x. */
static void by_length(struct label *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && v[k].name.n < v[k - 1].name.n; k--) {
            struct label l = v[k];
            v[k] = v[k - 1];
            v[k - 1] = l;
        }
}

/* Target labels win, unless honor_labels: then what is exposed wins, even with an empty value. */
static int put_target(bool honor, struct str target, struct set *s, struct arena *a,
                      struct why *why)
{
    struct label l, clashes[LABELS_MAX];
    size_t clashes_n = 0;
    for (const char *at = target.p; labels_next(target, &at, &l, NULL);) {
        struct label *there = find(s, l.name);
        if (honor && there)
            continue;
        if (there && there->value.n && clashes_n < LABELS_MAX)
            clashes[clashes_n++] = *there;
        if (!there) {
            if (s->n == COUNTOF(s->v))
                return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
            there = &s->v[s->n++];
        }
        *there = l;
    }
    by_length(clashes, clashes_n);
    for (size_t i = 0; i < clashes_n; i++) {
        if (s->n == COUNTOF(s->v))
            return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
        int err = rename_exposed(s, clashes[i].name, clashes[i].value, a, why);
        if (err)
            return err;
    }
    return 0;
}

static int check_names(const struct promfile_scrape *config, struct str key, struct why *why)
{
    struct label l;
    bool metric = false;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        bool is_metric = str_eq(l.name, LABEL_METRIC);
        metric = metric || is_metric;
        if (!config->legacy_names)
            continue;
        if (is_metric ? !metric_name_plain(l.value) : !label_name_plain(l.name))
            return why_set(why, ERR_FORMAT, "invalid metric name or label names: %.*s",
                           (int)MIN((is_metric ? l.value : l.name).n, 100u),
                           (is_metric ? l.value : l.name).p);
    }
    return metric ? 0 : why_set(why, ERR_FORMAT, "missing metric name (__name__ label)");
}

static int check_limits(const struct promfile_scrape *config, struct str key, struct why *why)
{
    if (!config->label_limit && !config->label_name_length_limit &&
        !config->label_value_length_limit)
        return 0;
    struct str metric = str_sub(labels_get(key, LABEL_METRIC), 0, 50);
    struct label l;
    uint64_t n = 0;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        n++;
    if (config->label_limit && n > config->label_limit)
        return why_set(
            why, ERR_LIMIT,
            "label_limit exceeded (metric: " STR_FMT ", number of labels: %llu, limit: %llu)",
            STR_ARG(metric), (unsigned long long)n, (unsigned long long)config->label_limit);
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);) {
        struct str name = str_sub(l.name, 0, 50), value = str_sub(l.value, 0, 50);
        if (config->label_name_length_limit && l.name.n > config->label_name_length_limit)
            return why_set(why, ERR_LIMIT,
                           "label_name_length_limit exceeded (metric: " STR_FMT
                           ", label name: " STR_FMT ", length: %zu, limit: %llu)",
                           STR_ARG(metric), STR_ARG(name), l.name.n,
                           (unsigned long long)config->label_name_length_limit);
        if (config->label_value_length_limit && l.value.n > config->label_value_length_limit)
            return why_set(why, ERR_LIMIT,
                           "label_value_length_limit exceeded (metric: " STR_FMT
                           ", label name: " STR_FMT ", value: \"" STR_FMT
                           "\", length: %zu, limit: %llu)",
                           STR_ARG(metric), STR_ARG(name), STR_ARG(value), l.value.n,
                           (unsigned long long)config->label_value_length_limit);
    }
    return 0;
}

static int encode(struct label *labels, size_t n, struct arena *a, struct str *ret, struct why *why)
{
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, n, &key, why);
    if (!err)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

int series_key_make(const struct promfile_scrape *config, struct str target,
                    const struct label *labels, size_t n, struct arena *a, struct str *ret,
                    struct why *why)
{
    struct set s;
    struct str key;
    if (n > LABELS_MAX)
        return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    memcpy(s.v, labels, n * sizeof *labels);
    s.n = n;
    int err = put_target(config->honor_labels, target, &s, a, why);
    if (!err)
        err = encode(s.v, s.n, a, &key, why);
    if (err)
        return err;
    if (config->metric_relabel) {
        int kept = relabel_apply(config->metric_relabel, key, a, &key, why);
        if (kept <= 0)
            return kept;
        if (key.n == 0)
            return 0;
    }
    err = check_names(config, key, why);
    if (!err)
        err = check_limits(config, key, why);
    if (err)
        return err;
    *ret = key;
    return 1;
}

struct str series_key_report(struct str target, struct str name, struct arena *a)
{
    struct buf key;
    buf_init(&key, 2 * LABELS_KEY_MAX);
    labels_put(&key, LABEL_METRIC, name);
    buf_put_str(&key, target); /* it has no __name__, and is sorted */
    struct str ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return ret;
}
