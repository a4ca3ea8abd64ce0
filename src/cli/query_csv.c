#include "cli/query_csv.h"

static void put_field(struct str s, struct buf *out)
{
    bool plain = true;
    for (size_t i = 0; i < s.n && plain; i++)
        plain = s.p[i] != ',' && s.p[i] != '"' && s.p[i] != '\r' && s.p[i] != '\n';
    if (plain) {
        buf_put_str(out, s);
        return;
    }
    buf_put_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_put_c(out, '"');
        buf_put_c(out, s.p[i]);
    }
    buf_put_c(out, '"');
}

static void put_point(const struct query_series *s, const struct query_point *p,
                      const struct str *names, size_t n, struct buf *out)
{
    char time[QUERY_ANSWER_TIME_MAX];
    for (size_t i = 0; i < n; i++) {
        put_field(query_answer_value(s, names[i]), out);
        buf_put_c(out, ',');
    }
    buf_put(out, time, query_answer_time(p->ts_ms, time));
    buf_put_c(out, ',');
    put_field(p->text, out);
    buf_put_str(out, STR("\r\n"));
}

void query_csv(const struct query_answer *answer, struct buf *out)
{
    struct arena a;
    struct str *names;
    size_t n;
    arena_init(&a);
    query_answer_names(answer, &a, &names, &n);
    for (size_t i = 0; i < n; i++) {
        put_field(names[i], out);
        buf_put_c(out, ',');
    }
    buf_put_str(out, STR("time,value\r\n"));
    for (size_t i = 0; i < answer->n; i++)
        for (size_t k = 0; k < answer->series[i].n; k++)
            put_point(&answer->series[i], &answer->series[i].points[k], names, n, out);
    arena_done(&a);
}
