#include "collect/collector.h"

#include <string.h>

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
