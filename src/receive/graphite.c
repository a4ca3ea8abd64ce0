#include "receive/graphite.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "codec/pickle.h"
#include "os/loop.h"
#include "os/thread.h"
#include "pack/budget.h"
#include "receive/datagram_thread.h"
#include "receive/graphite_feed.h"

enum {
    ROOM_FIRST = 16 * 1024, /* bytes that a connection reads at once */
    FRESH_MAX = 256 * 1024, /* samples that may wait for the next commit of a lane */
    TICK_MS = 500,          /* between commits of datagrams */
    LISTENERS_MAX = 64,     /* of one loop */
    HEAD = 4,               /* bytes of a pickle's length */
    IN_MAX = PICKLE_BYTES_MAX + HEAD,
};

_Static_assert((int)IN_MAX > (int)GRAPHITE_LINE_MAX, "a connection's memory holds a line");

static const char *const MODULE = "graphite";

#define AT(member) offsetof(struct graphite_settings, member)

static const struct option ROWS[] = {
    {"listen", OPTION_LIST, AT(listen), "", 0, 0, NULL, 0,
     "Addresses for lines over TCP, as 127.0.0.1:2003. None: off."},
    {"listen_udp", OPTION_LIST, AT(listen_udp), "", 0, 0, NULL, 0,
     "Addresses for lines in datagrams, as 127.0.0.1:2003. None: off."},
    {"listen_pickle", OPTION_LIST, AT(listen_pickle), "", 0, 0, NULL, 0,
     "Addresses for pickles over TCP, as 127.0.0.1:2004. None: off."},
    {"names", OPTION_CHOICE, AT(names), "utf8", 0, 0, "utf8|underscores", 0,
     "A path is a name that PromQL writes in quotes, {\"servers.web1.load\"}: keep it (utf8), or "
     "write _ for every character that a plain name cannot have."},
    {"templates", OPTION_LIST, AT(templates), "", 0, 0, NULL, 0,
     "How paths without tags are taken apart, each \"FILTER TEMPLATE LABELS\" as in \"servers.* "
     ".host.measurement* site=a\": the first whose filter fits is used. A part of the template is "
     "measurement (part of the name), measurement* (all that is left), the name of a label, or "
     "empty (left out)."},
    {"connections_max", OPTION_INT, AT(connections_max), "1000", 1, 100000, NULL, 0,
     "Connections at once; the one past it is closed."},
};

const struct option_table graphite_options = {
    "graphite", "Graphite's protocols: lines and pickles.",
    false,      sizeof(struct graphite_settings),
    ROWS,       COUNTOF(ROWS),
};

static struct stat connections =
    STAT_GAUGE("sonde_graphite_connections", "Connections of Graphite's protocols that are open.");
static struct stat pauses = STAT_COUNTER(
    "sonde_graphite_pauses_total", "Times that senders had to wait for the store to keep up.");
static struct stat datagrams =
    STAT_COUNTER("sonde_graphite_datagrams_total", "Datagrams of Graphite's lines.");
static struct stat cut = STAT_COUNTER("sonde_graphite_datagrams_cut_total",
                                      "Datagrams of Graphite's lines that were too long.");
static struct stat dropped =
    STAT_COUNTER("sonde_graphite_datagrams_dropped_total",
                 "Datagrams of Graphite's lines that the kernel dropped, being read too late.");

struct lane {
    struct graphite *all;
    struct loop *loop; /* NULL: of datagrams, or nobody listens */
    struct graphite_feed *feed;
    struct listener *listeners[2 * LISTENERS_MAX];
    size_t listeners_n;
    struct connection *first;
    bool paused;
    bool committing;    /* under the lock */
    uint64_t in_flight; /* samples that the present commit is about */
    int commit_err;
};

struct connection {
    struct lane *lane;
    struct stream *stream;
    struct connection *next, *before;
    bool pickles;
    char *in; /* [capacity], owned */
    size_t n, capacity;
    uint64_t reserved; /* of the budget */
};

/* What a listener is for: its lane and kind. */
struct door {
    struct lane *lane;
    bool pickles;
};

struct graphite {
    struct graphite_shared shared;
    const struct graphite_settings *settings;
    struct graphite_template *templates; /* owned */
    _Atomic int64_t connections_n;
    struct datagram_thread *thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    bool stopped; /* under the lock: nothing is posted to loops any more */
    size_t loops;
    struct lane *lanes; /* [loops + 1], the last one of datagrams */
    struct door *doors; /* [2 * loops] */
};

