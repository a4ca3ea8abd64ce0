/* base/err.h - error codes and the sentence that goes with one.
 *
 * A function that can fail returns 0 or -ERR_x; outputs come last, are named ret or ret_x and stay
 * untouched on failure. A failure that a person will read is also explained in a struct why,
 * which the caller owns and passes down (NULL where nobody will read it).
 *
 * Threads: pure functions.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

enum err {
    ERR_NONE = 0,
#define ERR(name, code, text) ERR_##name,
#include "base/err.tbl.h"
#undef ERR
    ERR_COUNT
};

/* The stable code of an error, as APIs show it ("disk_full"); takes -ERR_x or ERR_x. */
const char *err_code(int err);

/* What the error means in general; takes -ERR_x or ERR_x. */
const char *err_text(int err);

/* The ERR_x (positive) that stands for an errno value: ENOSPC and EDQUOT -> ERR_FULL and so on. */
int err_of_errno(int errnum);

enum { WHY_MAX = 512 }; /* bytes, with the terminating NUL */

/* One sentence that says what failed, where, and what to do. */
struct why {
    int err; /* -ERR_x or 0 */
    char text[WHY_MAX];
};

/* Fills why (NULL is fine; cut at WHY_MAX - 1 bytes on a UTF-8 boundary) and returns -code, so
 * that a failing function can say: return why_set(why, ERR_FORMAT, "line %d: ...", line); */
int why_set(struct why *why, enum err code, const char *format, ...) PRINTF(3, 4);

/* Puts "prefix: " before the text that is there; returns why->err, or 0 where why is NULL. */
int why_prefix(struct why *why, const char *format, ...) PRINTF(2, 3);

#endif
