#include "os/file_watch.h"

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"

enum {
    QUIET_MS = 50,     /* without a change, before it is told */
    PATIENCE_MS = 1000 /* with changes all the time */
};

struct file_watch {
    uv_fs_event_t uv;
    struct timer *timer; /* runs while a change waits to be told */
    int64_t first_ms;    /* of the changes that wait; 0: none */
    void (*f)(void *context);
    void *context;
};

static void tell(void *context)
{
    struct file_watch *w = context;
    w->first_ms = 0;
    w->f(w->context);
}

static void on_change(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct file_watch *w = uv->data;
    int64_t now = (int64_t)uv_now(uv->loop);
    if (w->first_ms == 0)
        w->first_ms = MAX(now, 1);
    if (now - w->first_ms < PATIENCE_MS)
        timer_again(w->timer, QUIET_MS, 0);
}

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

int file_watch_new(struct loop *l, const char *path, void (*f)(void *context), void *context,
                   struct file_watch **ret, struct why *why)
{
    struct file_watch *w = mem_new(sizeof *w);
    must(uv_fs_event_init(&l->uv, &w->uv) == 0);
    w->uv.data = w;
    w->f = f;
    w->context = context;
    int err = uv_fs_event_start(&w->uv, on_change, path, 0);
    if (err != 0) {
        uv_close((uv_handle_t *)&w->uv, on_close);
        return why_set(why, (enum err)err_of_errno(-err), "%s cannot be watched: %s", path,
                       uv_strerror(err));
    }
    w->timer = timer_new(l, INT32_MAX, 0, tell, w);
    *ret = w;
    return 0;
}

void file_watch_free(struct file_watch *w)
{
    if (!w)
        return;
    timer_free(w->timer);
    uv_close((uv_handle_t *)&w->uv, on_close);
}
