#include "serve/status_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "health/checkup.h"
#include "serve/answer.h"
#include "serve/checkup_json.h"
#include "serve/job.h"
#include "serve/serve_state.h"

enum { DAYS = 90 };

static const int64_t DAY_MS = 86400000;

static const char STYLE[] =
    "<style>:root{color-scheme:light dark;--line:#8884;--healthy:#2da44e;--degraded:#d4a017;"
    "--unhealthy:#cf222e;--unknown:#8888}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}h1{font-size:1.6rem;margin:0 0 1rem}h2{font-size:1.1rem;"
    "margin:2rem 0 .5rem}.whole{padding:.8rem 1rem;border-radius:.4rem;color:#fff;"
    "font-weight:600}.healthy{background:var(--healthy)}.degraded{background:var(--degraded)}"
    ".unhealthy{background:var(--unhealthy)}.unknown{background:var(--unknown)}"
    ".check{border-top:1px solid var(--line);padding:.7rem 0}.row{display:flex;gap:.6rem;"
    "align-items:center}.row b{flex:1;font-weight:500;overflow-wrap:anywhere}.dot{width:.8rem;"
    "height:.8rem;border-radius:50%}.bars{display:flex;gap:1px;height:1.6rem;margin:.4rem 0}"
    ".bars i{flex:1;border-radius:1px;background:var(--unknown)}.small{font-size:.8rem;"
    "opacity:.75;display:flex;justify-content:space-between}.note{border-left:4px solid "
    "var(--degraded);padding:.3rem .8rem;margin:.5rem 0}</style>";

struct page {
    struct checkup_settings_page settings;
    struct checkup_view *v; /* [n] those that are public */
    size_t n;
    struct standing_sum (*days)[DAYS]; /* [n] */
    struct checkup_maintenance_view *windows;
    size_t windows_n;
    int64_t end_ms;
};

static void gather(struct job *j, struct page *p)
{
    struct checkup *c = j->serve->config.checkup;
    struct checkup_view *all;
    size_t n;
    checkup_list(c, &j->arena, &all, &n);
    checkup_maintenance_list(c, &j->arena, &p->windows, &p->windows_n);
    p->settings = checkup_page(c);
    p->v = arena_array(&j->arena, n + 1, sizeof *p->v);
    p->end_ms = (j->now_ms / DAY_MS + 1) * DAY_MS;
    p->n = 0;
    for (size_t i = 0; i < n; i++)
        if (all[i].settings.is_public)
            p->v[p->n++] = all[i];
    p->days = arena_array(&j->arena, p->n + 1, sizeof *p->days);
    for (size_t i = 0; i < p->n; i++) /* one that was removed meanwhile stays all zero */
        if (checkup_spent(c, str_c(p->v[i].settings.name), p->end_ms, DAY_MS, DAYS, p->days[i]) !=
            0)
            memset(p->days[i], 0, sizeof p->days[i]);
}

static enum health_state worst_of(const struct page *p)
{
    enum health_state worst = HEALTH_OK;
    for (size_t i = 0; i < p->n; i++) {
        const struct checkup_view *v = &p->v[i];
        enum health_state cap = v->settings.required ? HEALTH_UNHEALTHY : HEALTH_DEGRADED;
        if (v->state != HEALTH_UNKNOWN && !v->maintenance)
            worst = MAX(worst, MIN(v->state, cap));
    }
    return worst;
}

/* ---- HTML */

static void put_html(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<')
            buf_put_str(b, STR("&lt;"));
        else if (c == '>')
            buf_put_str(b, STR("&gt;"));
        else if (c == '&')
            buf_put_str(b, STR("&amp;"));
        else if (c == '"')
            buf_put_str(b, STR("&quot;"));
        else if (c == '\'')
            buf_put_str(b, STR("&#39;"));
        else
            buf_put_c(b, c);
    }
}

