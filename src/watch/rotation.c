#include "watch/rotation.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "os/relay.h"
#include "watch/haproxy.h"
#include "watch/proxy.h"

enum { TICK_MS = 20, OPEN_AGAIN_MS = 1000, SERVER_MAX = 200 /* bytes */ };

struct instance {
    struct program *program;
    struct haproxy *server; /* NULL: none */
    bool in;
    /* A drain: */
    void (*done)(void *context); /* NULL: it does not drain */
    void *context;
    int64_t begun_ms;
};

struct program {
    struct rotation *rotation;
    char *name, *listen, *socket, *backend;
    uint16_t port;
    int64_t drain_ms, open_ms; /* when the proxy's address was tried last */
    bool warned;
    struct proxy *proxy;
    struct instance *v; /* [n] */
    size_t n;
    struct program *next;
};

struct rotation {
    struct loop *loop;
    struct prober *prober;
    struct timer *timer;
    void (*say)(void *context, const char *program, const char *text);
    void *context;
    struct program *programs;
    struct {
        struct adopted {
            char *address;
            int fd;
        } * v;
        size_t n, capacity;
    } adopted; /* listening sockets of the image before this one */
};

static void say(struct program *p, const char *text)
{
    if (p->rotation->say != NULL)
        p->rotation->say(p->rotation->context, p->name, text);
}

static void on_haproxy(void *context, const char *text)
{
    say(context, text);
}

