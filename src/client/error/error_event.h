/* client/error/error_event.h - an event on the worker: what a record becomes, masked, as
 * before_send() may change it, and its JSON.
 *
 * Threads: the worker.
 */
#ifndef CLIENT_ERROR_ERROR_EVENT_H
#define CLIENT_ERROR_ERROR_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/text.h"
#include "client/error/error_record.h"
#include "client/error/error_thread.h"
#include "client/error/set.h"
#include "sonde/error.h"

enum {
    ERROR_EVENT_TAGS_MAX = SET_TAGS_MAX + 2 * ERROR_THREAD_TAGS_MAX + 2,
    ERROR_EVENT_TYPE_MAX = 256,
    ERROR_EVENT_FINGERPRINT_MAX = 8,
    ERROR_EVENT_PART_MAX = 256,
};

struct error_open;

struct sonde_error_event {
    const struct error_record *record;
    bool known_end; /* the following hold */
    int outcome;
    unsigned retries;
    double seconds;
    int level;
    char type[ERROR_EVENT_TYPE_MAX], message[ERROR_MESSAGE_MAX];
    char transaction[ERROR_EVENT_PART_MAX];
    size_t tags_n, fingerprint_n;
    struct error_tag tags[ERROR_EVENT_TAGS_MAX];
    char fingerprint[ERROR_EVENT_FINGERPRINT_MAX][ERROR_EVENT_PART_MAX];
    struct text json; /* sonde_error_event_json() */
};

/* From a record; end NULL: not known. */
void error_event_fill(struct sonde_error_event *e, const struct error_record *r,
                      const struct error_open *end);
void error_event_write(const struct sonde_error_event *e, struct text *ret);

/* Copies s into ret [size], masked. */
void error_event_mask(const char *s, char *ret, size_t size);

#endif
