/* codec/rows_test.h - what a reader of lines gives, as text to compare. Included by tests only.
 *
 * Threads: one.
 */
#ifndef CODEC_ROWS_TEST_H
#define CODEC_ROWS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/sides.h"
#include "model/batch.h"
#include "model/sample.h"

/* Appends a line for each row, "series value @ts", and for each bad part, "!at reason". */
static inline void rows_print(const struct batch *b, const struct sides *s, struct buf *out)
{
    for (size_t i = 0; i < b->n; i++) {
        labels_print(b->key[i], out);
        buf_printf(out, " %.17g @%lld\n", b->value[i], (long long)b->ts_ms[i]);
    }
    for (size_t i = 0; i < s->bad_n; i++)
        buf_printf(out, "!%zu " STR_FMT "\n", s->bad[i].at, STR_ARG(s->bad[i].reason));
}

#endif
