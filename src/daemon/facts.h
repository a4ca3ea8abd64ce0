/* daemon/facts.h - what the status endpoints tell of the configuration, under Prometheus's names.
 *
 * A picture is drawn whenever a configuration is taken over, so that who asks reads no
 * configuration that is just being replaced.
 *
 * Flow:    configuration -> facts_draw() -> picture -> facts_copy() -> serve
 * Threads: facts_draw() by one; facts_copy() from any.
 */
#ifndef DAEMON_FACTS_H
#define DAEMON_FACTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/config.h"
#include "serve/serve.h"

struct facts {
    pthread_mutex_t lock;
    struct arena arena; /* of the picture */
    struct serve_facts picture;
    char problem[WHY_MAX]; /* of the last reload */
    atomic_ullong damage;  /* warnings of the store */
};

void facts_init(struct facts *f);
void facts_done(struct facts *f);

/* The configuration (file is its name) is in force from now on. */
void facts_draw(struct facts *f, const struct config *config, const char *file, int64_t now_ms);

/* How the last reload went: "" where it went well. */
void facts_problem(struct facts *f, const char *problem);

/* serve_daemon.facts, with a struct facts as its context. */
void facts_copy(void *facts, struct arena *a, struct serve_facts *ret);

#endif