static void put_date(struct buf *b, int64_t ms, bool minutes)
{
    char text[64];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &tm);
    if (minutes)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    else
        strftime(text, sizeof text, "%Y-%m-%d", &tm);
    buf_put_str(b, str_c(text));
}

/* The color of a day: what was bad for a minute or more, or a thousandth of what is known. */
static const char *day_word(const struct standing_sum *s, double *ret_up)
{
    int64_t up = s->in[HEALTH_OK] + s->in[HEALTH_DEGRADED], down = s->in[HEALTH_UNHEALTHY];
    *ret_up = up + down > 0 ? (double)up / (double)(up + down) : (double)NAN;
    if (up + down == 0)
        return "unknown";
    if (down * 20 > up + down)
        return "unhealthy";
    return down > 0 || s->in[HEALTH_DEGRADED] * 20 > up ? "degraded" : "healthy";
}

static void put_bars(struct buf *b, const struct page *p, size_t i)
{
    int64_t up = 0, known = 0;
    buf_put_str(b, STR("<div class=bars>"));
    for (int d = 0; d < DAYS; d++) {
        const struct standing_sum *s = &p->days[i][d];
        double ratio;
        const char *word = day_word(s, &ratio);
        up += s->in[HEALTH_OK] + s->in[HEALTH_DEGRADED];
        known += s->in[HEALTH_OK] + s->in[HEALTH_DEGRADED] + s->in[HEALTH_UNHEALTHY];
        buf_printf(b, "<i class=%s title=\"", word);
        put_date(b, p->end_ms - (DAYS - d) * DAY_MS, false);
        if (isnan(ratio))
            buf_put_str(b, STR(": not known"));
        else
            buf_printf(b, ": %.3f %%", ratio * 100);
        buf_put_str(b, STR("\"></i>"));
    }
    buf_put_str(b, STR("</div><div class=small><span>90 days ago</span><span>"));
    if (known > 0)
        buf_printf(b, "%.3f %% up", 100 * (double)up / (double)known);
    buf_put_str(b, STR("</span><span>today</span></div>"));
}

static void put_check(struct buf *b, const struct page *p, size_t i)
{
    const struct checkup_view *v = &p->v[i];
    const char *word = checkup_word(v->state);
    buf_printf(b, "<div class=check><div class=row><span class=\"dot %s\"></span><b>", word);
    put_html(b, str_c(v->settings.name));
    buf_printf(b, "</b><span>%s</span></div>", v->maintenance ? "maintenance" : word);
    if (v->settings.description[0] != '\0') {
        buf_put_str(b, STR("<div class=small>"));
        put_html(b, str_c(v->settings.description));
        buf_put_str(b, STR("</div>"));
    }
    put_bars(b, p, i);
    buf_put_str(b, STR("</div>"));
}

static void put_incidents(struct buf *b, const struct page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct checkup_view *v = &p->v[i];
        if (v->maintenance || (v->state != HEALTH_UNHEALTHY && v->state != HEALTH_DEGRADED))
            continue;
        buf_put_str(b, STR("<p class=note><b>"));
        put_html(b, str_c(v->settings.name));
        buf_printf(b, "</b> has been %s since ", checkup_word(v->state));
        put_date(b, v->since_ms, true);
        buf_put_str(b, STR("</p>"));
    }
    for (size_t i = 0; i < p->windows_n; i++) {
        const struct checkup_maintenance_view *m = &p->windows[i];
        if (!m->active)
            continue;
        buf_put_str(b, STR("<p class=note>Maintenance: "));
        put_html(b, str_c(m->settings.reason[0] ? m->settings.reason : m->settings.name));
        buf_put_str(b, STR("</p>"));
    }
}

static void put_groups(struct buf *b, const struct page *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *group = p->v[i].settings.group;
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(p->v[k].settings.group, group) == 0;
        if (seen)
            continue;
        buf_put_str(b, STR("<section><h2>"));
        put_html(b, group[0] != '\0' ? str_c(group) : STR("Components"));
        buf_put_str(b, STR("</h2>"));
        for (size_t k = i; k < p->n; k++)
            if (strcmp(p->v[k].settings.group, group) == 0)
                put_check(b, p, k);
        buf_put_str(b, STR("</section>"));
    }
}

