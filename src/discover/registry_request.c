#include "discover/registry_request.h"

#include <stdio.h>

#include "base/hash.h"
#include "model/labels.h"
#include "os/link_local.h"
#include "text/duration.h"
#include "text/json_tree.h"

enum {
    ADDRESS_MAX = 300,
    TEXT_MAX = 1024, /* of a job, a path, a label */
    INTERVAL_MS_MIN = 1000,
    INTERVAL_MS_MAX = 24 * 3600 * 1000,
};

void registry_request_id(struct str job, struct str address, char ret[REGISTRY_ID_SIZE + 1])
{
    uint64_t hash = hash_xxh3(job.p, job.n, 1);
    hash = hash_xxh3(address.p, address.n, hash);
    snprintf(ret, REGISTRY_ID_SIZE + 1, "%016llx", (unsigned long long)hash);
}

/* ---- addresses */
static bool host_good(struct str host, bool six)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == '_';
        if (!plain && !(six && (c == ':' || c == '%')))
            return false;
    }
    return host.n > 0;
}

int registry_request_check_address(struct str address, bool allowed, struct why *why)
{
    bool six = address.n > 0 && address.p[0] == '[';
    size_t end = six ? str_find(address, ']') : str_find(address, ':');
    struct str host = str_sub(address, six ? 1 : 0, end);
    struct str port = str_sub(address, end + (six ? 2 : 1), address.n);
    uint64_t number = 0;
    bool good = address.n <= ADDRESS_MAX && end < address.n && host_good(host, six) &&
                str_u64(port, &number) && number > 0 && number < 65536 && port.p[-1] == ':';
    if (!good)
        return why_set(why, ERR_FORMAT,
                       "\"" STR_FMT "\" is no address: HOST:PORT or [IPV6]:PORT is wanted",
                       STR_ARG(str_sub(address, 0, ADDRESS_MAX)));
    if (!allowed && link_local(host))
        return why_set(why, ERR_DENIED,
                       STR_FMT " is an address of the link alone, where clouds keep secrets: say "
                               "register_link_local = true in [discover] to have it scraped",
                       STR_ARG(address));
    return 0;
}

/* ---- the rest of a registration */
static bool printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

static int read_labels(const struct json_tree *node, struct arena *a, struct str *ret,
                       struct why *why)
{
    struct label labels[REGISTRY_LABELS_MAX];
    struct buf key;
    if (json_tree_is_null(node))
        return 0;
    if (node->type != JSON_OBJECT || node->n > REGISTRY_LABELS_MAX)
        return why_set(why, ERR_LIMIT, "labels must be an object of at most %d texts",
                       REGISTRY_LABELS_MAX);
    for (size_t i = 0; i < node->n; i++) {
        labels[i] = (struct label){node->children[i].key, node->children[i].text};
        bool text = node->children[i].type == JSON_TEXT;
        struct str name = labels[i].name;
        if (!text || name.n == 0 || name.n > TEXT_MAX || labels[i].value.n > TEXT_MAX)
            return why_set(why, ERR_FORMAT,
                           "the label \"" STR_FMT "\" must be a text of at most %d bytes",
                           STR_ARG(str_sub(name, 0, 100)), TEXT_MAX);
        if (str_starts(name, STR("__")) || str_eq(name, STR("job")))
            return why_set(why, ERR_FORMAT,
                           "the label \"" STR_FMT "\" is reserved: job, scheme, metrics_path and "
                           "interval have keys of their own",
                           STR_ARG(str_sub(name, 0, 100)));
    }
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, node->n, &key, why);
    *ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return err;
}

static int read_interval(const struct json_tree *root, int64_t *ret, struct why *why)
{
    struct str text = json_tree_text(root, "interval");
    if (text.n == 0)
        return 0;
    int err = duration_read(text, ret, why);
    if (!err && (*ret < INTERVAL_MS_MIN || *ret > INTERVAL_MS_MAX))
        err = why_set(why, ERR_RANGE, "interval must be from 1s to 1d");
    return err;
}

