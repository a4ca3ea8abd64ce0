/* client/core/text.h - bytes that grow up to a limit, or live in memory that is given.
 *
 * Nothing here aborts: when memory or the limit ends, `cut` is set, what fits stays, and all
 * further additions are ignored; who sends the text looks at `cut` once at the end. A text over
 * given memory (text_over) never allocates and may be used in signal handlers, but for
 * text_printf() and text_number().
 *
 * Threads: one at a time.
 */
#ifndef CLIENT_CORE_TEXT_H
#define CLIENT_CORE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes; /* [len], no NUL (text_string() adds one) */
    size_t len, cap;
    size_t max; /* cap may grow to this; 0: the memory is given */
    bool cut;   /* something did not fit */
};

/* Empty; grows by malloc up to max bytes. */
void text_init(struct text *t, size_t max);
/* Over [cap] bytes that belong to the caller. */
void text_over(struct text *t, void *memory, size_t cap);
void text_done(struct text *t);  /* frees what it allocated; usable again as after text_init() */
void text_clear(struct text *t); /* keeps its memory */

/* Room for n more bytes at the end, to be written by the caller, who then adds n to len; NULL (and
 * cut) where there is none. */
char *text_room(struct text *t, size_t n);

void text_add(struct text *t, const void *bytes, size_t n);
void text_add_string(struct text *t, const char *s);
void text_add_char(struct text *t, char c);
void text_add_u64(struct text *t, uint64_t n); /* decimal */
void text_add_i64(struct text *t, int64_t n);
void text_add_hex(struct text *t, const uint8_t *bytes, size_t n); /* lower case */
/* The shortest decimal number that reads back as v, as JSON and Prometheus take it; not finite:
 * "NaN", "+Inf", "-Inf". */
void text_add_number(struct text *t, double v);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes with a NUL behind them (not counted); "" where there is no room. */
const char *text_string(struct text *t);

/* Is s a piece of [n] bytes equal to the NUL-terminated b? */
bool text_same(const char *s, size_t n, const char *b);

#endif
