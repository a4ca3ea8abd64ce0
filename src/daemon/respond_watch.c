#include "daemon/respond_watch.h"

#include <stdio.h>
#include <unistd.h>

#include "collect/settings.h"
#include "tool/options.h"
#include "watch/conf/watch_conf.h"

enum { NAME_BYTES = 256, PATH_BYTES = 4096 };

/* As the host's own series have it. */
static void host_name(const struct conf *conf, char ret[NAME_BYTES])
{
    const struct settings *collect = conf_get(conf, &settings_options);
    snprintf(ret, NAME_BYTES, "%s", collect->instance);
    if (ret[0] == '\0' && gethostname(ret, NAME_BYTES - 1) != 0)
        snprintf(ret, NAME_BYTES, "localhost");
}

void respond_watch_open(struct respond_watch *w, const struct conf *conf, const struct clock *clock,
                        struct alert_sink *alerts, struct events *events)
{
    struct watch_conf watch;
    struct arena a;
    char instance[NAME_BYTES], here[PATH_BYTES];
    options_watch(conf, &watch);
    arena_init(&a);
    if (getcwd(here, sizeof here) == NULL)
        snprintf(here, sizeof here, "/");
    snprintf(w->socket, sizeof w->socket, "%s",
             watch_conf_socket(&watch, options_server(conf)->data, here, &a));
    arena_done(&a);
    host_name(conf, instance);
    const struct watch_feed_config config = {
        .socket = w->socket,
        .poll_interval_ms = watch.own.poll_interval_ms,
        .alerts = watch.own.alerts ? alerts : NULL,
        .events = events,
        .instance = instance,
        .url = "",
        .clock = clock,
    };
    w->feed = watch_feed_new(&config);
}

void respond_watch_start(struct respond_watch *w)
{
    watch_feed_start(w->feed);
}

void respond_watch_close(struct respond_watch *w)
{
    watch_feed_free(w->feed);
    w->feed = NULL;
}
