#include "serve/gpu_api.h"

#include "base/vec.h"
#include "codec/exposition_line.h"
#include "serve/serve_state.h"
#include "text/json.h"

enum { ANSWER_MAX = 8 << 20 };

#define PREFIX  STR("sonde_gpu_")
#define SESSION STR("encoder_session_") /* names of a session's metrics go on */
#define PROCESS STR("process_memory_bytes")

/* One series of a card. */
struct value {
    struct str name; /* without the prefix */
    struct str gpu;
    struct label *labels; /* [labels_n] beside gpu */
    size_t labels_n;
    double value;
};

struct gathering {
    struct arena *a;
    struct value *v; /* [n] */
    size_t n, capacity;
};

static void gather(void *context, const struct serve_row *row)
{
    struct gathering *g = context;
    struct exposition_line line;
    struct value v = {.value = row->value};
    if (!str_starts(row->text, PREFIX))
        return;
    struct str text = arena_printf(g->a, STR_FMT " 0", STR_ARG(row->text));
    if (exposition_line_read(text, EXPOSITION_TEXT, false, g->a, &line) != NULL ||
        line.type != EXPOSITION_LINE_SAMPLE)
        return;
    v.name = arena_str(g->a, str_sub(line.name, PREFIX.n, line.name.n));
    v.labels = arena_array(g->a, line.labels_n + 1, sizeof *v.labels);
    for (size_t i = 0; i < line.labels_n; i++) {
        struct label l = {arena_str(g->a, line.labels[i].name),
                          arena_str(g->a, line.labels[i].value)};
        if (str_eq(l.name, STR("gpu")))
            v.gpu = l.value;
        else
            v.labels[v.labels_n++] = l;
    }
    vec_push(g, v);
}

static void put_labels(struct json_writer *w, const struct value *v)
{
    for (size_t i = 0; i < v->labels_n; i++) {
        json_key(w, v->labels[i].name);
        json_text(w, v->labels[i].value);
    }
}

static bool is_detail(const struct value *v)
{
    return str_starts(v->name, SESSION) || str_eq(v->name, PROCESS) || str_eq(v->name, STR("info"));
}

/* Values that have no label are numbers, those of a family with one are an object of them. */
static void put_values(struct json_writer *w, const struct gathering *g, struct str gpu)
{
    struct str open = STR("");
    json_key(w, STR("values"));
    json_begin_object(w);
    for (size_t i = 0; i < g->n; i++) {
        const struct value *v = &g->v[i];
        if (!str_eq(v->gpu, gpu) || is_detail(v))
            continue;
        if (open.n && !str_eq(open, v->name)) {
            json_end_object(w);
            open = STR("");
        }
        if (v->labels_n == 0) {
            json_key(w, v->name);
            json_number(w, v->value);
            continue;
        }
        if (open.n == 0) {
            json_key(w, v->name);
            json_begin_object(w);
            open = v->name;
        }
        json_key(w, v->labels[0].value);
        json_number(w, v->value);
    }
    if (open.n)
        json_end_object(w);
    json_end_object(w);
}

static bool same_labels(const struct value *a, const struct value *b)
{
    for (size_t i = 0; i < a->labels_n; i++)
        if (i >= b->labels_n || !str_eq(a->labels[i].value, b->labels[i].value))
            return false;
    return a->labels_n == b->labels_n;
}

/* A session has several metrics: the first one leads to the others. */
static void put_sessions(struct json_writer *w, const struct gathering *g, struct str gpu)
{
    struct str first = STR("");
    json_key(w, STR("sessions"));
    json_begin_array(w);
    for (size_t i = 0; i < g->n; i++) {
        const struct value *v = &g->v[i];
        if (!str_eq(v->gpu, gpu) || !str_starts(v->name, SESSION) ||
            (first.n && !str_eq(first, v->name)))
            continue;
        first = v->name;
        json_begin_object(w);
        put_labels(w, v);
        for (size_t k = i; k < g->n; k++)
            if (str_eq(g->v[k].gpu, gpu) && str_starts(g->v[k].name, SESSION) &&
                same_labels(&g->v[k], v)) {
                json_key(w, str_sub(g->v[k].name, SESSION.n, g->v[k].name.n));
                json_number(w, g->v[k].value);
            }
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_processes(struct json_writer *w, const struct gathering *g, struct str gpu)
{
    json_key(w, STR("processes"));
    json_begin_array(w);
    for (size_t i = 0; i < g->n; i++) {
        if (!str_eq(g->v[i].gpu, gpu) || !str_eq(g->v[i].name, PROCESS))
            continue;
        json_begin_object(w);
        put_labels(w, &g->v[i]);
        json_key(w, STR("memory_bytes"));
        json_number(w, g->v[i].value);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_card(struct json_writer *w, const struct gathering *g, const struct value *info)
{
    json_begin_object(w);
    json_key(w, STR("gpu"));
    json_text(w, info->gpu);
    put_labels(w, info);
    put_values(w, g, info->gpu);
    put_sessions(w, g, info->gpu);
    put_processes(w, g, info->gpu);
    json_end_object(w);
}

void gpu_api_state(struct http_request *r, void *serve)
{
    struct serve *s = serve;
    struct gathering g = {.a = http_arena(r)};
    struct json_writer w;
    struct buf b;
    if (s->config.source.each != NULL)
        s->config.source.each(s->config.source.context, gather, &g);
    buf_init(&b, ANSWER_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_key(&w, STR("gpus"));
    json_begin_array(&w);
    for (size_t i = 0; i < g.n; i++)
        if (str_eq(g.v[i].name, STR("info")))
            put_card(&w, &g, &g.v[i]);
    json_end_array(&w);
    json_end_object(&w);
    http_reply(r, 200, STR("application/json"), buf_str(&b));
    buf_done(&b);
    vec_free(&g);
}