/* What all targets of the registration share. */
static int read_common(const struct json_tree *root, struct arena *a, struct registry_target *t,
                       struct why *why)
{
    const struct json_tree *ttl = json_tree_get(root, "ttl_seconds");
    struct str scheme = json_tree_text(root, "scheme");
    struct str path = json_tree_text(root, "metrics_path");
    t->job = json_tree_text(root, "job");
    t->scheme = scheme.n ? scheme : STR("http");
    t->metrics_path = path.n ? path : STR("/metrics");
    t->ttl_s = json_tree_is_null(ttl) ? REGISTRY_TTL_S_DEFAULT : json_tree_whole(ttl, "");
    if (t->job.n == 0 || t->job.n > TEXT_MAX)
        return why_set(why, ERR_FORMAT, "job must be a text of 1 to %d bytes", TEXT_MAX);
    if (!str_eq(t->scheme, STR("http")) && !str_eq(t->scheme, STR("https")))
        return why_set(why, ERR_FORMAT, "scheme must be http or https");
    if (t->metrics_path.p[0] != '/' || t->metrics_path.n > TEXT_MAX || !printable(t->metrics_path))
        return why_set(why, ERR_FORMAT, "metrics_path must begin with / and have no blanks");
    if ((ttl && !json_tree_is_null(ttl) && ttl->type != JSON_NUMBER) || t->ttl_s < 0 ||
        t->ttl_s > REGISTRY_TTL_S_MAX)
        return why_set(why, ERR_RANGE,
                       "ttl_seconds must be a number from 0 (for ever) to %d (30 days)",
                       REGISTRY_TTL_S_MAX);
    int err = read_interval(root, &t->interval_ms, why);
    return err ? err : read_labels(json_tree_get(root, "labels"), a, &t->labels, why);
}

static int check_keys(const struct json_tree *root, struct why *why)
{
    static const char *const known[] = {"targets",      "labels",   "job",        "scheme",
                                        "metrics_path", "interval", "ttl_seconds"};
    if (root->type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "an object is wanted: {\"targets\":[..],\"job\":\"..\"}");
    for (size_t i = 0; i < root->n; i++) {
        size_t j = 0;
        while (j < COUNTOF(known) && !str_eq(root->children[i].key, str_c(known[j])))
            j++;
        if (j == COUNTOF(known))
            return why_set(why, ERR_FORMAT, "unknown key \"" STR_FMT "\"",
                           STR_ARG(str_sub(root->children[i].key, 0, 100)));
    }
    return 0;
}

static int read_targets(const struct json_tree *list, bool allowed,
                        const struct registry_target *common, struct arena *a,
                        struct registry_request *ret, struct why *why)
{
    if (json_tree_is_null(list) || list->type != JSON_ARRAY || list->n == 0 ||
        list->n > REGISTRY_TARGETS_AT_ONCE)
        return why_set(why, ERR_FORMAT, "targets must be a list of 1 to %d addresses",
                       REGISTRY_TARGETS_AT_ONCE);
    ret->targets = arena_array(a, list->n, sizeof *ret->targets);
    for (size_t i = 0; i < list->n; i++) {
        struct str address = json_tree_text(&list->children[i], "");
        int err = registry_request_check_address(address, allowed, why);
        if (err)
            return err;
        ret->targets[i] = *common;
        ret->targets[i].address = address;
        registry_request_id(common->job, address, ret->targets[i].id);
    }
    ret->n = list->n;
    return 0;
}

int registry_request_read(struct str json, bool allowed, struct arena *a,
                          struct registry_request *ret, struct why *why)
{
    const struct json_tree *root;
    struct registry_target common = {0};
    struct registry_request request = {0};
    int err = json_tree_parse(json, a, &root, why);
    if (!err)
        err = check_keys(root, why);
    if (!err)
        err = read_common(root, a, &common, why);
    if (!err)
        err = read_targets(json_tree_get(root, "targets"), allowed, &common, a, &request, why);
    if (!err)
        *ret = request;
    return err;
}
