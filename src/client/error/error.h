/* client/error/error.h - the errors of the application: from the calling thread to an envelope.
 *
 *     error.c         calling thread: is it kept (error_alike)? copy, stack -> error_record
 *     error_pass.c    worker: records -> events (error_event) -> before_send, sampling ->
 *                     envelopes -> client/core/outgoing.h; ends of open errors -> metrics
 *
 * Threads: as each function says.
 */
#ifndef CLIENT_ERROR_ERROR_H
#define CLIENT_ERROR_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include "sonde/error.h"

/* Captures; caller is the return address into the application, by which errors are alike. format
 * (with args) NULL: info->message as it is. Any thread. */
sonde_error_ref error_capture(const sonde_error_info *info, const void *caller, const char *format,
                              va_list *args);
/* Something changed that the worker must look at soon. Any thread. */
void error_wake(void);

/* One round of the worker; everything: also what waits for its end (flush). */
void error_pass(bool everything);
void error_pass_reset(void);

#endif
