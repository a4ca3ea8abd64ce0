#include "os/watch.h"

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"

struct watch {
    uv_poll_t uv;
    void (*f)(void *context, unsigned events);
    void *context;
    unsigned events; /* asked for */
};

static void on_event(uv_poll_t *uv, int status, int events)
{
    struct watch *w = uv->data;
    unsigned now = status < 0 ? WATCH_READ | WATCH_WRITE : 0;
    if (events & UV_READABLE)
        now |= WATCH_READ;
    if (events & UV_WRITABLE)
        now |= WATCH_WRITE;
    if (status < 0)
        w->events = 0; /* libuv has stopped waiting */
    w->f(w->context, now);
}

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

int watch_new(struct loop *l, int fd, void (*f)(void *context, unsigned events), void *context,
              struct watch **ret)
{
    struct watch *w = mem_new(sizeof *w);
    int err = uv_poll_init(&l->uv, &w->uv, fd);
    if (err) {
        mem_free(w);
        return -err_of_errno(-err);
    }
    w->uv.data = w;
    w->f = f;
    w->context = context;
    *ret = w;
    return 0;
}

void watch_set(struct watch *w, unsigned events)
{
    if (events == w->events)
        return;
    w->events = events;
    int wanted = (events & WATCH_READ ? UV_READABLE : 0) | (events & WATCH_WRITE ? UV_WRITABLE : 0);
    must(uv_poll_start(&w->uv, wanted, on_event) == 0);
}

unsigned watch_events(const struct watch *w)
{
    return w->events;
}

void watch_free(struct watch *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->uv, on_close);
}
