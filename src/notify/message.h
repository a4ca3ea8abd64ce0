/* notify/message.h - what is told to a receiver: a group of alerts, and why it is told now.
 *
 * A message is decided by alert/, waits in the queue (notify/outbox.h) as JSON, and is put into the
 * receiver's own words by its notifier when it is sent. Its id stays the same over all attempts and
 * restarts: receivers that know deduplication get it as their key.
 *
 * Flow:    alert -> message -> message_encode() -> queue -> message_decode() -> notifier
 * Threads: pure functions.
 */
#ifndef NOTIFY_MESSAGE_H
#define NOTIFY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json.h"

enum message_reason {
    MESSAGE_FIRST,        /* the group is told for the first time */
    MESSAGE_NEW_ALERTS,   /* alerts fire that were not told */
    MESSAGE_ALL_RESOLVED, /* everything is over */
    MESSAGE_NEW_RESOLVED, /* some of it is over */
    MESSAGE_REPEAT,       /* nothing changed; the repeat interval is over */
    MESSAGE_ESCALATION,   /* nobody has acknowledged it */
    MESSAGE_TEST,         /* somebody asked for a test */
};

/* "first notification", "new alerts in group", "all alerts resolved", "new resolved alerts",
 * "repeat interval elapsed", as Alertmanager has them; "not acknowledged", "test". */
const char *message_reason_text(enum message_reason r);

struct message_alert {
    struct str labels;          /* canonical key without __name__ (model/labels.h) */
    struct str annotations;     /* names and values in the form of a key */
    int64_t starts_ms, ends_ms; /* ends_ms 0: not known */
    bool resolved;
    struct str generator_url;
    uint64_t fingerprint; /* message_fingerprint(labels) */
};

struct message {
    struct str id;        /* text without spaces, at most 100 bytes */
    struct str receiver;  /* its name in the configuration */
    struct str kind;      /* of the integration: "slack" */
    uint32_t index;       /* which of the receiver's integrations of that kind, from 0 */
    struct str group_key; /* Alertmanager's: {}/{team="x"}:{alertname="y"} */
    struct str group_labels, route_labels; /* keys */
    enum message_reason reason;
    const struct message_alert *alerts; /* [n] */
    size_t n;
    uint64_t truncated;      /* alerts that were left out */
    int64_t time_ms;         /* when it was decided */
    struct str external_url; /* of this daemon's page, without a slash at the end */
    /* What changed around the failure (incident/), as plain lines for people; "" where nothing is
     * known. */
    struct str context;
};

/* Does any alert fire? */
bool message_firing(const struct message *m);

/* What all its alerts have in common, as a key; memory from a. */
struct str message_common_labels(const struct message *m, struct arena *a);
struct str message_common_annotations(const struct message *m, struct arena *a);

/* Alertmanager's fingerprint of a label set: 64-bit FNV-1a over name, 0xff, value, 0xff, sorted by
 * name. */
uint64_t message_fingerprint(struct str labels);

/* "name": text; and "name": {..} of a key. */
void message_put_text(struct json_writer *w, const char *name, struct str text);
void message_put_key(struct json_writer *w, const char *name, struct str key);

void message_encode(const struct message *m, struct buf *out);

/* Texts are from a. -ERR_FORMAT where it is none. */
MUST_USE int message_decode(struct str json, struct arena *a, struct message *ret, struct why *why);

#endif
