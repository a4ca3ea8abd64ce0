#include "base/mem.h"
#include "discover/group_list.h"

/* Targets that stand in the configuration itself. */
struct discovery {
    struct timer *timer; /* until they have been told */
    struct discovery_host host;
    const struct group_list_item *item;
};

static int read_static(const struct yaml_node *entry, struct discovery_read *r,
                       struct discovery_config *ret, struct why *why)
{
    struct group_list_item *item = arena_new(r->a, sizeof *item);
    int err = group_list_read(entry, r->a, item, &r->place, why);
    if (!err)
        ret->options = item;
    return err;
}

static void tell(void *context)
{
    struct discovery *d = context;
    struct groups g;
    timer_free(d->timer);
    d->timer = NULL;
    groups_init(&g);
    group_list_put(&g, STR("0"), d->item, STR(""), STR(""));
    groups_finish(&g);
    d->host.update(d->host.context, g.groups.v, g.groups.n);
    groups_done(&g);
}

static int start_static(const struct discovery_config *config, const struct discovery_host *host,
                        struct discovery **ret, struct why *why)
{
    struct discovery *d = mem_new(sizeof *d);
    d->host = *host;
    d->item = config->options;
    d->timer = timer_new(host->loop, 0, 0, tell, d);
    *ret = d;
    return 0;
}

static void stop_static(struct discovery *d)
{
    timer_free(d->timer);
    mem_free(d);
}

const struct discovery_ops static_discovery = {.key = "static_configs",
                                               .name = "static",
                                               .read = read_static,
                                               .start = start_static,
                                               .stop = stop_static};