static struct program *find(const struct rotation *r, const char *name)
{
    struct program *p = r->programs;
    while (p != NULL && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

static struct instance *find_instance(const struct rotation *r, const char *name, size_t i)
{
    struct program *p = find(r, name);
    return p != NULL && i < p->n ? &p->v[i] : NULL;
}

bool rotation_wanted(const struct watch_program *p)
{
    return p->haproxy_backend[0] != '\0' || p->proxy_listen[0] != '\0';
}

/* ---- drains */

static size_t index_of(const struct instance *i)
{
    return (size_t)(i - i->program->v);
}

static bool drained(const struct instance *i)
{
    struct program *p = i->program;
    int64_t age = loop_now_ms(p->rotation->loop) - i->begun_ms;
    if (age >= p->drain_ms)
        return true;
    if (i->server != NULL && haproxy_sessions(i->server) != 0)
        return false;
    /* A connection that was accepted just now may not have been read from yet. */
    return p->proxy == NULL || (age >= RELAY_QUIET_MS && proxy_busy(p->proxy, index_of(i)) == 0);
}

static void open_proxy(struct program *p);

static void on_tick(void *context)
{
    struct rotation *r = context;
    bool more = false;
    for (struct program *p = r->programs; p != NULL; p = p->next) {
        open_proxy(p);
        more = more || (p->listen[0] != '\0' && p->proxy == NULL);
        for (size_t k = 0; k < p->n; k++) {
            struct instance *i = &p->v[k];
            if (i->done == NULL)
                continue;
            if (!drained(i)) {
                more = true;
                continue;
            }
            void (*done)(void *) = i->done;
            i->done = NULL;
            done(i->context);
            if (find(r, p->name) != p) /* done() has brought another plan */
                return;
        }
    }
    if (!more)
        timer_stop(r->timer);
}

static void wake(struct rotation *r)
{
    timer_again(r->timer, TICK_MS, TICK_MS);
}

void rotation_drain(struct rotation *r, const char *program, size_t instance,
                    void (*done)(void *context), void *context)
{
    struct instance *i = find_instance(r, program, instance);
    if (i == NULL) {
        done(context);
        return;
    }
    struct program *p = i->program;
    i->in = false;
    i->done = done;
    i->context = context;
    i->begun_ms = loop_now_ms(r->loop);
    if (i->server != NULL)
        haproxy_want(i->server, HAPROXY_DRAIN);
    if (p->proxy != NULL) {
        proxy_fit(p->proxy, instance, false);
        proxy_move(p->proxy, instance);
    }
    wake(r);
}

void rotation_in(struct rotation *r, const char *program, size_t instance)
{
    struct instance *i = find_instance(r, program, instance);
    if (i == NULL)
        return;
    i->in = true;
    i->done = NULL;
    if (i->server != NULL)
        haproxy_want(i->server, HAPROXY_READY);
    if (i->program->proxy != NULL)
        proxy_fit(i->program->proxy, instance, true);
}

void rotation_out(struct rotation *r, const char *program, size_t instance)
{
    struct instance *i = find_instance(r, program, instance);
    if (i == NULL)
        return;
    i->in = false;
    i->done = NULL;
    if (i->server != NULL)
        haproxy_want(i->server, HAPROXY_MAINT);
    if (i->program->proxy != NULL) {
        proxy_fit(i->program->proxy, instance, false);
        proxy_move(i->program->proxy, instance);
    }
}

void rotation_count(const struct rotation *r, const char *program, size_t instance,
                    uint64_t *ret_now, uint64_t *ret_all)
{
    const struct program *p = find(r, program);
    *ret_now = *ret_all = 0;
    if (p != NULL && p->proxy != NULL)
        proxy_count(p->proxy, instance, ret_now, ret_all);
}

/* ---- the table */

/* A listening socket that came from the image before; -1: none. */
static int take_adopted(struct rotation *r, const char *address)
{
    for (size_t i = 0; i < r->adopted.n; i++) {
        struct adopted *a = &r->adopted.v[i];
        if (a->fd < 0 || strcmp(a->address, address) != 0)
            continue;
        int fd = a->fd;
        a->fd = -1;
        relay_keep(fd, false);
        return fd;
    }
    return -1;
}

static void open_proxy(struct program *p)
{
    int64_t now = loop_now_ms(p->rotation->loop);
    if (p->listen[0] == '\0' || p->proxy != NULL ||
        (p->open_ms != 0 && now - p->open_ms < OPEN_AGAIN_MS))
        return;
    p->open_ms = now;
    int fd = take_adopted(p->rotation, p->listen);
    struct why why = {0};
    if (fd < 0 && relay_listen(str_c(p->listen), &fd, &why) != 0) {
        if (!p->warned)
            say(p, why.text);
        p->warned = true;
        return;
    }
    p->warned = false;
    p->proxy = proxy_new(p->rotation->loop, fd, p->n, p->port);
    for (size_t i = 0; i < p->n; i++)
        proxy_fit(p->proxy, i, p->v[i].in);
}

/* The name of an instance's server: "be" has NAME0 .., "be/srv" has srv0 .. */
static void open_server(struct program *p, size_t at)
{
    char backend[SERVER_MAX], server[SERVER_MAX];
    const char *slash = strchr(p->backend, '/');
    size_t n = slash != NULL ? (size_t)(slash - p->backend) : strlen(p->backend);
    snprintf(backend, sizeof backend, "%.*s", (int)n, p->backend);
    snprintf(server, sizeof server, "%s%zu", slash != NULL ? slash + 1 : p->name, at);
    struct why why = {0};
    if (haproxy_new(p->rotation->loop, p->rotation->prober, p->socket, backend, server, on_haproxy,
                    p, &p->v[at].server, &why) != 0)
        say(p, why.text);
}

static void close_program(struct program *p)
{
    for (size_t i = 0; i < p->n; i++)
        haproxy_free(p->v[i].server);
    proxy_free(p->proxy);
    mem_free(p->v);
    mem_free(p->name);
    mem_free(p->listen);
    mem_free(p->socket);
    mem_free(p->backend);
    mem_free(p);
}

static char *copy(const char *text)
{
    return mem_text(text, strlen(text));
}

/* Takes the proxy and the instances' states of the program that was there before. */
static void inherit(struct program *p, struct program *old)
{
    for (size_t i = 0; i < MIN(p->n, old->n); i++) {
        p->v[i].in = old->v[i].in;
        p->v[i].done = old->v[i].done;
        p->v[i].context = old->v[i].context;
        p->v[i].begun_ms = old->v[i].begun_ms;
        if (p->v[i].server != NULL)
            haproxy_want(p->v[i].server, p->v[i].in             ? HAPROXY_READY
                                         : p->v[i].done != NULL ? HAPROXY_DRAIN
                                                                : HAPROXY_MAINT);
    }
    if (old->proxy == NULL || strcmp(old->listen, p->listen) != 0)
        return;
    p->proxy = old->proxy;
    old->proxy = NULL;
    proxy_set(p->proxy, p->n, p->port);
}

static struct program *make(struct rotation *r, const struct watch_program *from)
{
    struct program *p = mem_new(sizeof *p);
    p->rotation = r;
    p->name = copy(from->name);
    p->listen = copy(from->proxy_listen);
    p->socket = copy(from->haproxy_socket);
    p->backend = copy(from->haproxy_backend);
    p->port = (uint16_t)from->port;
    p->drain_ms = from->drain_ms;
    p->n = (size_t)from->instances;
    p->v = mem_array(p->n + 1, sizeof *p->v);
    for (size_t i = 0; i < p->n; i++) {
        p->v[i].program = p;
        if (p->backend[0] != '\0')
            open_server(p, i);
    }
    return p;
}

static void drop_adopted(struct rotation *r)
{
    for (size_t i = 0; i < r->adopted.n; i++) {
        relay_close(r->adopted.v[i].fd);
        mem_free(r->adopted.v[i].address);
    }
    vec_free(&r->adopted);
}

void rotation_plan(struct rotation *r, const struct watch_plan *plan)
{
    struct program *old = r->programs, *list = NULL;
    for (size_t i = 0; i < plan->n; i++) {
        if (!rotation_wanted(&plan->programs[i]))
            continue;
        struct program *p = make(r, &plan->programs[i]);
        r->programs = old;
        struct program *before = find(r, p->name);
        if (before != NULL)
            inherit(p, before);
        p->next = list;
        list = p;
    }
    while (old != NULL) {
        struct program *next = old->next;
        close_program(old);
        old = next;
    }
    r->programs = list;
    for (struct program *p = list; p != NULL; p = p->next)
        open_proxy(p);
    drop_adopted(r);
    wake(r);
}

/* ---- another image */

void rotation_pause(struct rotation *r, bool paused)
{
    for (struct program *p = r->programs; p != NULL; p = p->next)
        if (p->proxy != NULL)
            proxy_pause(p->proxy, paused);
}

bool rotation_at_work(const struct rotation *r)
{
    for (const struct program *p = r->programs; p != NULL; p = p->next)
        if (p->proxy != NULL && proxy_at_work(p->proxy))
            return true;
    return false;
}

void rotation_keep(struct rotation *r, struct buf *out)
{
    for (struct program *p = r->programs; p != NULL; p = p->next) {
        if (p->proxy == NULL)
            continue;
        relay_keep(proxy_fd(p->proxy), true);
        buf_printf(out, "%s %d\n", p->listen, proxy_fd(p->proxy));
    }
}

void rotation_adopt(struct rotation *r, struct str lines)
{
    struct str line, address, fd;
    while (str_split(&lines, '\n', &line)) {
        uint64_t number;
        if (!str_word(&line, &address) || !str_word(&line, &fd) || !str_u64(fd, &number))
            continue;
        struct adopted a = {mem_text(address.p, address.n), (int)number};
        vec_push(&r->adopted, a);
    }
}

int rotation_new(struct loop *l, void (*say_)(void *context, const char *program, const char *text),
                 void *context, struct rotation **ret)
{
    struct rotation *r = mem_new(sizeof *r);
    int err = prober_new(l, &r->prober);
    if (err != 0) {
        mem_free(r);
        return err;
    }
    r->loop = l;
    r->say = say_;
    r->context = context;
    r->timer = timer_new(l, TICK_MS, TICK_MS, on_tick, r);
    *ret = r;
    return 0;
}

void rotation_free(struct rotation *r)
{
    if (r == NULL)
        return;
    while (r->programs != NULL) {
        struct program *next = r->programs->next;
        close_program(r->programs);
        r->programs = next;
    }
    drop_adopted(r);
    timer_free(r->timer);
    prober_free(r->prober);
    mem_free(r);
}
