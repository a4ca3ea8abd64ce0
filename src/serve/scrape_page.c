#include "serve/scrape_page.h"

#include "base/map.h"
#include "base/stat.h"
#include "serve/serve_state.h"
#include "text/number.h"

enum { PAGE_MAX = 256 * 1024 * 1024 };

struct page {
    struct buf *out;
    bool openmetrics;
    struct str family; /* being written */
    struct map own;    /* families of the daemon's own statistics, which come fresh */
};

/* ---- which format */

static bool quality(struct str parameters, double *ret)
{
    struct str one;
    *ret = 1;
    while (str_split(&parameters, ';', &one)) {
        one = str_trim(one);
        if (str_starts(one, STR("q=")))
            return number_parse(str_sub(one, 2, one.n), ret) == 0;
    }
    return true;
}

bool scrape_page_openmetrics(struct str accept)
{
    double open = 0, text = 0, q;
    struct str one;
    while (str_split(&accept, ',', &one)) {
        one = str_trim(one);
        size_t end = str_find(one, ';');
        struct str type = str_trim(str_sub(one, 0, end));
        if (!quality(str_sub(one, MIN(end + 1, one.n), one.n), &q))
            continue;
        if (str_eq(type, STR("application/openmetrics-text")))
            open = MAX(open, q);
        else if (str_eq(type, STR("text/plain")))
            text = MAX(text, q);
    }
    return open > 0 && open >= text;
}

/* ---- writing */

static void put_escaped(struct buf *b, struct str s, bool quotes)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c != '\\' && c != '\n' && !(quotes && c == '"'))
            continue;
        buf_put(b, s.p + from, i - from);
        buf_put_c(b, '\\');
        buf_put_c(b, c == '\n' ? 'n' : c);
        from = i + 1;
    }
    buf_put(b, s.p + from, s.n - from);
}

/* The word of a type; OpenMetrics demands _total of a counter, so one without it is unknown. */
static struct str type_word(const struct page *p, enum metric_type type, struct str family)
{
    switch (type) {
    case METRIC_COUNTER:
        if (p->openmetrics && !str_ends(family, STR("_total")))
            return STR("unknown");
        return STR("counter");
    case METRIC_HISTOGRAM:
        return STR("histogram");
    case METRIC_SUMMARY:
        return STR("summary");
    case METRIC_UNKNOWN:
        return p->openmetrics ? STR("unknown") : STR("untyped");
    case METRIC_GAUGEHISTOGRAM:
        return p->openmetrics ? STR("gaugehistogram") : STR("untyped");
    case METRIC_GAUGE:
    case METRIC_INFO:
    case METRIC_STATESET:
        break;
    }
    /* Our info and state series are plain gauges by name, which both formats allow. */
    return STR("gauge");
}

static void put_header(struct page *p, struct str family, enum metric_type type, struct str help)
{
    struct str name = family;
    if (p->openmetrics && type == METRIC_COUNTER && str_ends(family, STR("_total")))
        name.n -= 6;
    buf_put_str(p->out, STR("# HELP "));
    buf_put_str(p->out, name);
    buf_put_c(p->out, ' ');
    put_escaped(p->out, help, p->openmetrics);
    buf_put_str(p->out, STR("\n# TYPE "));
    buf_put_str(p->out, name);
    buf_put_c(p->out, ' ');
    buf_put_str(p->out, type_word(p, type, family));
    buf_put_c(p->out, '\n');
}

static void put_value(struct buf *b, double v)
{
    char *p = buf_reserve(b, NUMBER_MAX + 2);
    if (!p)
        return;
    p[0] = ' ';
    size_t n = number_format_exposition(v, p + 1);
    p[n + 1] = '\n';
    buf_commit(b, n + 2);
}

static void put_row(void *context, const struct serve_row *row)
{
    struct page *p = context;
    if (str_starts(row->family, STR("sonde_")) && map_get(&p->own, row->family))
        return;
    if (!str_eq(row->family, p->family)) {
        p->family = row->family;
        put_header(p, row->family, row->type, row->help);
    }
    buf_put_str(p->out, row->text);
    put_value(p->out, row->value);
}

static enum metric_type own_type(enum stat_type type)
{
    if (type == STAT_TYPE_COUNTER)
        return METRIC_COUNTER;
    return type == STAT_TYPE_HISTOGRAM ? METRIC_HISTOGRAM : METRIC_GAUGE;
}

static void put_own(void *context, const struct stat_sample *s)
{
    struct page *p = context;
    struct str family = str_c(s->family), labels = str_c(s->labels), le = str_c(s->le);
    if (!str_eq(family, p->family)) {
        p->family = family;
        put_header(p, family, own_type(s->type), str_c(s->help));
    }
    buf_put_str(p->out, family);
    buf_put_str(p->out, str_c(s->suffix));
    if (labels.n || le.n) {
        buf_put_c(p->out, '{');
        buf_put_str(p->out, labels);
        if (labels.n && le.n)
            buf_put_c(p->out, ',');
        if (le.n) {
            buf_put_str(p->out, STR("le=\""));
            buf_put_str(p->out, le);
            buf_put_c(p->out, '"');
        }
        buf_put_c(p->out, '}');
    }
    put_value(p->out, s->value);
}

static void note_own(void *context, const struct stat_sample *s)
{
    struct page *p = context;
    struct str family = str_c(s->family);
    if (str_eq(family, p->family))
        return;
    p->family = family;
    (void)map_put(&p->own, family, NULL);
}

void scrape_page_write(const struct serve_source *source, bool openmetrics, struct buf *out)
{
    struct page p = {.out = out, .openmetrics = openmetrics};
    map_init(&p.own, 0);
    stat_each(note_own, &p);
    p.family = STR("");
    if (source->each)
        source->each(source->context, put_row, &p);
    p.family = STR("");
    stat_each(put_own, &p);
    if (openmetrics)
        buf_put_str(out, STR("# EOF\n"));
    map_done(&p.own);
}

void scrape_page_handle(struct http_request *r, void *serve)
{
    const struct serve *s = serve;
    bool openmetrics = scrape_page_openmetrics(http_header(r, STR("Accept")));
    struct buf b;
    buf_init(&b, PAGE_MAX);
    scrape_page_write(&s->config.source, openmetrics, &b);
    if (buf_failed(&b))
        http_reply_error(r, 500, -ERR_LIMIT, "the metrics are larger than 256 MiB");
    else
        http_reply(r, 200,
                   openmetrics ? STR("application/openmetrics-text; version=1.0.0; charset=utf-8")
                               : STR("text/plain; version=0.0.4; charset=utf-8"),
                   buf_str(&b));
    buf_done(&b);
}
