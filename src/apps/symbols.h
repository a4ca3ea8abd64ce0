/* apps/symbols.h - names of functions, files and lines for crashes and errors, by a helper program.
 *
 * sonde-helper-symbols reads a crash record or an envelope on its standard input and writes the
 * envelope with names on its standard output; it is a program of its own, since what it reads of
 * strangers' executables must not be read in the daemon. An envelope goes on as it came where the
 * helper is absent, fails, or has too much to do. A crash record stays in the spool then and is
 * tried again at the next start.
 *
 * Flow:    apps -> symbols_sink() -> helper -> spool; spool -> symbols_crash() -> helper -> spool
 * Threads: symbols_new, start, stop, free: one; the rest: any.
 */
#ifndef APPS_SYMBOLS_H
#define APPS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "launch/launch.h"
#include "model/signal_sink.h"

#define SYMBOLS_PROGRAM "helper:symbols" /* of the launcher's table */

struct symbols;

struct symbols_config {
    struct launcher *launcher; /* NULL: there is no helper */
    bool enabled;              /* ask it */
    struct signal_sink *next;
    /* No envelope could be made of a crash record; the helper's thread. */
    void (*failed)(void *context, const struct signal *s, uint64_t row, const char *why);
    void *context;
};

struct symbols *symbols_new(const struct symbols_config *config);
void symbols_start(struct symbols *s);
/* What waits goes on as it came. NULL is fine. */
void symbols_stop(struct symbols *s);
void symbols_free(struct symbols *s); /* NULL is fine */

struct signal_sink *symbols_sink(struct symbols *s);

/* The record of that number in the spool is to become an envelope. */
void symbols_crash(struct symbols *s, const struct signal *signal, uint64_t row);

struct symbols_facts {
    uint64_t done, failed, passed; /* passed: as they came, since there was too much to do */
    uint64_t waiting;
};
void symbols_look(struct symbols *s, struct symbols_facts *ret);

#endif
