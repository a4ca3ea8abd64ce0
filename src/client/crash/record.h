/* client/crash/record.h - reading and sealing a crash record (client/wire/crash_record.h).
 *
 * Threads: any; record_init(), record_room() and record_seal() are safe in signal handlers.
 */
#ifndef CLIENT_CRASH_RECORD_H
#define CLIENT_CRASH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/wire/crash_record.h"

enum { RECORD_PROBLEM_MAX = 160 };

/* Where the packed parts of a record begin; each [of the head's count]. */
struct record_parts {
    const struct crash_thread *threads;
    const struct crash_breadcrumb *breadcrumbs;
    const struct crash_span *spans;
    const struct crash_operation *operations;
    const struct crash_module *modules;
};

/* Checks [n] bytes (aligned to 8) of whatever origin: magic, sizes, counts, checksum. False with a
 * sentence in problem; true: every count and part lies within, and texts must still be read with
 * their field's length. */
bool record_check(const void *bytes, size_t n, struct record_parts *ret,
                  char problem[RECORD_PROBLEM_MAX]);

/* A new record's head: magic, version, size. */
void record_init(struct crash_record *r);
/* Room for one more packed element of that size at the end of a record with [cap] bytes; NULL where
 * there is none. The caller counts it in the head. */
void *record_room(struct crash_record *r, size_t cap, size_t size);
/* Sets the checksum and the state CRASH_WRITTEN. */
void record_seal(struct crash_record *r);

/* A text field as a string: NUL-terminated and cut at its length. */
const char *record_text(const char *field, size_t size, char *memory);
#define RECORD_TEXT(field, memory) record_text(field, sizeof(field), memory)
enum { RECORD_TEXT_MAX = 1025 }; /* what memory must have */

/* "SIGSEGV", "SEGV_MAPERR: no memory at this address"; "" where it is not known. */
const char *record_signal_name(int number);
const char *record_signal_text(int number);
const char *record_code_name(int number, int code);

#endif
