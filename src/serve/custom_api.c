#include "serve/custom_api.h"

#include "custom/custom.h"
#include "serve/answer.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { ANSWER_MAX = 8 << 20 };

static void put_row(void *context, const struct custom_view *v)
{
    struct json_writer *w = context;
    char date[ANSWER_DATE_MAX];
    json_begin_object(w);
    json_key(w, STR("kind"));
    json_text(w, str_c(v->kind));
    json_key(w, STR("name"));
    json_text(w, str_c(v->name));
    json_key(w, STR("interval_ms"));
    json_i64(w, v->interval_ms);
    json_key(w, STR("state"));
    json_text(w, v->runs == 0 ? STR("waiting") : v->up ? STR("up") : STR("down"));
    json_key(w, STR("running"));
    json_bool(w, v->busy);
    json_key(w, STR("last_run"));
    if (v->last_ms == 0)
        json_null(w);
    else
        json_text(w, answer_date(v->last_ms, date));
    json_key(w, STR("duration_seconds"));
    json_number(w, v->duration_s);
    json_key(w, STR("error"));
    json_text(w, str_c(v->text));
    json_key(w, STR("series"));
    json_u64(w, v->series);
    json_key(w, STR("runs"));
    json_u64(w, v->runs);
    json_key(w, STR("failures"));
    json_u64(w, v->failures);
    json_key(w, STR("missed"));
    json_u64(w, v->missed);
    json_end_object(w);
}

void custom_api_list(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct json_writer w;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("custom"));
    json_begin_array(&w);
    custom_each(s->config.custom, put_row, &w);
    json_end_array(&w);
    json_end_object(&w);
    http_reply(r, 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
}
