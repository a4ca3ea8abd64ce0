/* client/debug/writer.h - JSON that the application writes, kept apart until it is known to be
 * whole.
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_DEBUG_WRITER_H
#define CLIENT_DEBUG_WRITER_H

#include "client/core/jot.h"
#include "sonde/debug.h"

enum { WRITER_MAX = 1 << 20 };

struct sonde_writer {
    struct text text;
    struct jot jot;
};

/* With the outermost object open. */
void writer_init(struct sonde_writer *w);
/* Closes what is open and adds the object under key to j, secrets taken out; a writer that was cut
 * gives {"error":..}. Frees. */
void writer_finish(struct sonde_writer *w, struct jot *j, const char *key);
/* The same, but its members go into j's open object. */
void writer_finish_members(struct sonde_writer *w, struct jot *j);
void writer_drop(struct sonde_writer *w);
/* The string under "message" of the outermost object, as written; "" without one. Cut at size. */
void writer_message(struct sonde_writer *w, char *ret, size_t size);

#endif
