#include "os/stream.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"
#include "os/stream_uv.h"

enum {
    PARTS_MAX = 8,
    PEER_MAX = INET6_ADDRSTRLEN + sizeof "[]:65535",
    LINGER_MS = 1000,
    LINGER_BYTES_MAX = 4 * 1024 * 1024, /* that a client may still send after we said goodbye */
    LINGER_READ = 16 * 1024,
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    const struct stream_events *events;
    void *context;
    bool reading, paused;
    bool ended;  /* the other end sends no more, or the socket failed: closed() was called */
    bool failed; /* nothing can be written any more */
    char peer[PEER_MAX];
    /* After stream_free(): */
    bool freed;
    struct stream *prev, *next; /* in loop.lingering */
    uv_timer_t linger;
    uv_shutdown_t shutdown;
    size_t discarded;
    unsigned handles_open; /* that still have to call back before the memory goes */
};

/* One write that the socket did not take at once. */
struct pending {
    uv_write_t uv;
    void (*release)(void *owner);
    void *owner;
    char bytes[];
};

static struct loop *loop_of(struct stream *s)
{
    /* struct loop begins with its uv_loop_t. */
    return (struct loop *)s->uv.handle.loop;
}

static void set_peer(struct stream *s, bool is_unix)
{
    struct sockaddr_storage a = {0};
    int n = sizeof a;
    char ip[INET6_ADDRSTRLEN];
    if (is_unix || uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&a, &n) != 0) {
        snprintf(s->peer, sizeof s->peer, "%s", is_unix ? "unix" : "unknown");
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        snprintf(s->peer, sizeof s->peer, "[%s]:%u", ip, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(s->peer, sizeof s->peer, "%s:%u", ip, ntohs(in->sin_port));
    }
}

static void on_close_early(uv_handle_t *handle)
{
    mem_free(handle->data);
}

struct stream *stream_accept(uv_stream_t *listening)
{
    struct stream *s = mem_new(sizeof *s);
    bool is_unix = listening->type == UV_NAMED_PIPE;
    if (is_unix)
        must(uv_pipe_init(listening->loop, &s->uv.pipe, 0) == 0);
    else
        must(uv_tcp_init(listening->loop, &s->uv.tcp) == 0);
    s->uv.handle.data = s;
    if (uv_accept(listening, &s->uv.stream) != 0) {
        uv_close(&s->uv.handle, on_close_early);
        return NULL;
    }
    /* Without it small answers would wait for the client's delayed ACK; failing is harmless. */
    if (!is_unix)
        (void)uv_tcp_nodelay(&s->uv.tcp, 1);
    set_peer(s, is_unix);
    return s;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct stream *s = handle->data;
    size_t n = 0;
    char *p = s->paused ? NULL : s->events->room(s->context, &n);
    must(!p || n > 0);
    *ret = (uv_buf_t){.base = p, .len = p ? n : 0};
}

static void on_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = uv->data;
    if (n > 0) {
        s->events->data(s->context, (size_t)n);
    } else if (n == UV_ENOBUFS) {
        stream_pause(s);
    } else if (n < 0) {
        s->ended = true;
        s->failed = n != UV_EOF;
        s->reading = false;
        uv_read_stop(uv);
        s->events->closed(s->context, n == UV_EOF ? -ERR_CLOSED : -err_of_errno((int)-n));
    }
}

void stream_start(struct stream *s, const struct stream_events *events, void *context)
{
    must(events->room && events->data && events->closed);
    s->events = events;
    s->context = context;
    stream_resume(s);
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    if (s->reading)
        uv_read_stop(&s->uv.stream);
    s->reading = false;
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    if (s->reading || s->ended || s->freed)
        return;
    s->reading = true;
    must(uv_read_start(&s->uv.stream, on_room, on_read) == 0);
}

static void on_written(uv_write_t *uv, int status)
{
    struct pending *p = uv->data;
    struct stream *s = uv->handle->data;
    if (p->release)
        p->release(p->owner);
    mem_free(p);
    if (status == 0) {
        if (!s->freed && stream_queued(s) == 0 && s->events && s->events->drained)
            s->events->drained(s->context);
        return;
    }
    s->failed = true;
    if (s->freed || s->ended || !s->events)
        return;
    s->ended = true;
    if (s->reading)
        uv_read_stop(&s->uv.stream);
    s->reading = false;
    s->events->closed(s->context, -err_of_errno(-status));
}

static void queue(struct stream *s, struct pending *p, uv_buf_t bytes)
{
    p->uv.data = p;
    int err = uv_write(&p->uv, &s->uv.stream, &bytes, 1, on_written);
    if (err == 0)
        return;
    s->failed = true;
    if (p->release)
        p->release(p->owner);
    mem_free(p);
}

/* Writes what the socket takes now; 0 or -ERR_CLOSED, *ret_n bytes of the parts. */
static int try_write(struct stream *s, const uv_buf_t *bufs, size_t n, size_t *ret_n)
{
    if (s->failed || s->freed)
        return -ERR_CLOSED;
    int sent = uv_try_write(&s->uv.stream, bufs, (unsigned)n);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0) {
        s->failed = true;
        return -ERR_CLOSED;
    }
    *ret_n = (size_t)sent;
    return 0;
}

