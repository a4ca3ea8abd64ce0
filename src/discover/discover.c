#include "discover/discover.h"

#include "promfile/http/http_client.h"

#define DISCOVERY(name) extern const struct discovery_ops name##_discovery;
#include "discover/discoveries.tbl.h"
#undef DISCOVERY

static const struct discovery_ops *const kinds[] = {
#define DISCOVERY(name) &name##_discovery,
#include "discover/discoveries.tbl.h"
#undef DISCOVERY
};

const struct discovery_ops *discovery_find(struct str key)
{
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (str_eq(key, str_c(kinds[i]->key)))
            return kinds[i];
    }
    return NULL;
}

static int read_one(const struct discovery_ops *ops, const struct yaml_node *entry,
                    struct discovery_read *r, struct discovery_config *ret, struct why *why)
{
    r->place = entry->place;
    if (yaml_is_null(entry))
        return why_set(why, ERR_FORMAT, "empty or null section in %s", ops->key);
    *ret = (struct discovery_config){.ops = ops, .http = fetch_settings_default};
    if (ops->http && entry->type == YAML_MAP) {
        int err = http_client_read(entry, r->folder, r->a, &ret->http, &r->place, why);
        if (err)
            return err;
    }
    return ops->read(entry, r, ret, why);
}

int discovery_read(const struct discovery_ops *ops, const struct yaml_node *list,
                   struct discovery_read *r, struct discovery_config **ret, size_t *ret_n,
                   struct why *why)
{
    size_t n = list ? list->n : 0;
    if (list)
        r->place = list->place;
    int err = yaml_expect(list, YAML_SEQUENCE, ops->key, why);
    if (err)
        return err;
    struct discovery_config *configs = arena_array(r->a, n + 1, sizeof *configs);
    for (size_t i = 0; i < n; i++) {
        err = read_one(ops, list->members[i].value, r, &configs[i], why);
        if (err)
            return err;
    }
    *ret = configs;
    *ret_n = n;
    return 0;
}

int discovery_start(const struct discovery_config *config, const struct discovery_host *host,
                    struct discovery **ret, struct why *why)
{
    if (config->ops->start)
        return config->ops->start(config, host, ret, why);
    *ret = NULL;
    return 0;
}

void discovery_stop(const struct discovery_config *config, struct discovery *d)
{
    if (d)
        config->ops->stop(d);
}