/* ---- commits */

static void commit(struct lane *l);
static void resume(struct lane *l);

/* The lane's commit is over, on its thread. */
static void settle(void *context)
{
    struct lane *l = context;
    thread_lock(&l->all->lock);
    l->committing = false;
    int err = l->commit_err;
    thread_wake_all(&l->all->idle);
    thread_unlock(&l->all->lock);
    if (err != 0)
        graphite_feed_failed(err, l->in_flight);
    commit(l);
    if (l->paused && l->feed->fresh < FRESH_MAX)
        resume(l);
}

/* On any thread. */
static void committed(void *context, int err)
{
    struct lane *l = context;
    struct graphite *g = l->all;
    thread_lock(&g->lock);
    l->commit_err = err;
    bool post = l->loop != NULL && !g->stopped;
    if (post) {
        loop_post(l->loop, settle, l);
    } else {
        if (err != 0)
            graphite_feed_failed(err, l->in_flight);
        l->committing = false;
        thread_wake_all(&g->idle);
    }
    thread_unlock(&g->lock);
}

/* Begins a commit of what is fresh, where none is on its way. */
static void commit(struct lane *l)
{
    struct sink *sink = l->all->shared.sink;
    thread_lock(&l->all->lock);
    bool begin = !l->committing && l->feed->fresh > 0;
    if (begin) {
        l->committing = true;
        l->in_flight = l->feed->fresh;
        l->feed->fresh = 0;
    }
    thread_unlock(&l->all->lock);
    if (begin)
        sink->ops->commit(sink, l->feed->lane, committed, l);
}

/* ---- connections */

static void close_connection(struct connection *c)
{
    struct lane *l = c->lane;
    if (c->before != NULL)
        c->before->next = c->next;
    else
        l->first = c->next;
    if (c->next != NULL)
        c->next->before = c->before;
    stream_free(c->stream);
    budget_release(c->reserved);
    mem_free(c->in);
    mem_free(c);
    int64_t left = atomic_fetch_sub(&l->all->connections_n, 1) - 1;
    stat_set(&connections, (double)left);
}

static void resume(struct lane *l)
{
    l->paused = false;
    for (struct connection *c = l->first, *next; c != NULL; c = next) {
        next = c->next;
        stream_resume(c->stream);
    }
}

/* Room for wanted bytes in all; false where the budget is spent. */
static bool grow(struct connection *c, size_t wanted)
{
    if (wanted <= c->capacity)
        return true;
    size_t capacity = MAX(wanted, MIN(2 * c->capacity, (size_t)GRAPHITE_LINE_MAX));
    if (budget_reserve(capacity - c->capacity) != 0)
        return false;
    c->reserved += capacity - c->capacity;
    c->in = mem_resize(c->in, capacity);
    c->capacity = capacity;
    return true;
}

/* Gives back what a long pickle took. */
static void shrink(struct connection *c)
{
    if (c->n > 0 || c->capacity <= GRAPHITE_LINE_MAX)
        return;
    budget_release(c->reserved - ROOM_FIRST);
    c->reserved = c->capacity = ROOM_FIRST;
    c->in = mem_resize(c->in, ROOM_FIRST);
}

/* The whole lines that are there. */
static bool take_lines(struct connection *c)
{
    const char *newline = memrchr(c->in, '\n', c->n);
    if (newline != NULL) {
        size_t n = (size_t)(newline - c->in) + 1;
        graphite_feed_lines(c->lane->feed, str_of(c->in, n), stream_peer(c->stream));
        c->n -= n;
        memmove(c->in, c->in + n, c->n);
    }
    if (c->n < c->capacity)
        return true;
    if (c->n < GRAPHITE_LINE_MAX && grow(c, c->n + 1))
        return true;
    log_warn(MODULE, "from %s: a line has more than %zu bytes", stream_peer(c->stream), c->n);
    return false;
}

