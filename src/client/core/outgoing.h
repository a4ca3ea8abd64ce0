/* client/core/outgoing.h - the way out: what modules hand over to be delivered.
 *
 * Implemented by client/send; before that has started (or without it, in tests) what is put is
 * counted as lost. Envelopes are promised: they are on disk before outgoing_put() returns, and
 * leave it when the daemon or the DSN has taken them. Spans and logs are kept in memory up to
 * send.memory_bytes while nobody takes them, then on disk up to the spool's limits, then the oldest
 * are dropped and counted.
 *
 * Threads: the worker (client/core/worker.h), or a thread that flushes while the worker does not
 * run.
 */
#ifndef CLIENT_CORE_OUTGOING_H
#define CLIENT_CORE_OUTGOING_H

#include <stdbool.h>
#include <stdint.h>

#include "client/core/text.h"
#include "client/wire/frame.h"

struct outgoing {
    enum frame_kind kind; /* FRAME_SPANS, FRAME_LOGS, FRAME_ENVELOPE */
    uint32_t items;       /* spans, records, or 1: for counting what is lost */
    const char *category; /* of Sentry's rate limits for envelopes: "error", "session".. */
};

struct outgoing_ops {
    void (*put)(const struct outgoing *what, const struct text *payload); /* copies */
    bool (*idle)(void);      /* any thread: nothing waits that could be delivered now */
    bool (*connected)(void); /* any thread: to a daemon */
};
void outgoing_set(const struct outgoing_ops *ops); /* NULL: none */
void outgoing_put(const struct outgoing *what, const struct text *payload);
bool outgoing_idle(void);
bool outgoing_connected(void);

#endif
