/* client/send/http.h - POST requests over libcurl, which is loaded at run time and only when one is
 * made.
 *
 * The multi interface on the worker: nothing waits. Signals are blocked there and CURLOPT_NOSIGNAL
 * is set; descriptors are closed on exec and, by the parent's number, in forked children. OpenSSL
 * cleans up at exit() before what was registered before it was loaded, so the library is shut down
 * by a handler that is registered behind it. libcurl is never unloaded, nor is its global state
 * freed: the host may use it too.
 *
 * Threads: the worker, or whoever stands for it; http_close_in_child(): in a forked child.
 */
#ifndef CLIENT_SEND_HTTP_H
#define CLIENT_SEND_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"

enum { HTTP_HEADERS_MAX = 20, HTTP_VALUE_MAX = 512, HTTP_PROBLEM_MAX = 160, HTTP_BODY_MAX = 4096 };

struct http_post {
    const char *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; NULL at the end */
    const char *body;                      /* [body_n]; lives until done() */
    size_t body_n;
    unsigned timeout_ms;
    /* Once, on the worker; not called after http_stop(). */
    void (*done)(struct http_post *p);
    void *context;
    /* What came: */
    long status; /* 0: no answer, `problem` says why */
    char problem[HTTP_PROBLEM_MAX];
    char retry_after[HTTP_VALUE_MAX], limits[HTTP_VALUE_MAX]; /* headers; "" for none */
    char answer[HTTP_BODY_MAX];                               /* [answer_n], the beginning */
    size_t answer_n;
    /* http.c's own: */
    void *easy, *list;
    char error[256];
};

/* Is there a libcurl? Loads it, by the setting send.curl, at the first call. *ret_problem says what
 * is missing. */
bool http_available(const char **ret_problem);
/* Where the host has an old libcurl already, whose start must not meet its own: on the thread that
 * calls sonde_init(). */
void http_prepare(void);

/* SONDE_ERROR_UNSUPPORTED: no libcurl; SONDE_ERROR_MEMORY. done() is called otherwise. */
int http_send(struct http_post *p);

void http_cancel(struct http_post *p); /* ends it without a word; nothing where it does not run */
void http_stop(void);                  /* when all have been cancelled */
void http_close_in_child(void);        /* closes the descriptors of connections */
void http_fork_child(void);            /* forgets all of libcurl's state that is the parent's */

#endif
