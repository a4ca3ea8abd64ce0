/* client/trace/tracestate.h - the header tracestate: what each tracing system adds to the ids.
 *
 * Source:  w3.org/TR/trace-context-2 section 3.3; `ot=` is OpenTelemetry's member: th is the
 *          sampling threshold, rv a random number that counts instead of the trace id's
 * Threads: pure functions.
 */
#ifndef CLIENT_TRACE_TRACESTATE_H
#define CLIENT_TRACE_TRACESTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACESTATE_MEMBERS_MAX = 32, TRACESTATE_MAX = 512, TRACESTATE_LONG = 128 };

struct tracestate {
    size_t n;
    char text[TRACESTATE_MAX]; /* [n] members without blanks between them */
    bool has_threshold, has_random;
    uint64_t threshold, random; /* th and rv of `ot` */
};

/* Reads a header; several are to be joined by commas. False (ret empty) where it breaks the rules:
 * a bad member, more than 32. Of a key that comes twice the first one stays; what is longer than
 * 512 bytes loses members of more than 128 bytes, then those at its end. */
bool tracestate_read(const char *s, size_t n, struct tracestate *ret);
/* Takes th out of `ot`, where it contradicts the ids. */
void tracestate_forget_threshold(struct tracestate *t);

#endif
