/* The metrics of a home-automation runtime, by the event bus adapter: events by type, calls of
 * services, operations on storage, plug-ins. Its own handler of an event is called too.
 *
 * usage: example-home_automation; prints its metrics. */
#include <stdio.h>
#include <stdlib.h>

#include <sonde/sonde.h>

static void on_motion(const char *type, const sonde_attr *attributes, size_t n, void *user)
{
    int *seen = user;
    *seen += 1;
}

/* What the runtime does at a moment: an event, which leads to a call, which is stored. */
static void one_moment(sonde_bus *home, int i)
{
    static const char *const rooms[] = {"kitchen", "hall", "attic"};
    char type[64];
    const sonde_attr attributes[] = {sonde_attr_string("room", rooms[i % 3]),
                                     sonde_attr_bool("on", i % 2 == 0)};
    snprintf(type, sizeof type, "device.%s.%s", i % 5 ? "lamp" : "sensor",
             i % 4 ? "state" : "motion");
    sonde_bus_event(home, type, attributes, 2);
    if (i % 10 == 0) {
        sonde_bus_event(home, "internal.state_changed", NULL, 0);
    }
    sonde_bus_service_call(home, "light", i % 2 ? "turn_on" : "turn_off", i % 25 ? "ok" : "timeout",
                           0.002 * (i % 9));
    sonde_bus_storage_operation(home, i % 3 ? "save" : "load", "sqlite", i % 50 ? "ok" : "error",
                                0.0005 * (i % 4));
}

int main(void)
{
    int motions = 0;
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "home";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "no metrics: %s\n", sonde_last_problem());
    }

    sonde_bus_options names = SONDE_BUS_OPTIONS_INIT;
    names.name = "home";
    names.prefix = "home_";
    names.service_calls = "home_service_calls_total";
    names.plugin_label = "integration";
    names.native = true;
    sonde_bus *home = sonde_bus_new(&names);

    /* The runtime's own events, all of them in one metric. */
    sonde_bus_subscribe(home, "internal.*", NULL);

    /* Changes of devices, by room instead of by device: there are many devices. */
    const char *keys[] = {"room", "on", NULL};
    sonde_bus_subscription changes = SONDE_BUS_SUBSCRIPTION_INIT;
    changes.metric = "home_device_changes_total";
    changes.help = "Changes of devices by room.";
    changes.type_label = "";
    changes.attributes = keys;
    sonde_bus_subscribe(home, "device.+.state", &changes);

    /* Motion is counted by type and handled. */
    sonde_bus_subscription motion = SONDE_BUS_SUBSCRIPTION_INIT;
    motion.handler = on_motion;
    motion.user = &motions;
    sonde_bus_subscribe(home, "**.motion", &motion);

    sonde_bus_plugin(home, "zigbee", "2.1.0", SONDE_BUS_PLUGIN_LOADED);
    sonde_bus_plugin(home, "weather", "0.9", SONDE_BUS_PLUGIN_FAILED);
    sonde_bus_plugin(home, "voice", NULL, SONDE_BUS_PLUGIN_DISABLED);
    for (int i = 0; i < 200; i++) {
        one_moment(home, i);
    }

    char *text = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    if (text) {
        fputs(text, stdout);
        free(text);
    }
    printf("# motion was seen %d times\n", motions);
    sonde_shutdown(1000);
    return 0;
}
