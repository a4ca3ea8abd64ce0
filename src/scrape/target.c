#include "scrape/target.h"

#include "base/hash.h"
#include "model/labels.h"
#include "text/duration.h"
#include "text/template.h"

enum { LABELS_KEPT = 2 * LABELS_MAX };

static const struct str ADDRESS = {"__address__", 11};
static const struct str SCHEME = {"__scheme__", 10};
static const struct str PATH = {"__metrics_path__", 16};
static const struct str INTERVAL = {"__scrape_interval__", 19};
static const struct str TIMEOUT = {"__scrape_timeout__", 18};
static const struct str PARAM = {"__param_", 8};
static const struct str META = {"__meta_", 7};

struct set {
    struct label v[LABELS_KEPT];
    size_t n;
    bool full;
};

static bool has(const struct set *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->v[i].name, name))
            return s->v[i].value.n > 0;
    return false;
}

/* A label that has no value yet. */
static void add(struct set *s, struct str name, struct str value)
{
    if (value.n == 0 || has(s, name))
        return;
    if (s->n == COUNTOF(s->v))
        s->full = true;
    else
        s->v[s->n++] = (struct label){name, value};
}

static void add_key(struct set *s, struct str key)
{
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        add(s, l.name, l.value);
}

static int encode(struct set *s, struct arena *a, struct str *ret, struct why *why)
{
    struct buf key;
    if (s->full)
        return why_set(why, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(s->v, s->n, &key, why);
    if (!err)
        *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

static struct str duration(struct arena *a, int64_t ms)
{
    struct buf text;
    buf_init(&text, 64);
    duration_put(&text, ms);
    struct str ret = arena_str(a, buf_str(&text));
    buf_done(&text);
    return ret;
}

int target_discovered(const struct promfile_scrape *config, struct str group, struct str own,
                      struct arena *a, struct str *ret, struct why *why)
{
    struct set s = {.n = 0};
    add_key(&s, own);
    add_key(&s, group);
    add(&s, STR("job"), config->job);
    add(&s, INTERVAL, duration(a, config->interval_ms));
    add(&s, TIMEOUT, duration(a, config->timeout_ms));
    add(&s, PATH, config->metrics_path);
    add(&s, SCHEME, config->scheme);
    for (size_t i = 0; i < config->params_n; i++) {
        const struct promfile_param *p = &config->params[i];
        if (p->n)
            add(&s, arena_printf(a, STR_FMT STR_FMT, STR_ARG(PARAM), STR_ARG(p->name)),
                p->values[0]);
    }
    return encode(&s, a, ret, why);
}

/* ---- URL */

/* A path with escapes where Go's URLs have them. */
static void put_path(struct buf *out, struct str path)
{
    if (path.n && path.p[0] != '/')
        buf_put_c(out, '/');
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-_.~$&+,/:;=@", c));
        if (plain)
            buf_put_c(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static void put_param(struct buf *out, bool *first, struct str name, struct str value)
{
    buf_put_c(out, *first ? '?' : '&');
    *first = false;
    template_escape_query(name, out);
    buf_put_c(out, '=');
    template_escape_query(value, out);
}

/* Parameters of the configuration and of __param_ labels, by name; a label stands for the first
 * value. */
static void put_params(struct buf *out, const struct promfile_scrape *config, struct str key)
{
    bool first = true;
    struct str last = {0};
    for (;;) {
        const struct promfile_param *at = NULL;
        struct str next = {0}, value = {0};
        struct label l;
        for (size_t i = 0; i < config->params_n; i++) {
            const struct promfile_param *p = &config->params[i];
            if (str_cmp(p->name, last) > 0 && (!next.p || str_cmp(p->name, next) < 0)) {
                next = p->name;
                at = p;
            }
        }
        for (const char *p = key.p; labels_next(key, &p, &l, NULL);) {
            struct str name = str_sub(l.name, PARAM.n, l.name.n);
            if (!str_starts(l.name, PARAM) || str_cmp(name, last) <= 0 ||
                (next.p && str_cmp(name, next) > 0))
                continue;
            at = next.p && str_eq(name, next) ? at : NULL;
            next = name;
            value = l.value;
        }
        if (!next.p)
            return;
        if (value.p || (at && at->n))
            put_param(out, &first, next, value.p ? value : at->values[0]);
        for (size_t i = 1; at && i < at->n; i++)
            put_param(out, &first, next, at->values[i]);
        last = next;
    }
}

static struct str url(const struct promfile_scrape *config, struct str key, struct str address,
                      struct arena *a)
{
    struct buf out;
    buf_init(&out, LABELS_KEY_MAX);
    buf_put_str(&out, labels_get(key, SCHEME));
    buf_put_str(&out, STR("://"));
    buf_put_str(&out, address);
    put_path(&out, labels_get(key, PATH));
    put_params(&out, config, key);
    struct str ret = arena_str(a, buf_str(&out));
    buf_done(&out);
    return ret;
}

/* address with the name of this machine where it is its loopback. */
static struct str global_address(struct str address, struct str host, struct arena *a)
{
    static const struct str LOCAL[] = {{"127.0.0.1", 9}, {"localhost", 9}, {"[::1]", 5}};
    for (size_t i = 0; i < COUNTOF(LOCAL); i++) {
        struct str rest = str_sub(address, LOCAL[i].n, address.n);
        if (str_starts(address, LOCAL[i]) && (rest.n == 0 || rest.p[0] == ':') && host.n)
            return arena_printf(a, STR_FMT STR_FMT, STR_ARG(host), STR_ARG(rest));
    }
    return address;
}

/* ---- checks */

static int read_time(struct str key, struct str name, const char *what, int64_t *ret,
                     struct why *why)
{
    int err = duration_read(labels_get(key, name), ret, why);
    if (err)
        return why_prefix(why, "error parsing scrape %s", what);
    return *ret > 0 ? 0 : why_set(why, ERR_FORMAT, "scrape %s cannot be 0", what);
}

static int check(struct str key, struct target *ret, struct why *why)
{
    struct str address = labels_get(key, ADDRESS);
    if (address.n == 0)
        return why_set(why, ERR_FORMAT, "no address");
    if (str_find(address, '/') < address.n)
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is not a valid hostname",
                       STR_ARG(str_sub(address, 0, 200)));
    int err = read_time(key, INTERVAL, "interval", &ret->interval_ms, why);
    if (!err)
        err = read_time(key, TIMEOUT, "timeout", &ret->timeout_ms, why);
    if (!err && ret->timeout_ms > ret->interval_ms)
        err = why_set(why, ERR_FORMAT,
                      "scrape timeout cannot be greater than scrape interval (\"" STR_FMT
                      "\" > \"" STR_FMT "\")",
                      STR_ARG(labels_get(key, TIMEOUT)), STR_ARG(labels_get(key, INTERVAL)));
    return err;
}

/* Labels of the series: without those that begin with __, with an instance. */
static int visible(struct str key, struct str address, struct arena *a, struct str *ret,
                   struct why *why)
{
    struct set s = {.n = 0};
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        if (!str_starts(l.name, STR("__")))
            add(&s, l.name, l.value);
    add(&s, STR("instance"), address);
    return encode(&s, a, ret, why);
}

static uint64_t hash_of(struct str key, const struct target *t)
{
    uint64_t hash = hash_xxh3(t->url.p, t->url.n, 1);
    struct label l;
    for (const char *at = key.p; labels_next(key, &at, &l, NULL);)
        if (!str_starts(l.name, META))
            hash += hash_xxh3(l.name.p, l.name.n, 2) * (hash_xxh3(l.value.p, l.value.n, 3) | 1);
    return hash_u64(hash);
}

int target_make(const struct promfile_scrape *config, struct str group, struct str own,
                struct str host, struct arena *a, struct target *ret, struct why *why)
{
    struct target t = {0};
    struct str key;
    int err = target_discovered(config, group, own, a, &t.discovered, why);
    if (err)
        return err;
    key = t.discovered;
    if (config->relabel) {
        int kept = relabel_apply(config->relabel, t.discovered, a, &key, why);
        if (kept < 0)
            return kept;
        if (kept == 0 || key.n == 0) {
            ret->discovered = t.discovered;
            return 0;
        }
    }
    err = check(key, &t, why);
    struct str address = labels_get(key, ADDRESS);
    if (!err)
        err = visible(key, address, a, &t.labels, why);
    if (err) {
        ret->discovered = t.discovered;
        return err;
    }
    t.url = url(config, key, address, a);
    t.global_url = url(config, key, global_address(address, host, a), a);
    t.hash = hash_of(key, &t);
    *ret = t;
    return 1;
}

int64_t target_next(int64_t now_ms, int64_t interval_ms, uint64_t offset)
{
    int64_t shift = (int64_t)(offset % (uint64_t)interval_ms);
    int64_t since = (now_ms - shift) % interval_ms;
    if (since < 0)
        since += interval_ms;
    return now_ms - since + interval_ms;
}
