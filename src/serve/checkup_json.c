#include "serve/checkup_json.h"
#include "serve/member.h"

#include <math.h>

static void put_uptime(struct json_writer *w, const struct checkup_view *v)
{
    static const char *const NAMES[CHECKUP_WINDOWS] = {"day", "week", "month"};
    json_key(w, STR("uptime"));
    json_begin_object(w);
    for (size_t i = 0; i < CHECKUP_WINDOWS; i++) {
        json_key(w, str_c(NAMES[i]));
        json_number(w, v->uptime[i]); /* null where it is not known */
    }
    json_end_object(w);
}

static void put_figures(struct json_writer *w, const struct checkup_view *v)
{
    json_key(w, STR("figures"));
    json_begin_array(w);
    for (size_t i = 0; i < v->figures_n; i++) {
        json_begin_object(w);
        member_text(w, "label", str_c(v->figures[i].label));
        if (v->figures[i].unit[0] != '\0')
            member_text(w, "unit", str_c(v->figures[i].unit));
        json_key(w, STR("value"));
        json_number(w, v->figures[i].value);
        json_end_object(w);
    }
    json_end_array(w);
}

void checkup_json_put(struct json_writer *w, const struct checkup_view *v, bool whole)
{
    static const char *const ORIGINS[] = {"configuration", "api", "registered"};
    const struct checkup_settings *s = &v->settings;
    json_begin_object(w);
    member_text(w, "name", str_c(s->name));
    member_text(w, "kind", str_c(s->kind));
    member_text(w, "group", str_c(s->group));
    if (s->description[0] != '\0')
        member_text(w, "description", str_c(s->description));
    member_text(w, "status", str_c(checkup_word(v->state)));
    member_text(w, "message", v->message);
    if (v->because.n > 0)
        member_text(w, "because", v->because);
    member_text(w, "last", str_c(checkup_word(v->last)));
    member_time(w, "since_ms", v->since_ms);
    member_time(w, "time_ms", v->last_ms);
    json_key(w, STR("duration_seconds"));
    json_number(w, v->ever ? v->duration_s : (double)NAN);
    json_key(w, STR("required"));
    json_bool(w, s->required);
    json_key(w, STR("maintenance"));
    json_bool(w, v->maintenance);
    json_key(w, STR("running"));
    json_bool(w, v->running);
    json_key(w, STR("runs"));
    json_u64(w, v->runs);
    json_key(w, STR("failures"));
    json_u64(w, v->failures);
    if (v->expires_ms != 0)
        member_time(w, "expires_ms", v->expires_ms);
    put_uptime(w, v);
    put_figures(w, v);
    member_text(w, "origin", str_c(ORIGINS[v->origin]));
    if (whole) {
        json_key(w, STR("settings"));
        json_begin_object(w);
        checkup_settings_write(&checkup_settings_options, s, true, w);
        json_end_object(w);
    }
    json_end_object(w);
}

void checkup_json_sum(struct json_writer *w, const struct standing_sum *s)
{
    int64_t up = s->in[HEALTH_OK] + s->in[HEALTH_DEGRADED], down = s->in[HEALTH_UNHEALTHY];
    for (int i = 0; i < STANDING_STATES; i++) {
        json_key(w, str_c(checkup_word((enum health_state)i)));
        json_number(w, (double)s->in[i] / 1000);
    }
    json_key(w, STR("maintenance"));
    json_number(w, (double)s->maintenance / 1000);
    json_key(w, STR("uptime"));
    json_number(w, up + down > 0 ? (double)up / (double)(up + down) : (double)NAN);
}
