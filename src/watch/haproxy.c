#include "watch/haproxy.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum {
    TIMEOUT_MS = 2000,
    AGAIN_MS = 1000,  /* after a failure */
    DRAINING_MS = 50, /* between two questions while it drains */
    COLUMN_SESSIONS = 4,
    NAME_BYTES = HAPROXY_NAME_MAX / 2,
};

static const char *const WORDS[] = {"", "ready", "drain", "maint"};
/* What HAProxy says when it awaits the next command. */
#define PROMPT "\n> "

struct haproxy {
    struct prober_probe *probe;
    struct timer *timer;
    char backend[NAME_BYTES], server[NAME_BYTES];
    enum haproxy_state wanted, telling, told;
    int64_t sessions;
    bool warned;
    void (*say)(void *context, const char *text);
    void *context;
};

/* ---- what HAProxy says */

static struct str column(struct str line, size_t index)
{
    struct str field = {0};
    for (size_t i = 0; i <= index; i++)
        if (!str_split(&line, ',', &field))
            return (struct str){0};
    return field;
}

int64_t haproxy_read_sessions(struct str csv, const char *backend, const char *server)
{
    struct str line;
    int64_t sessions;
    while (str_split(&csv, '\n', &line))
        if (str_eq(column(line, 0), str_c(backend)) && str_eq(column(line, 1), str_c(server)) &&
            str_i64(column(line, COLUMN_SESSIONS), &sessions))
            return sessions;
    return -1;
}

/* The answer to the index-th command: what stands between two prompts; false: not there yet. */
static bool answer_of(struct str received, size_t index, struct str *ret)
{
    for (size_t i = 0;; i++) {
        size_t end = str_search(received, STR(PROMPT));
        if (end == received.n)
            return false;
        if (i == index) {
            *ret = str_trim(str_sub(received, 0, end));
            return true;
        }
        received = str_sub(received, end + sizeof PROMPT - 1, received.n);
    }
}

static int on_step(void *context, bool first, struct str received, struct buf *send,
                   struct why *why)
{
    struct haproxy *h = context;
    struct str set, stat;
    if (first) {
        h->telling = h->wanted;
        buf_printf(send, "prompt\nset server %s/%s state %s\nshow stat %s 4 -1\n", h->backend,
                   h->server, WORDS[h->telling], h->backend);
        return PROBER_MORE;
    }
    /* The first prompt answers the word itself. */
    if (!answer_of(received, 1, &set) || !answer_of(received, 2, &stat))
        return PROBER_MORE;
    if (set.n > 0)
        return why_set(why, ERR_NOENT, "%s/%s: " STR_FMT, h->backend, h->server,
                       STR_ARG(str_sub(set, 0, str_find(set, '\n'))));
    h->sessions = haproxy_read_sessions(stat, h->backend, h->server);
    h->told = h->telling;
    return PROBER_DONE;
}

/* ---- when it is asked */

static void ask(struct haproxy *h);

static void on_time(void *context)
{
    ask(context);
}

static void on_done(void *context, const struct prober_answer *a)
{
    struct haproxy *h = context;
    if (a->err != 0 && !h->warned && h->say != NULL) {
        char text[PROBER_WHY_MAX + 64];
        snprintf(text, sizeof text, "HAProxy was not told \"%s\": %s", WORDS[h->telling], a->why);
        h->say(h->context, text);
    }
    h->warned = a->err != 0;
    if (a->err != 0)
        timer_again(h->timer, AGAIN_MS, 0);
    else if (h->told != h->wanted)
        timer_again(h->timer, 0, 0);
    else if (h->told == HAPROXY_DRAIN)
        timer_again(h->timer, DRAINING_MS, 0);
}

static void ask(struct haproxy *h)
{
    if (h->wanted != HAPROXY_UNKNOWN && !prober_busy(h->probe))
        prober_ask(h->probe, on_done, h);
}

void haproxy_want(struct haproxy *h, enum haproxy_state state)
{
    if (state == h->wanted)
        return;
    h->wanted = state;
    h->sessions = -1;
    ask(h);
}

int64_t haproxy_sessions(const struct haproxy *h)
{
    return h->told == h->wanted ? h->sessions : -1;
}

bool haproxy_told(const struct haproxy *h)
{
    return h->told == h->wanted;
}

int haproxy_new(struct loop *l, struct prober *prober, const char *socket, const char *backend,
                const char *server, void (*say)(void *context, const char *text), void *context,
                struct haproxy **ret, struct why *why)
{
    struct haproxy *h = mem_new(sizeof *h);
    struct prober_talk talk = {.step = on_step, .context = h, .timeout_ms = TIMEOUT_MS};
    const char *colon = strrchr(socket, ':');
    uint64_t port;
    if (socket[0] != '/' && colon != NULL && str_u64(str_c(colon + 1), &port) &&
        port <= UINT16_MAX) {
        talk.place.host = str_of(socket, (size_t)(colon - socket));
        talk.place.port = (uint16_t)port;
    } else {
        talk.place.unix_path = socket;
    }
    snprintf(h->backend, sizeof h->backend, "%s", backend);
    snprintf(h->server, sizeof h->server, "%s", server);
    h->say = say;
    h->context = context;
    h->sessions = -1;
    int err = prober_talk_new(prober, &talk, &h->probe, why);
    if (err != 0) {
        mem_free(h);
        return err;
    }
    h->timer = timer_new(l, INT32_MAX, 0, on_time, h);
    timer_stop(h->timer);
    *ret = h;
    return 0;
}

void haproxy_free(struct haproxy *h)
{
    if (h == NULL)
        return;
    prober_probe_free(h->probe);
    timer_free(h->timer);
    mem_free(h);
}
