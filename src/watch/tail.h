/* watch/tail.h - the last bytes of a stream, and its lines as they come.
 *
 * A ring that costs nothing before the first byte and grows to TAIL_MAX.
 *
 * Threads: one at a time.
 */
#ifndef WATCH_TAIL_H
#define WATCH_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum { TAIL_MAX = 64 << 10, TAIL_FIRST = 1 << 10 };

struct tail {
    char *p; /* [capacity], owned */
    size_t n, at, capacity;
    uint64_t total; /* bytes ever */
};

void tail_done(struct tail *t);
void tail_add(struct tail *t, struct str bytes);
void tail_clear(struct tail *t);

/* The bytes that are kept, at most the last n, in one piece; memory from a. */
struct str tail_copy(const struct tail *t, size_t n, struct arena *a);

/* The last lines of s, at most `lines` of them and n bytes; a part of s. */
struct str tail_lines(struct str s, size_t lines, size_t n);

#endif
