#include "os/timer.h"

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"

struct timer {
    uv_timer_t uv;
    void (*f)(void *context);
    void *context;
};

static void on_time(uv_timer_t *uv)
{
    struct timer *t = uv->data;
    t->f(t->context);
}

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

struct timer *timer_new(struct loop *l, int64_t first_ms, int64_t every_ms,
                        void (*f)(void *context), void *context)
{
    struct timer *t = mem_new(sizeof *t);
    must(uv_timer_init(&l->uv, &t->uv) == 0);
    t->uv.data = t;
    t->f = f;
    t->context = context;
    timer_again(t, first_ms, every_ms);
    return t;
}

void timer_again(struct timer *t, int64_t first_ms, int64_t every_ms)
{
    must(first_ms >= 0 && every_ms >= 0);
    /* The cached time may be old after long work in this round, and would make the wait short. */
    uv_update_time(t->uv.loop);
    must(uv_timer_start(&t->uv, on_time, (uint64_t)first_ms, (uint64_t)every_ms) == 0);
}

void timer_stop(struct timer *t)
{
    must(uv_timer_stop(&t->uv) == 0);
}

void timer_free(struct timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, on_close);
}
