/* client/error/error_thread.h - what each thread has of its own here: tags, its request's session.
 *
 * Threads: the thread's own.
 */
#ifndef CLIENT_ERROR_ERROR_THREAD_H
#define CLIENT_ERROR_ERROR_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ERROR_THREAD_TAGS_MAX = 16, ERROR_TAG_KEY_MAX = 48, ERROR_TAG_VALUE_MAX = 208 };

struct error_tag {
    char key[ERROR_TAG_KEY_MAX], value[ERROR_TAG_VALUE_MAX];
};

struct error_thread {
    bool request_open, request_errored;
    int64_t request_started_unix_ns;
    size_t tags_n;
    struct error_tag tags[ERROR_THREAD_TAGS_MAX];
};

/* The calling thread's; NULL where it has none (and make is false, or there is no memory). */
struct error_thread *error_thread_mine(bool make);
/* Sets, replaces or (value NULL) removes one of tags [*n, of most]; a negative enum sonde_error. */
int error_thread_put(struct error_tag *tags, size_t *n, size_t most, const char *key,
                     const char *value);

#endif