int stream_write(struct stream *s, const struct str *parts, size_t n)
{
    must(n <= PARTS_MAX);
    uv_buf_t bufs[PARTS_MAX];
    size_t used = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n == 0)
            continue;
        /* libuv's type has no const; it only reads. */
        bufs[used++] = (uv_buf_t){.base = (char *)(uintptr_t)parts[i].p, .len = parts[i].n};
        total += parts[i].n;
    }
    if (total == 0)
        return s->failed ? -ERR_CLOSED : 0;
    size_t sent = 0;
    int err = try_write(s, bufs, used, &sent);
    if (err || sent == total)
        return err;

    struct pending *p = mem_raw(sizeof *p + total - sent);
    *p = (struct pending){.release = NULL};
    char *to = p->bytes;
    for (size_t i = 0; i < used; i++) {
        size_t skip = MIN(sent, bufs[i].len);
        memcpy(to, bufs[i].base + skip, bufs[i].len - skip);
        to += bufs[i].len - skip;
        sent -= skip;
    }
    queue(s, p, (uv_buf_t){.base = p->bytes, .len = (size_t)(to - p->bytes)});
    return s->failed ? -ERR_CLOSED : 0;
}

int stream_write_shared(struct stream *s, struct str bytes, void (*release)(void *owner),
                        void *owner)
{
    uv_buf_t buf = {.base = (char *)(uintptr_t)bytes.p, .len = bytes.n};
    size_t sent = 0;
    int err = bytes.n ? try_write(s, &buf, 1, &sent) : 0;
    if (err || sent == bytes.n) {
        release(owner);
        return err;
    }
    struct pending *p = mem_new(sizeof *p);
    p->release = release;
    p->owner = owner;
    queue(s, p, (uv_buf_t){.base = buf.base + sent, .len = buf.len - sent});
    return s->failed ? -ERR_CLOSED : 0;
}

size_t stream_queued(const struct stream *s)
{
    return s->uv.stream.write_queue_size;
}

const char *stream_peer(const struct stream *s)
{
    return s->peer;
}

void stream_credentials(const struct stream *s, int64_t *ret_pid, int64_t *ret_uid)
{
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    int fd;
    bool known = uv_fileno(&s->uv.handle, &fd) == 0 &&
                 getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid > 0;
    *ret_pid = known ? peer.pid : 0;
    *ret_uid = known ? (int64_t)peer.uid : -1;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    if (--s->handles_open == 0)
        mem_free(s);
}

/* Closes the handles of a freed stream; libuv fails its pending writes first. */
static void finish(struct stream *s)
{
    struct loop *l = loop_of(s);
    if (uv_is_closing(&s->uv.handle))
        return;
    if (s->prev)
        s->prev->next = s->next;
    else if (l->lingering == s)
        l->lingering = s->next;
    if (s->next)
        s->next->prev = s->prev;
    uv_close(&s->uv.handle, on_handle_closed);
    if (s->handles_open == 2)
        uv_close((uv_handle_t *)&s->linger, on_handle_closed);
}

void stream_abandon(struct stream *s)
{
    finish(s);
}

static void on_linger_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    /* What is read here is thrown away, so that all streams of a thread may share the place. */
    static _Thread_local char scratch[LINGER_READ];
    *ret = (uv_buf_t){.base = scratch, .len = sizeof scratch};
}

static void on_linger_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = uv->data;
    if (n > 0)
        s->discarded += (size_t)n;
    if (n < 0 || s->discarded > LINGER_BYTES_MAX)
        finish(s);
}

static void on_linger_time(uv_timer_t *t)
{
    finish(t->data);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct stream *s = shutdown->handle->data;
    /* Where the other end has already said that it is done, nothing is left to wait for. */
    if (status != 0 || s->ended)
        finish(s);
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    must(!s->freed);
    s->freed = true;
    s->handles_open = 1;
    if (s->failed || (s->ended && stream_queued(s) == 0)) {
        finish(s);
        return;
    }
    /* An answer may still be on its way, and closing a socket with unread bytes would make the
     * kernel reset it: say that we are done, then wait a little for the other end's goodbye. */
    struct loop *l = loop_of(s);
    s->next = l->lingering;
    if (s->next)
        s->next->prev = s;
    l->lingering = s;
    must(uv_timer_init(&l->uv, &s->linger) == 0);
    s->linger.data = s;
    s->handles_open = 2;
    must(uv_timer_start(&s->linger, on_linger_time, LINGER_MS, 0) == 0);
    if (s->reading)
        uv_read_stop(&s->uv.stream);
    s->reading = false;
    if (uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown) != 0) {
        finish(s);
        return;
    }
    if (!s->ended && uv_read_start(&s->uv.stream, on_linger_room, on_linger_read) != 0)
        finish(s);
}
