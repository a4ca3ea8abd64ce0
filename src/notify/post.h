/* notify/post.h - an HTTP request to a receiver, and what its answer means for the message.
 *
 * 2xx is told; 408, 429, 5xx and what fails on the way may be tried again; all else never will be
 * taken. What is said about a failure holds no secret.
 *
 * Flow:    a kind's start() -> post_start() -> net/fetch -> s->done()
 * Threads: the outbox's.
 */
#ifndef NOTIFY_POST_H
#define NOTIFY_POST_H

#include "notify/notifier.h"

enum { POST_HEADERS_MAX = 8, POST_SECRETS_MAX = 6 };

struct post_request {
    const char *method; /* NULL: POST */
    struct str url;     /* taken for a secret: addresses of webhooks are */
    const char *headers[POST_HEADERS_MAX];
    size_t headers_n;         /* besides Content-Type and User-Agent */
    const char *content_type; /* NULL: application/json */
    struct str body;          /* from s->arena */
    int64_t timeout_ms;       /* 0: 10 s */
    struct str secrets[POST_SECRETS_MAX];
    /* Looks at an answer before it is judged by its status; true: o is the outcome (its texts from
     * s->arena), or another request was begun (o->err is -ERR_BUSY). NULL: none of it. */
    bool (*judge)(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o);
};

/* Texts of r are from s->arena. May be called again from judge(). */
void post_start(struct notify_send *s, const struct post_request *r);
void post_cancel(struct notify_send *s);

/* Ends s at once, without a request: it can never be sent so. */
void post_refuse(struct notify_send *s, const char *why);

/* text, or what the file says now, without white space around it; from s->arena. False where it
 * cannot be read: s has ended then, to be tried again. */
MUST_USE bool post_secret(struct notify_send *s, struct str text, struct str file, struct str *ret);

/* s, without any of the secrets [n] in it. */
struct str post_scrub(struct str s, const struct str *secrets, size_t n, struct arena *a);

/* Adds "Authorization: Bearer TOKEN", and the token to the secrets. */
void post_bearer(struct notify_send *s, struct post_request *r, struct str token);

/* A header's line from s->arena: "Name: value". */
const char *post_header(struct notify_send *s, const char *name, struct str value);

#endif
