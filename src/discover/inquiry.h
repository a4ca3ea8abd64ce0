/* discover/inquiry.h - a discovery that asks an HTTP API every so often: a round of questions, then
 * all groups at once.
 *
 * A round begins with begin(), which asks; answer() may ask more; when nothing is left to be
 * answered, end() fills the groups and they are told. Any failure ends the round: what was told
 * before stays, and the state says why.
 *
 * Flow:    timer -> begin() -> inquiry_get() -> answer() ... -> end() -> update(), state()
 * Threads: the loop's.
 */
#ifndef DISCOVER_INQUIRY_H
#define DISCOVER_INQUIRY_H

#include "discover/groups.h"
#include "net/fetch.h"

enum {
    INQUIRY_AT_ONCE_MAX = 16,        /* questions on their way */
    INQUIRY_QUESTIONS_MAX = 1 << 20, /* of one round */
};

struct inquiry;

struct inquiry_ops {
    void (*begin)(void *context);
    /* A 200 with its body; -ERR_x ends the round. tag is the question's. */
    int (*answer)(void *context, int tag, void *about, const struct fetch_answer *answer,
                  struct why *why);
    int (*end)(void *context, struct groups *g, struct why *why);
    /* Any answer but a 200: 0 goes on without it. NULL: the round ends. */
    int (*failed)(void *context, int tag, void *about, struct why *why);
};

struct inquiry_plan {
    const struct discovery_host *host;
    const struct fetch_settings *http;
    const char *unix_path; /* of a socket instead of the URLs' host; NULL: none */
    int64_t refresh_ms;    /* of rounds; each question may take as long */
    const struct inquiry_ops *ops;
    void *context;
};

/* plan is copied, but for host and what it points to. */
MUST_USE int inquiry_new(const struct inquiry_plan *plan, struct inquiry **ret, struct why *why);
void inquiry_free(struct inquiry *q); /* NULL is fine */

/* Memory of the round, until the next one begins. */
struct arena *inquiry_arena(struct inquiry *q);

/* Asks, within begin() and answer(). The headers' array lives as long as the round; tag and about
 * come back with the answer. */
void inquiry_get(struct inquiry *q, struct str url, const char *const *headers, size_t headers_n,
                 int tag, void *about);

#endif
