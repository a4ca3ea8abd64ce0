#include <math.h>

#include "model/labels.h"
#include "receive/statsd_aggregator.h"
#include "text/number.h"

#define AT(member) offsetof(struct statsd_settings, member)

enum { DAY_MS = 86400000 };

static const struct option ROWS[] = {
    {"listen", OPTION_LIST, AT(listen), "127.0.0.1:8125", 0, 0, NULL, 0,
     "Where StatsD's and DogStatsD's datagrams are received: HOST:PORT (UDP) or unix:/path. An "
     "address that is taken is a warning; an empty list receives none."},
    {"interval_ms", OPTION_INT, AT(interval_ms), "1000", 100, 3600000, NULL, 0,
     "How often what has come is added up and written."},
    {"expiry_ms", OPTION_INT, AT(expiry_ms), "300000", 1000, 30.0 * DAY_MS, NULL, 0,
     "A series ends when no line of it has come for so long."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 0, TENANT_NAME_MAX, NULL, 0,
     "Whose series they are."},
    {"prefix", OPTION_TEXT, AT(prefix), "", 0, 200, NULL, 0,
     "Is put before the name of each metric, as it stands (\"app_\")."},
    {"histograms", OPTION_CHOICE, AT(histograms), "native", 0, 0, "native|classic", 0,
     "What timers, histograms and distributions become: native histograms, or series with the "
     "bounds of buckets."},
    {"buckets", OPTION_LIST, AT(buckets), "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10", 0, 0,
     NULL, 0, "The bounds of classic histograms, ascending; for timers in seconds."},
    {"relative_gauges", OPTION_BOOL, AT(relative_gauges), "true", 0, 0, NULL, 0,
     "Whether a gauge's value with a sign is a change of it, as StatsD has it; DogStatsD's clients "
     "mean a negative value by \"-1\"."},
    {"container_label", OPTION_TEXT, AT(container_label), "", 0, 100, NULL, 0,
     "The label that DogStatsD's container (|c:) becomes; empty leaves it out."},
    {"series_max", OPTION_INT, AT(series_max), "100000", 1, 1e8, NULL, 0,
     "Series at once; lines of further ones are refused and counted."},
    {"set_values_max", OPTION_INT, AT(set_values_max), "1000000", 1, 1e9, NULL, 0,
     "Different values of all sets together in one interval; further ones are left out and "
     "counted."},
};

const struct option_table statsd_options = {
    "statsd", "StatsD and DogStatsD.", false, sizeof(struct statsd_settings), ROWS, COUNTOF(ROWS),
};

static int check_buckets(const struct option_list *list, struct why *why)
{
    double before = -INFINITY;
    if (list->n == 0 || list->n > STATSD_BUCKETS_MAX)
        return why_set(why, ERR_LIMIT, "statsd.buckets has %zu bounds, not 1 to %d", list->n,
                       STATSD_BUCKETS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        double v;
        if (number_parse(str_c(list->v[i]), &v) != 0 || !isfinite(v) || v <= before)
            return why_set(why, ERR_FORMAT, "statsd.buckets: \"%s\" is no bound above those before",
                           list->v[i]);
        before = v;
    }
    return 0;
}

int statsd_settings_check(const struct statsd_settings *s, struct why *why)
{
    if (s->prefix[0] && !metric_name_plain(str_c(s->prefix)))
        return why_set(why, ERR_FORMAT, "statsd.prefix: \"%s\" is not the beginning of a name",
                       s->prefix);
    if (s->container_label[0] && !label_name_plain(str_c(s->container_label)))
        return why_set(why, ERR_FORMAT, "statsd.container_label: \"%s\" is no name of a label",
                       s->container_label);
    return check_buckets(&s->buckets, why);
}
