/* codec/pickle.h - Python's pickles, as far as they are plain data.
 *
 * Lists, tuples, texts, bytes, numbers, booleans and None, of protocols 0 to 5. Whatever would name
 * a class or a function or make an object is refused, and nothing of it is ever called: a pickle is
 * read, not run.
 *
 * Source:  Python, pickletools: the opcodes.
 * Threads: pure functions.
 */
#ifndef CODEC_PICKLE_H
#define CODEC_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    PICKLE_BYTES_MAX = 1 << 20, /* of one pickle */
};

enum pickle_type {
    PICKLE_NONE,
    PICKLE_NUMBER, /* also booleans */
    PICKLE_TEXT,   /* also bytes */
    PICKLE_LIST,   /* also tuples */
};

/* Lists may be shared and may have themselves as a member: walk to a fixed depth. */
struct pickle_list {
    struct pickle_value *v; /* [n] */
    size_t n, capacity;
};

struct pickle_value {
    enum pickle_type type;
    double number;
    struct str text;
    struct pickle_list *list;
};

/* Reads one pickle, all of bytes; memory from a, texts may be borrowed from bytes. -ERR_FORMAT for
 * damage, -ERR_UNSUPPORTED for what is not plain data, -ERR_LIMIT past PICKLE_BYTES_MAX. */
MUST_USE int pickle_read(struct str bytes, struct arena *a, struct pickle_value *ret,
                         struct why *why);

#endif