/* The whole pickles that are there. */
static bool take_pickles(struct connection *c)
{
    struct why why = {0};
    size_t at = 0;
    while (c->n - at >= HEAD) {
        const uint8_t *p = (const uint8_t *)c->in + at;
        size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (n == 0 || n > PICKLE_BYTES_MAX) {
            log_warn(MODULE, "from %s: a pickle of %zu bytes, which is none or too long",
                     stream_peer(c->stream), n);
            return false;
        }
        if (c->n - at < HEAD + n) {
            if (grow(c, HEAD + n))
                break;
            log_warn(MODULE, "from %s: there is no memory for a pickle", stream_peer(c->stream));
            return false;
        }
        int err = graphite_feed_pickle(c->lane->feed, str_of(c->in + at + HEAD, n),
                                       stream_peer(c->stream), &why);
        if (err != 0) {
            log_warn(MODULE, "from %s: %s", stream_peer(c->stream), why.text);
            return false;
        }
        at += HEAD + n;
    }
    c->n -= at;
    if (at > 0)
        memmove(c->in, c->in + at, c->n);
    shrink(c);
    return true;
}

static char *on_room(void *context, size_t *ret_size)
{
    struct connection *c = context;
    if (c->lane->paused)
        return NULL;
    *ret_size = c->capacity - c->n;
    return c->in + c->n;
}

static void on_data(void *context, size_t n)
{
    struct connection *c = context;
    struct lane *l = c->lane;
    c->n += n;
    bool good = c->pickles ? take_pickles(c) : take_lines(c);
    commit(l);
    if (!l->paused && l->feed->fresh >= FRESH_MAX) {
        l->paused = true;
        stat_add(&pauses, 1);
    }
    if (!good)
        close_connection(c);
}

static void on_closed(void *context, int err)
{
    struct connection *c = context;
    struct lane *l = c->lane;
    (void)err; /* the sender is gone: nobody is to be told */
    if (!c->pickles && c->n > 0)
        graphite_feed_lines(l->feed, str_of(c->in, c->n), stream_peer(c->stream));
    close_connection(c);
    commit(l);
}

static const struct stream_events EVENTS = {on_room, on_data, on_closed, NULL};

static void on_accepted(void *context, struct stream *s)
{
    const struct door *door = context;
    struct lane *l = door->lane;
    struct graphite *g = l->all;
    int64_t n = atomic_fetch_add(&g->connections_n, 1) + 1;
    if (n > g->settings->connections_max || budget_reserve(ROOM_FIRST) != 0) {
        atomic_fetch_sub(&g->connections_n, 1);
        log_warn(MODULE, "from %s: closed, as there are too many connections", stream_peer(s));
        stream_free(s);
        return;
    }
    stat_set(&connections, (double)n);
    struct connection *c = mem_new(sizeof *c);
    c->lane = l;
    c->stream = s;
    c->pickles = door->pickles;
    c->reserved = c->capacity = ROOM_FIRST;
    c->in = mem_new(c->capacity);
    c->next = l->first;
    if (l->first != NULL)
        l->first->before = c;
    l->first = c;
    stream_start(s, &EVENTS, c);
}

int graphite_listen(struct graphite *g, struct loop *loop, size_t lane, int fd, bool pickles,
                    struct why *why)
{
    struct lane *l = &g->lanes[lane];
    struct door *door = &g->doors[2 * lane + pickles];
    if (l->listeners_n == COUNTOF(l->listeners))
        return why_set(why, ERR_LIMIT, "graphite: more than %zu addresses", COUNTOF(l->listeners));
    l->loop = loop;
    *door = (struct door){l, pickles};
    int err = listener_open(loop, fd, on_accepted, door, &l->listeners[l->listeners_n]);
    if (err != 0)
        return why_set(why, (enum err) - err, "graphite: a socket cannot be used: %s",
                       err_text(err));
    l->listeners_n++;
    return 0;
}

/* ---- datagrams */

static void take_datagram(void *context, struct str datagram)
{
    struct lane *l = context;
    graphite_feed_lines(l->feed, datagram, "a datagram");
    if (l->feed->fresh >= FRESH_MAX)
        commit(l);
}

static void tick(void *context, int64_t ts_ms)
{
    (void)ts_ms;
    commit(context);
}

static bool step(void *context)
{
    (void)context; /* ticks leave nothing to do */
    return false;
}

static const struct datagram_thread_ops DATAGRAMS = {take_datagram, tick, step};

