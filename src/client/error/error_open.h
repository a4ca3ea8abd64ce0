/* client/error/error_open.h - errors whose end is not known yet: a fixed table of handles.
 *
 * A reference is a random number whose last byte is its place here (ERROR_OPEN_NONE: an error that
 * is not followed); the id of an error's event is computed from it.
 *
 * Threads: begin, retry, end: any, without locks; the rest: the worker.
 */
#ifndef CLIENT_ERROR_ERROR_OPEN_H
#define CLIENT_ERROR_ERROR_OPEN_H

#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>

#include "client/error/error_types.h"
#include "sonde/error.h"

enum { ERROR_OPEN_MAX = 255, ERROR_OPEN_NONE = 255, ERROR_OPEN_MESSAGE_MAX = 160 };

struct error_open {
    _Atomic uint64_t ref; /* 0: free */
    _Atomic uint32_t state;
    _Atomic uint32_t retries;
    _Atomic bool has_event; /* a record is on its way to the worker, or has come there */
    uint64_t begin_ticks, end_ticks;
    int32_t outcome, level;
    uint32_t type_id;
    bool sent, told; /* the worker's: its event has gone; and has said how it ended */
    char message[ERROR_OPEN_MESSAGE_MAX];
};

/* A reference that is not followed. */
sonde_error_ref error_open_plain(void);
/* One that is; a plain one where the table is full. */
sonde_error_ref error_open_begin(uint32_t type_id, int level, uint64_t now_ticks);
void error_open_has_event(sonde_error_ref ref);
void error_open_cancel(sonde_error_ref ref);
int error_open_end(sonde_error_ref ref, int outcome);
void error_open_retry(sonde_error_ref ref);
void error_open_event_id(sonde_error_ref ref, uint8_t ret[16]);

/* The entry of a reference, NULL where it is none (any more). */
struct error_open *error_open_find(sonde_error_ref ref);
bool error_open_ended(const struct error_open *o);
double error_open_seconds(const struct error_open *o); /* from its begin to its end */
/* Calls visit for each entry that has ended, and for those open for longer than most_ns, which it
 * ends as unknown; visit frees by error_open_free() what is done with. */
void error_open_visit(uint64_t most_ns, void (*visit)(struct error_open *o, void *context),
                      void *context);
void error_open_free(struct error_open *o);
void error_open_reset(void);

#endif
