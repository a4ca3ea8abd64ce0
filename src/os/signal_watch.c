#include "os/signal_watch.h"

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"

struct signal_watch {
    uv_signal_t uv;
    void (*f)(void *context);
    void *context;
};

static void on_signal(uv_signal_t *uv, int signum)
{
    struct signal_watch *w = uv->data;
    w->f(w->context);
}

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

struct signal_watch *signal_watch_new(struct loop *l, int signum, void (*f)(void *context),
                                      void *context)
{
    struct signal_watch *w = mem_new(sizeof *w);
    must(uv_signal_init(&l->uv, &w->uv) == 0);
    w->uv.data = w;
    w->f = f;
    w->context = context;
    must(uv_signal_start(&w->uv, on_signal, signum) == 0);
    return w;
}

void signal_watch_free(struct signal_watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->uv, on_close);
}
