/* Any bytes as a datagram of StatsD's. */
#include "base/must.h"
#include "codec/plain_name.h"
#include "codec/statsd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct str s, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    return s.n == 0 || (s.p >= begin && s.p + s.n <= begin + size);
}

static void walk_metric(const struct statsd_metric *m, const uint8_t *data, size_t size)
{
    struct str values = m->values, bare, more, name, value;
    double v;
    bool is_signed;
    int err;
    size_t n = 0;
    must(inside(m->name, data, size) && inside(values, data, size) && inside(m->tags, data, size));
    must(m->name.n > 0 && m->name.n <= STATSD_NAME_MAX && m->rate > 0 && m->rate <= 1);
    while (statsd_value(&values, &v, &is_signed, &err))
        n++;
    must(n > 0 && n <= m->values.n + 1);
    statsd_split_name(m->name, &bare, &more);
    struct buf plain;
    buf_init(&plain, 2 * STATSD_NAME_MAX);
    plain_name_metric(STR("p_"), bare, &plain);
    must(!buf_failed(&plain));
    buf_done(&plain);
    struct str tags = m->tags;
    while (statsd_tag(&tags, ':', &name, &value))
        must(name.n > 0 && inside(name, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct statsd_reader r;
    struct statsd_item item;
    enum statsd_what what;
    size_t n = 0;
    statsd_begin(&r, str_of((const char *)data, size));
    while ((what = statsd_next(&r, &item)) != STATSD_END) {
        must(++n <= size);
        if (what == STATSD_METRIC)
            walk_metric(&item.metric, data, size);
        else if (what == STATSD_EVENT)
            must(inside(item.event.title, data, size) && inside(item.event.text, data, size) &&
                 inside(item.event.tags, data, size));
        else if (what == STATSD_CHECK)
            must(inside(item.check.name, data, size) && inside(item.check.message, data, size) &&
                 item.check.status <= 3);
        else
            must(item.bad > STATSD_FINE && item.bad < STATSD_BAD_N);
    }
    return 0;
}
