/* serve/job.h - a request that is answered by a thread of the pool.
 *
 * The handler reads its parameters on the loop and calls job_start(); work() runs on the pool and
 * leaves status and body; the answer is sent back on the request's loop. Long bodies are packed on
 * the pool, so that no loop spends its time on it.
 *
 * Threads: as said at each member.
 */
#ifndef SERVE_JOB_H
#define SERVE_JOB_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/http.h"
#include "serve/serve_state.h"

enum { JOB_MATCHERS_MAX = 64 };

struct job {
    struct serve *serve;
    struct http_request *request;
    void (*work)(struct job *j); /* pool thread */
    struct arena arena;          /* work's own, freed after the answer */
    struct buf body;
    int status;
    struct str type;       /* Content-Type */
    struct str encoding;   /* Content-Encoding of a body that is packed already; "": it is not */
    struct tenant *tenant; /* NULL: nobody has written under that name */
    int64_t now_ms;
    void *context;               /* the handler's parameters, in the request's arena */
    struct query_ticket *ticket; /* of a query, see query_registry.h; else NULL */
};

/* Takes the request over: X-Scope-OrgID is read here ("default" where missing) and a bad one is
 * refused. Where the pool is full, the answer is 503. */
void job_start(struct serve *s, struct http_request *r, void (*work)(struct job *j), void *context);

/* The parts of job_start(), for those who let jobs wait. Makes the job, or answers the request and
 * gives NULL. */
struct job *job_new(struct serve *s, struct http_request *r, void (*work)(struct job *j),
                    void *context);

/* On a thread of the pool: works and sends the answer. Frees j. */
void job_run(void *job);

/* The same on the request's loop, for work that is done at once. */
void job_run_here(struct job *j);

/* Any thread: sends what is in the body without working. Frees j. */
void job_answer(struct job *j);

/* On a thread of the pool: calls take for every series that how selects of the job's tenant, until
 * it fails or the client is gone. */
MUST_USE int job_each_series(struct job *j, const struct select *how,
                             int (*take)(void *context, const struct series_view *view,
                                         struct why *why),
                             void *context, struct why *why);

/* The name of the request's tenant. */
struct str job_tenant(const struct http_request *r);

#endif
