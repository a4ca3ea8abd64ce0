#include "watch/proxy.h"

#include "base/mem.h"
#include "base/must.h"
#include "os/dial.h"
#include "os/relay.h"

enum { ACCEPTS_MAX = 64, AGAIN_MS = 100, NOBODY = -1 };

struct instance {
    bool fit;
    size_t now;
    uint64_t all;
};

/* One client. */
struct passage {
    struct proxy *proxy;
    struct relay *relay;
    struct passage *next, **link;
    int64_t instance; /* or NOBODY */
    int64_t since_ms; /* it waits for an instance; 0: it does not */
    unsigned dials;
};

struct proxy {
    struct loop *loop;
    int fd;
    struct watch *watch;
    struct timer *timer; /* for those that wait */
    uint16_t port;
    struct instance *v; /* [n] */
    size_t n, turn;
    struct passage *passages;
    size_t passages_n;
};

static void leave(struct passage *p)
{
    if (p->instance != NOBODY && (size_t)p->instance < p->proxy->n)
        p->proxy->v[p->instance].now--;
    p->instance = NOBODY;
}

/* The fit instance with the fewest connections, in turn where several have; NOBODY. */
static int64_t choose(struct proxy *p)
{
    int64_t best = NOBODY;
    for (size_t k = 0; k < p->n; k++) {
        size_t i = (p->turn + k) % p->n;
        if (p->v[i].fit && (best == NOBODY || p->v[i].now < p->v[best].now))
            best = (int64_t)i;
    }
    if (best != NOBODY)
        p->turn = (size_t)best + 1;
    return best;
}

static int wait_for_one(struct passage *p)
{
    int64_t now = loop_now_ms(p->proxy->loop);
    if (p->since_ms == 0)
        p->since_ms = now;
    return now - p->since_ms < PROXY_WAIT_MS ? RELAY_LATER : RELAY_NOWHERE;
}

static int on_dial(void *context)
{
    struct passage *p = context;
    leave(p);
    int64_t i = choose(p->proxy);
    if (i == NOBODY || p->dials >= PROXY_DIALS_MAX) {
        p->dials = 0;
        return wait_for_one(p);
    }
    struct dial_addresses a;
    int fd;
    p->dials++;
    must(dial_literal(STR("127.0.0.1"), (uint16_t)(p->proxy->port + i), &a));
    if (dial_open(&a.v[0], &fd) != 0)
        return wait_for_one(p);
    p->instance = i;
    p->proxy->v[i].now++;
    p->proxy->v[i].all++;
    return fd;
}

static void on_failed(void *context)
{
    leave(context);
}

static void drop(struct passage *p)
{
    leave(p);
    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
    p->proxy->passages_n--;
    relay_free(p->relay);
    mem_free(p);
}

static void on_done(void *context)
{
    drop(context);
}

static const struct relay_owner OWNER = {on_dial, on_failed, on_done};

static void take(struct proxy *p, int client)
{
    if (p->passages_n >= PROXY_CONNECTIONS_MAX) {
        relay_close(client);
        return;
    }
    struct passage *passage = mem_new(sizeof *passage);
    passage->proxy = p;
    passage->instance = NOBODY;
    passage->next = p->passages;
    passage->link = &p->passages;
    if (p->passages != NULL)
        p->passages->link = &passage->next;
    p->passages = passage;
    p->passages_n++;
    passage->relay = relay_new(p->loop, client, &OWNER, passage);
}

static void on_connections(void *context, unsigned events)
{
    struct proxy *p = context;
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int client = relay_accept(p->fd);
        if (client < 0)
            return;
        take(p, client);
    }
}

/* Those that wait, and whose dials all failed, are let try again. */
static void on_time(void *context)
{
    struct proxy *p = context;
    for (struct passage *i = p->passages; i != NULL; i = i->next) {
        if (i->since_ms == 0)
            continue;
        if (i->instance != NOBODY)
            i->since_ms = 0; /* it has found one */
        else
            relay_dial(i->relay);
    }
}

struct proxy *proxy_new(struct loop *l, int fd, size_t instances, uint16_t port)
{
    struct proxy *p = mem_new(sizeof *p);
    p->loop = l;
    p->fd = fd;
    proxy_set(p, instances, port);
    must(watch_new(l, fd, on_connections, p, &p->watch) == 0); /* a socket can be watched */
    watch_set(p->watch, WATCH_READ);
    p->timer = timer_new(l, AGAIN_MS, AGAIN_MS, on_time, p);
    return p;
}

void proxy_free(struct proxy *p)
{
    if (p == NULL)
        return;
    while (p->passages != NULL)
        drop(p->passages);
    watch_free(p->watch);
    timer_free(p->timer);
    relay_close(p->fd);
    mem_free(p->v);
    mem_free(p);
}

void proxy_set(struct proxy *p, size_t instances, uint16_t port)
{
    struct instance *v = mem_array(instances + 1, sizeof *v);
    for (size_t i = 0; i < MIN(instances, p->n); i++)
        v[i] = p->v[i];
    for (struct passage *i = p->passages; i != NULL; i = i->next)
        if (i->instance != NOBODY && (size_t)i->instance >= instances)
            i->instance = NOBODY;
    mem_free(p->v);
    p->v = v;
    p->n = instances;
    p->port = port;
}

void proxy_fit(struct proxy *p, size_t instance, bool fit)
{
    if (instance < p->n)
        p->v[instance].fit = fit;
    if (fit)
        on_time(p);
}

void proxy_move(struct proxy *p, size_t instance)
{
    for (struct passage *i = p->passages; i != NULL; i = i->next)
        if (i->instance == (int64_t)instance)
            relay_move(i->relay);
}

size_t proxy_busy(const struct proxy *p, size_t instance)
{
    size_t n = 0;
    for (const struct passage *i = p->passages; i != NULL; i = i->next)
        n += i->instance == (int64_t)instance && relay_busy(i->relay);
    return n;
}

void proxy_count(const struct proxy *p, size_t instance, uint64_t *ret_now, uint64_t *ret_all)
{
    bool there = instance < p->n;
    *ret_now = there ? p->v[instance].now : 0;
    *ret_all = there ? p->v[instance].all : 0;
}

int proxy_fd(const struct proxy *p)
{
    return p->fd;
}

void proxy_pause(struct proxy *p, bool paused)
{
    watch_set(p->watch, paused ? 0 : WATCH_READ);
}

bool proxy_at_work(const struct proxy *p)
{
    for (const struct passage *i = p->passages; i != NULL; i = i->next)
        if (i->since_ms != 0 || relay_busy(i->relay))
            return true;
    return false;
}
