#include "collect/collector.h"

#include <string.h>

#include "collect/pseudo.h"

const struct collector collector_all[COLLECTORS_N] = {
#define COLLECTOR(name, interval, prose) {#name, prose, interval, &name##_collector},
#include "collect/collectors.tbl.h"
#undef COLLECTOR
};

int collector_find(const char *name)
{
    for (int i = 0; i < COLLECTORS_N; i++)
        if (strcmp(collector_all[i].name, name) == 0)
            return i;
    return -ERR_NOENT;
}

int collector_open(const struct collector_ops *ops, const struct collector_host *host, void **ret,
                   struct why *why)
{
    if (ops->file)
        *ret = pseudo_new(host->proc, ops->file);
    return ops->open ? ops->open(host, ret, why) : 0;
}

void collector_close(const struct collector_ops *ops, void *state)
{
    if (ops->file)
        pseudo_free(state);
    if (ops->close)
        ops->close(state);
}
