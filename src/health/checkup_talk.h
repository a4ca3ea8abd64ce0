/* health/checkup_talk.h - checks that are a conversation over a connection: what such kinds share.
 *
 * A kind gives a step (health/probe/prober.h) and a judgement of what it ended with.
 *
 * Threads: the engine's loop.
 */
#ifndef HEALTH_CHECKUP_TALK_H
#define HEALTH_CHECKUP_TALK_H

#include "health/checkup_kind.h"

struct checkup_talk {
    const struct checkup_settings *settings;
    struct prober_probe *probe;
    struct checkup_result *result; /* while it is asked: a step may put figures and a message */
    checkup_done_f *done;
    void *context;
    bool said; /* the step has judged by itself */
    void *own; /* of the kind; freed by mem_free() */
};

/* step gets the struct checkup_talk as its context. */
MUST_USE int checkup_talk_open(const struct checkup_host *host, const struct checkup_settings *s,
                               int (*step)(void *talk, bool first, struct str received,
                                           struct buf *send, struct why *why),
                               size_t own_size, void **ret, struct why *why);
void checkup_talk_start(void *state, struct checkup_result *ret, checkup_done_f *done,
                        void *context);
void checkup_talk_close(void *state);

#endif