static void html_work(struct job *j)
{
    static const char *const WHOLE[] = {"All is well", "Some parts are degraded",
                                        "Some parts are down", "Not known"};
    struct page p = {.n = 0};
    gather(j, &p);
    enum health_state worst = worst_of(&p);
    struct buf *b = &j->body;
    j->type = STR("text/html; charset=utf-8");
    buf_put_str(b, STR("<!doctype html><html lang=en><head><meta charset=utf-8><meta "
                       "name=viewport content=\"width=device-width,initial-scale=1\"><meta "
                       "http-equiv=refresh content=60><title>"));
    put_html(b, str_c(p.settings.title));
    buf_put_str(b, STR("</title>"));
    buf_put_str(b, str_c(STYLE));
    buf_put_str(b, STR("</head><body><h1>"));
    put_html(b, str_c(p.settings.title));
    buf_printf(b, "</h1><p class=\"whole %s\">%s</p>", checkup_word(worst), WHOLE[worst]);
    put_incidents(b, &p);
    put_groups(b, &p);
    buf_put_str(b, STR("<p class=small>"));
    put_date(b, j->now_ms, true);
    buf_put_str(b, STR("</p></body></html>\n"));
}

/* ---- JSON */

static void put_public(struct json_writer *w, const struct page *p, size_t i)
{
    const struct checkup_view *v = &p->v[i];
    json_begin_object(w);
    json_key(w, STR("name"));
    json_text(w, str_c(v->settings.name));
    json_key(w, STR("group"));
    json_text(w, str_c(v->settings.group));
    json_key(w, STR("description"));
    json_text(w, str_c(v->settings.description));
    json_key(w, STR("status"));
    json_text(w, str_c(checkup_word(v->state)));
    json_key(w, STR("maintenance"));
    json_bool(w, v->maintenance);
    json_key(w, STR("since_ms"));
    json_i64(w, v->since_ms);
    json_key(w, STR("days"));
    json_begin_array(w);
    for (int d = 0; d < DAYS; d++) {
        double ratio;
        (void)day_word(&p->days[i][d], &ratio);
        json_number(w, ratio);
    }
    json_end_array(w);
    json_end_object(w);
}

static void json_work(struct job *j)
{
    struct page p = {.n = 0};
    struct json_writer w;
    gather(j, &p);
    json_writer_init(&w, &j->body);
    json_begin_object(&w);
    json_key(&w, STR("title"));
    json_text(&w, str_c(p.settings.title));
    json_key(&w, STR("status"));
    json_text(&w, str_c(checkup_word(worst_of(&p))));
    json_key(&w, STR("time_ms"));
    json_i64(&w, j->now_ms);
    json_key(&w, STR("components"));
    json_begin_array(&w);
    for (size_t i = 0; i < p.n; i++)
        put_public(&w, &p, i);
    json_end_array(&w);
    json_key(&w, STR("maintenance"));
    json_begin_array(&w);
    for (size_t i = 0; i < p.windows_n; i++)
        if (p.windows[i].active)
            json_text(&w, str_c(p.windows[i].settings.reason[0] ? p.windows[i].settings.reason
                                                                : p.windows[i].settings.name));
    json_end_array(&w);
    json_end_object(&w);
}

static void start(struct http_request *r, struct serve *s, void (*work)(struct job *j))
{
    if (checkup_page(s->config.checkup).enabled)
        job_start(s, r, work, NULL);
    else
        answer_refuse(r, 404, "not_found",
                      "the status page is off: enabled = true in "
                      "[status_page] serves it");
}

void status_page_html(struct http_request *r, void *serve)
{
    start(r, serve, html_work);
}

void status_page_json(struct http_request *r, void *serve)
{
    start(r, serve, json_work);
}
