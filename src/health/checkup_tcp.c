/* A port that takes connections, and perhaps says what is expected. */
#include "base/mem.h"
#include "health/checkup_kind.h"
#include "health/checkup_place.h"

struct state {
    struct prober_probe *probe;
    struct checkup_result *result;
    checkup_done_f *done;
    void *context;
};

static void close_state(void *state)
{
    struct state *s = state;
    prober_probe_free(s->probe);
    mem_free(s);
}

static int open_state(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    struct checkup_place place;
    int err = checkup_place_read(str_c(c->address), &place, why);
    if (err != 0)
        return err;
    struct state *s = mem_new(sizeof *s);
    place.place.no_link_local = c->made;
    const struct prober_tcp how = {.place = place.place,
                                   .send = str_c(c->send),
                                   .expect = str_c(c->expect),
                                   .timeout_ms = c->timeout_ms};
    err = prober_tcp_new(host->prober, &how, &s->probe, why);
    if (err != 0)
        close_state(s);
    else
        *ret = s;
    return err;
}

static void on_answer(void *context, const struct prober_answer *a)
{
    struct state *s = context;
    s->result->duration_s = (double)a->duration_ns / 1e9;
    if (a->err != 0)
        checkup_result_say(s->result, HEALTH_UNHEALTHY, "%s", a->why);
    else
        checkup_result_say(s->result, HEALTH_OK, "it takes connections");
    s->done(s->context);
}

static void start(void *state, struct checkup_result *ret, checkup_done_f *done, void *context)
{
    struct state *s = state;
    s->result = ret;
    s->done = done;
    s->context = context;
    prober_ask(s->probe, on_answer, s);
}

const struct checkup_kind checkup_tcp_kind = {
    .name = "tcp", .open = open_state, .start = start, .close = close_state};
