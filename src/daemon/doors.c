#include "daemon/doors.h"

#include <stddef.h>

#include "apps/apps_settings.h"
#include "base/stat.h"
#include "codec/otlp_settings.h"
#include "receive/graphite.h"
#include "receive/collectd_receiver.h"
#include "receive/statsd_aggregator.h"
#include "tool/options.h"

enum { DOOR_STREAM, DOOR_DATAGRAM, DOOR_LOCAL };
enum { DOOR_ALONE, DOOR_EACH_LOOP };
enum { DOOR_WANTED, DOOR_NEEDED };

const struct door_kind door_kinds[DOORS_N] = {
#define DOOR(name, table, type, member, transport, sockets, taken)                                 \
    {#name, (transport) == DOOR_DATAGRAM, (transport) == DOOR_LOCAL,                           \
     (sockets) == DOOR_EACH_LOOP, (taken) == DOOR_NEEDED},
#include "daemon/doors.tbl.h"
#undef DOOR
};

static const struct {
    const struct option_table *table;
    size_t offset;
} LISTS[DOORS_N] = {
#define DOOR(name, table, type, member, transport, sockets, taken)                                 \
    {&(table), offsetof(type, member)},
#include "daemon/doors.tbl.h"
#undef DOOR
};

const struct option_list *door_addresses(const struct conf *c, enum door door)
{
    static const struct option_list NONE = {0};
    const char *settings = conf_get(c, LISTS[door].table);
    const struct apps_settings *apps = conf_get(c, &apps_settings_options);
    if (door == DOOR_apps && !apps->enabled)
        return &NONE;
    return (const struct option_list *)(const void *)(settings + LISTS[door].offset);
}

static struct stat listening[DOORS_N] = {
#define DOOR(name, table, type, member, transport, sockets, taken)                                 \
    STAT_GAUGE_OF("sonde_sockets_listening", "door=\"" #name "\"",                                 \
                  "Sockets that metrics can come in by; 0 where none is named or all are taken."),
#include "daemon/doors.tbl.h"
#undef DOOR
};

void doors_tell(const char *kinds)
{
    for (enum door door = 0; door < DOORS_N; door++) {
        size_t n = 0;
        for (const char *at = kinds; *at != '\0'; at++)
            n += *at == 'a' + (int)door;
        stat_register(&listening[door]);
        stat_set(&listening[door], (double)n);
    }
}
