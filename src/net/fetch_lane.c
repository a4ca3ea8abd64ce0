#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/fetch_state.h"

enum { FD_MAX = 1 << 20 }; /* descriptors that a process may have */

static struct fetch_socket **slot_of(struct fetcher *f, int fd)
{
    must(fd >= 0 && fd < FD_MAX);
    size_t wanted = (size_t)fd + 1;
    if (f->sockets.n < wanted) {
        vec_reserve(&f->sockets, wanted);
        memset(f->sockets.v + f->sockets.n, 0,
               (f->sockets.capacity - f->sockets.n) * sizeof *f->sockets.v);
        f->sockets.n = f->sockets.capacity;
    }
    return &f->sockets.v[fd];
}

void fetch_socket_free(struct fetch_socket *s)
{
    if (s == NULL)
        return;
    watch_free(s->watch);
    mem_free(s);
}

static struct fetch_socket *socket_new(struct fetch_lane *l, int fd, bool kept)
{
    struct fetch_socket *s = mem_new(sizeof *s);
    fetch_socket_free(*slot_of(l->fetcher, fd));
    *s = (struct fetch_socket){.lane = l, .fd = fd, .kept = kept};
    *slot_of(l->fetcher, fd) = s;
    return s;
}

static void socket_free(struct fetch_socket *s)
{
    *slot_of(s->lane->fetcher, s->fd) = NULL;
    fetch_socket_free(s);
}

curl_socket_t fetch_lane_open(void *lane, curlsocktype purpose, struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    if (fd < 0 || fd >= FD_MAX)
        return CURL_SOCKET_BAD;
    socket_new(lane, fd, true);
    return fd;
}

int fetch_lane_close(void *lane, curl_socket_t fd)
{
    struct fetch_lane *l = lane;
    struct fetch_socket *s = *slot_of(l->fetcher, fd);
    if (s)
        socket_free(s);
    return close(fd);
}

/* What was asked for while libcurl could not be called. */
static void settle(struct fetch_lane *l)
{
    while (l->queued) {
        struct fetch *f = l->queued;
        l->queued = f->after;
        if (f->phase == FETCH_QUEUED) {
            fetch_lane_add(l, f);
        } else {
            must(f->phase == FETCH_CANCELED);
            must(curl_multi_remove_handle(l->multi, f->curl) == CURLM_OK);
            l->running--;
            fetch_release(f);
        }
    }
}

/* Ends what has ended. done() may do anything but free the fetcher. */
static void reap(struct fetch_lane *l)
{
    int left;
    settle(l);
    for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result; /* gone with the handle's removal */
        char *private = NULL;
        must(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK);
        struct fetch *f = (struct fetch *)(void *)private;
        must(curl_multi_remove_handle(l->multi, f->curl) == CURLM_OK);
        l->running--;
        fetch_ended(f, code);
    }
}

static void act(struct fetch_lane *l, int fd, int events)
{
    int running;
    l->inside = true;
    (void)curl_multi_socket_action(l->multi, fd, events, &running); /* unknown sockets are fine */
    l->inside = false;
    reap(l);
}

static void on_event(void *context, unsigned events)
{
    struct fetch_socket *s = context;
    if (s->wanted == 0) { /* an idle connection: closed by its server, as libcurl will find */
        watch_set(s->watch, 0);
        return;
    }
    act(s->lane, s->fd,
        (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
            (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *lane, void *unused)
{
    struct fetch_lane *l = lane;
    struct fetch_socket *s = *slot_of(l->fetcher, fd);
    if (what == CURL_POLL_REMOVE) {
        if (s == NULL)
            return 0;
        s->wanted = 0;
        if (!s->kept)
            socket_free(s);
        else if (s->watch && watch_events(s->watch) != WATCH_READ)
            watch_set(s->watch, 0);
        return 0;
    }
    if (s == NULL)
        s = socket_new(l, fd, false);
    s->lane = l;
    s->wanted = (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0);
    if (s->watch == NULL && watch_new(l->fetcher->loop, fd, on_event, s, &s->watch) != 0)
        return -1; /* libcurl gives up */
    watch_set(s->watch, s->wanted);
    return 0;
}

static void on_time(void *lane)
{
    struct fetch_lane *l = lane;
    int64_t now = loop_now_ms(l->fetcher->loop);
    l->armed_ms = -1;
    if (l->due_ms < 0)
        return;
    if (now < l->due_ms) { /* it was put off after the timer had been set */
        l->armed_ms = l->due_ms;
        timer_again(l->timer, l->due_ms - now, 0);
        return;
    }
    l->due_ms = -1;
    act(l, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long ms, void *lane)
{
    struct fetch_lane *l = lane;
    l->due_ms = ms < 0 ? -1 : loop_now_ms(l->fetcher->loop) + ms;
    if (l->due_ms < 0 || (l->armed_ms >= 0 && l->armed_ms <= l->due_ms))
        return 0;
    l->armed_ms = l->due_ms;
    timer_again(l->timer, ms, 0);
    return 0;
}

struct fetch_lane *fetch_lane_new(struct fetcher *fetcher)
{
    struct fetch_lane *l = mem_new(sizeof *l);
    l->fetcher = fetcher;
    l->due_ms = l->armed_ms = -1;
    l->multi = curl_multi_init();
    must(l->multi != NULL);
    l->timer = timer_new(fetcher->loop, 0, 0, on_time, l);
    bool ok = true;
#define SET(option, value) ok = curl_multi_setopt(l->multi, option, value) == CURLM_OK && ok
    SET(CURLMOPT_SOCKETFUNCTION, on_socket);
    SET(CURLMOPT_SOCKETDATA, l);
    SET(CURLMOPT_TIMERFUNCTION, on_timer);
    SET(CURLMOPT_TIMERDATA, l);
    /* Hosts are spread over the lanes by a hash, so unevenly. */
    size_t share = fetcher->limits.connections_max / fetcher->lanes_n;
    SET(CURLMOPT_MAXCONNECTS, (long)(fetcher->lanes_n > 1 ? share + share / 4 : share));
    SET(CURLMOPT_MAX_HOST_CONNECTIONS, (long)fetcher->limits.connections_host_max);
#undef SET
    must(ok);
    return l;
}

void fetch_lane_free(struct fetch_lane *l)
{
    if (l == NULL)
        return;
    must(l->running == 0 && !l->inside && l->queued == NULL);
    must(curl_multi_cleanup(l->multi) == CURLM_OK);
    timer_free(l->timer);
    mem_free(l);
}

static void queue(struct fetch_lane *l, struct fetch *f)
{
    struct fetch **end = &l->queued;
    while (*end)
        end = &(*end)->after;
    f->after = NULL;
    *end = f;
}

void fetch_lane_add(struct fetch_lane *l, struct fetch *f)
{
    if (l->inside) {
        f->phase = FETCH_QUEUED;
        queue(l, f);
        return;
    }
    f->phase = FETCH_RUNNING;
    l->running++;
    must(curl_multi_add_handle(l->multi, f->curl) == CURLM_OK);
}

void fetch_lane_drop(struct fetch_lane *l, struct fetch *f)
{
    if (f->phase == FETCH_QUEUED) {
        struct fetch **at = &l->queued;
        while (*at != f)
            at = &(*at)->after;
        *at = f->after;
        fetch_release(f);
        return;
    }
    must(f->phase == FETCH_RUNNING);
    f->phase = FETCH_CANCELED;
    queue(l, f);
    if (!l->inside)
        settle(l);
}
