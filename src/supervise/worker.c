#include "supervise/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/str.h"
#include "os/channel.h"
#include "os/child.h"
#include "os/fatal.h"
#include "os/signals.h"
#include "supervise/order.h"

enum { START_TIMEOUT_MS = 5000 /* for the parent's first message */ };

static void take_start(struct worker *w, const struct channel_message *message)
{
    struct str rest = str_of(message->text, message->n), word;
    uint64_t n;
    if (str_split(&rest, ' ', &word) && str_u64(word, &n))
        w->restarts = (unsigned)n;
    snprintf(w->last, sizeof w->last, STR_FMT, STR_ARG(rest));
}

int worker_open(struct worker *w, struct why *why)
{
    static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP};
    *w = (struct worker){.channel = CHILD_CHANNEL_FD, .signals = -1};
    struct channel_message message;
    if (channel_wait(&w->channel, 1, START_TIMEOUT_MS) == 0 ||
        channel_receive(w->channel, &message) != 0 || message.type != ORDER_START)
        return why_set(why, ERR_STATE, "a worker is started by its parent alone");
    take_start(w, &message);
    fatal_install();
    int err = signals_open(SIGNALS, COUNTOF(SIGNALS), &w->signals);
    if (err != 0)
        return why_set(why, (enum err) - err, "signals cannot be waited for");
    return 0;
}

void worker_close(struct worker *w)
{
    channel_close(w->signals);
    channel_close(w->channel);
}

void worker_ready(struct worker *w)
{
    channel_send(w->channel, ORDER_READY, STR(""));
}

void worker_beat(struct worker *w)
{
    /* A parent that does not read for so long that the channel is full needs no beat more. */
    channel_send(w->channel, ORDER_BEAT, STR(""));
}

void worker_ask_reload(const struct worker *w)
{
    /* A channel that is full leaves the asker without an answer, which it waits for with a limit.
     */
    channel_send(w->channel, ORDER_ASK, STR(""));
}

void worker_ask_quit(const struct worker *w)
{
    channel_send(w->channel, ORDER_QUIT, STR(""));
}

static enum worker_order take_message(struct worker *w)
{
    struct channel_message message;
    int err = channel_receive(w->channel, &message);
    if (err == -ERR_CLOSED)
        return WORKER_STOP;
    if (err != 0)
        return WORKER_NOTHING;
    if (message.type == ORDER_RELOAD)
        return WORKER_RELOAD;
    if (message.type == ORDER_PROBLEM) {
        snprintf(w->problem, sizeof w->problem, "%.*s", WHY_MAX - 1, message.text);
        return WORKER_PROBLEM;
    }
    return WORKER_NOTHING;
}

enum worker_order worker_wait(struct worker *w, int64_t timeout_ms)
{
    int fds[] = {w->signals, w->channel};
    unsigned ready = channel_wait(fds, COUNTOF(fds), timeout_ms);
    if (ready & 1) {
        /* The terminal sends SIGINT to both; the parent decides, and says it with SIGTERM. */
        for (int signum; (signum = signals_next(w->signals)) != 0;)
            if (signum == SIGTERM)
                return WORKER_STOP;
    }
    return ready & 2 ? take_message(w) : WORKER_NOTHING;
}
