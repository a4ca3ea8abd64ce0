#include <stdio.h>
#include <unistd.h>

#include "os/channel.h"
#include "os/pipe.h"
#include "watch/engine_inside.h"

static void take(struct engine_unit *u, struct str bytes)
{
    u->output_bytes += bytes.n;
    tail_add(&u->tail, bytes);
    spool_put(u->log, bytes);
    for (struct engine_watcher *w = u->engine->watchers; w; w = w->next)
        if (w->output)
            w->output(w->context, u, bytes);
    if (u->engine->plan->verbosity >= 3) {
        ssize_t shown UNUSED = write(STDERR_FILENO, bytes.p, bytes.n);
    }
}

static void close_stream(struct engine_stream *s)
{
    watch_free(s->watch);
    s->watch = NULL;
    channel_close(s->fd);
    s->fd = -1;
}

static size_t read_stream(struct engine_stream *s)
{
    struct engine *e = s->unit->engine;
    int fd = s->fd;
    size_t n = pipe_read(&fd, e->room, ENGINE_READ_SIZE);
    if (fd < 0) { /* closed by pipe_read(): the watch has to go before anybody gets its number */
        s->fd = -1;
        close_stream(s);
    }
    if (n)
        take(s->unit, str_of(e->room, n));
    return n;
}

static void on_output(void *context, unsigned events)
{
    struct engine_stream *s = context;
    if (events && s->fd >= 0)
        read_stream(s);
}

void engine_output_open(struct engine_unit *u)
{
    for (int i = 0; i < 2; i++) {
        struct engine_stream *s = &u->streams[i];
        if (s->fd < 0)
            continue;
        if (watch_new(u->engine->loop, s->fd, on_output, s, &s->watch) == 0)
            watch_set(s->watch, WATCH_READ);
        else
            close_stream(s);
    }
}

void engine_output_close(struct engine_unit *u, bool drain)
{
    for (int i = 0; i < 2; i++) {
        struct engine_stream *s = &u->streams[i];
        for (int round = 0; drain && s->fd >= 0 && round < ENGINE_READ_ROUNDS; round++)
            if (read_stream(s) == 0)
                break;
        close_stream(s);
    }
}