int graphite_receive(struct graphite *g, const int *fds, size_t n, struct why *why)
{
    if (n == 0)
        return 0;
    const struct datagram_thread_plan plan = {.ops = &DATAGRAMS,
                                              .context = &g->lanes[g->loops],
                                              .name = "graphite",
                                              .interval_ms = TICK_MS,
                                              .clock = g->shared.clock,
                                              .datagrams = &datagrams,
                                              .cut = &cut,
                                              .dropped = &dropped};
    return datagram_thread_start(&plan, fds, n, &g->thread, why);
}

/* ---- beginning and end */

int graphite_settings_check(const struct graphite_settings *s, struct why *why)
{
    struct graphite_template t;
    if (s->templates.n > GRAPHITE_TEMPLATES_MAX)
        return why_set(why, ERR_LIMIT, "graphite.templates: %d at most", GRAPHITE_TEMPLATES_MAX);
    for (size_t i = 0; i < s->templates.n; i++) {
        int err = graphite_template_read(str_c(s->templates.v[i]), &t, why);
        if (err != 0) {
            why_prefix(why, "graphite.templates");
            return err;
        }
    }
    return 0;
}

int graphite_new(const struct graphite_config *config, struct graphite **ret, struct why *why)
{
    const struct graphite_settings *s = config->settings;
    struct tenant *tenant;
    int err = config->sink->ops->tenant(config->sink, STR("default"), &tenant, why);
    if (err == 0)
        err = graphite_settings_check(s, why);
    if (err != 0)
        return err;
    struct graphite *g = mem_new(sizeof *g);
    g->settings = s;
    g->templates = mem_array(s->templates.n + 1, sizeof *g->templates);
    for (size_t i = 0; i < s->templates.n && err == 0; i++)
        err = graphite_template_read(str_c(s->templates.v[i]), &g->templates[i], why);
    g->shared = (struct graphite_shared){
        .sink = config->sink,
        .clock = config->clock,
        .tenant = tenant,
        .plan = {.underscores = s->names[1] == 'n',
                 .templates = g->templates,
                 .templates_n = s->templates.n},
    };
    thread_lock_init(&g->lock);
    thread_cond_init(&g->idle);
    g->loops = config->loops;
    g->lanes = mem_array(g->loops + 1, sizeof *g->lanes);
    g->doors = mem_array(2 * g->loops + 2, sizeof *g->doors);
    for (size_t i = 0; i <= g->loops; i++) {
        g->lanes[i].all = g;
        g->lanes[i].feed = mem_new(sizeof *g->lanes[i].feed);
        graphite_feed_init(g->lanes[i].feed, &g->shared, i < g->loops ? i : config->lane);
    }
    graphite_feed_register();
    stat_register(&connections);
    stat_register(&pauses);
    stat_register(&datagrams);
    stat_register(&cut);
    stat_register(&dropped);
    *ret = g;
    return err;
}

static void close_lane(void *context)
{
    struct lane *l = context;
    for (size_t i = 0; i < l->listeners_n; i++)
        listener_free(l->listeners[i]);
    l->listeners_n = 0;
    while (l->first != NULL)
        close_connection(l->first);
    commit(l);
}

/* Nothing is posted to the loops from now on. */
static void end_background(struct graphite *g)
{
    datagram_thread_stop(g->thread);
    g->thread = NULL;
    thread_lock(&g->lock);
    g->stopped = true;
    thread_unlock(&g->lock);
}

void graphite_stop(struct graphite *g)
{
    if (g == NULL)
        return;
    end_background(g);
    for (size_t i = 0; i < g->loops; i++)
        if (g->lanes[i].loop != NULL)
            loop_post(g->lanes[i].loop, close_lane, &g->lanes[i]);
}

static void wait_idle(struct lane *l)
{
    thread_lock(&l->all->lock);
    while (l->committing)
        thread_wait(&l->all->idle, &l->all->lock);
    thread_unlock(&l->all->lock);
}

void graphite_free(struct graphite *g)
{
    if (g == NULL)
        return;
    end_background(g);
    for (size_t i = 0; i <= g->loops; i++) {
        struct lane *l = &g->lanes[i];
        for (size_t k = 0; k < l->listeners_n; k++) /* of loops that never ran */
            listener_free(l->listeners[k]);
        wait_idle(l);
        commit(l); /* what came while the last one was on its way */
        wait_idle(l);
        graphite_feed_done(l->feed);
        mem_free(l->feed);
    }
    mem_free(g->lanes);
    mem_free(g->doors);
    mem_free(g->templates);
    mem_free(g);
}
