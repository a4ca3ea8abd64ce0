#include "health/checkup_talk.h"

#include "base/mem.h"
#include "health/checkup_place.h"

void checkup_talk_close(void *state)
{
    struct checkup_talk *t = state;
    prober_probe_free(t->probe);
    mem_free(t->own);
    mem_free(t);
}

int checkup_talk_open(const struct checkup_host *host, const struct checkup_settings *s,
                      int (*step)(void *talk, bool first, struct str received, struct buf *send,
                                  struct why *why),
                      size_t own_size, void **ret, struct why *why)
{
    struct checkup_place place;
    int err = checkup_place_read(str_c(s->address), &place, why);
    if (err != 0)
        return err;
    struct checkup_talk *t = mem_new(sizeof *t);
    place.place.no_link_local = s->made;
    t->settings = s;
    t->own = own_size > 0 ? mem_new(own_size) : NULL;
    const struct prober_talk how = {
        .place = place.place, .step = step, .context = t, .timeout_ms = s->timeout_ms};
    err = prober_talk_new(host->prober, &how, &t->probe, why);
    if (err != 0)
        checkup_talk_close(t);
    else
        *ret = t;
    return err;
}

static void on_answer(void *context, const struct prober_answer *a)
{
    struct checkup_talk *t = context;
    t->result->duration_s = (double)a->duration_ns / 1e9;
    if (a->err != 0)
        checkup_result_say(t->result, HEALTH_UNHEALTHY, "%s", a->why);
    else if (!t->said)
        checkup_result_say(t->result, HEALTH_OK, "it answers");
    t->done(t->context);
}

void checkup_talk_start(void *state, struct checkup_result *ret, checkup_done_f *done,
                        void *context)
{
    struct checkup_talk *t = state;
    t->result = ret;
    t->done = done;
    t->context = context;
    t->said = false;
    prober_ask(t->probe, on_answer, t);
}
