/* What adding up a line of StatsD costs: datagrams of 20 lines, 1,000 series. */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "conf/conf.h"
#include "os/thread.h"
#include "receive/statsd_aggregator.h"

enum { DATAGRAMS = 1000, LINES = 20, SERIES = 1000, TURNS = 500 };

static int take_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = NULL;
    return 0;
}

static int take_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return 0;
}

int main(void)
{
    static const char *const TYPES[] = {"c", "c", "ms", "c", "c", "g", "c", "ms", "c", "g"};
    static const struct sink_ops OPS = {.tenant = take_tenant, .metadata = take_metadata};
    static const struct option_table *const TABLES[] = {&statsd_options};
    static const struct conf_tables ALL = {TABLES, 1};
    static struct buf datagrams[DATAGRAMS];
    struct sink sink = {&OPS};
    struct statsd_aggregator *a;
    struct conf *conf;
    struct buf problems;
    buf_init(&problems, 65536);
    must(conf_read(STR(""), "bench", &ALL, NULL, 0, &conf, &problems) == 0);
    struct statsd_plan plan = {.settings = conf_get(conf, &statsd_options), .sink = &sink};
    must(statsd_aggregator_new(&plan, &a, NULL) == 0);
    for (unsigned i = 0, at = 0; i < DATAGRAMS; i++) {
        buf_init(&datagrams[i], 65536);
        for (unsigned k = 0; k < LINES; k++, at = (at + 1) % SERIES)
            buf_printf(&datagrams[i], "shop.route_%u.requests:%u|%s%s\n", at, 1 + (at * 31) % 900,
                       TYPES[at % 10], at % 2 ? "|#method:GET,status:200" : "");
    }
    int64_t begin = thread_cpu_ns();
    for (int turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < DATAGRAMS; i++)
            statsd_aggregator_take(a, buf_str(&datagrams[i]));
    double ns = (double)(thread_cpu_ns() - begin);
    printf("%.1f ns a line\n", ns / TURNS / DATAGRAMS / LINES);
    for (size_t i = 0; i < DATAGRAMS; i++)
        buf_done(&datagrams[i]);
    statsd_aggregator_free(a);
    conf_free(conf);
    buf_done(&problems);
    return 0;
}
