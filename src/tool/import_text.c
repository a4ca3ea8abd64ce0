#include <string.h>

#include "base/mem.h"
#include "codec/exposition.h"
#include "model/labels.h"
#include "os/file.h"
#include "tool/import_state.h"

/* A body of OpenMetrics ends with "# EOF". */
static enum exposition_format format_of(struct str text)
{
    struct str end = str_trim(str_sub(text, text.n - MIN(text.n, (size_t)64), text.n));
    return str_ends(end, STR("# EOF")) ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

struct reading {
    struct exposition_reader reader;
    struct batch batch;
    struct sides sides;
    struct buf key;
};

/* What the reader dates samples with that have no time of their own: they are of no use here. */
static const int64_t NO_TIME_MS = INT64_MIN / 4;

static int take_batch(struct import *im, struct reading *r, struct why *why)
{
    int err = 0;
    for (size_t i = 0; i < r->batch.n && err == 0; i++) {
        struct why own = {0};
        buf_clear(&r->key);
        if (r->batch.ts_ms[i] == NO_TIME_MS)
            im->skipped++;
        else if (labels_canonical(r->batch.key[i], &r->key, &own) != 0)
            im->refused++;
        else
            err = import_put(im, arena_str(&im->arena, buf_str(&r->key)), r->batch.ts_ms[i],
                             r->batch.value[i], NULL, why);
    }
    for (size_t i = 0; i < r->sides.bad_n; i++)
        import_refused(im, r->sides.bad[i].reason);
    return err;
}

int import_text(struct import *im, const char *path, struct why *why)
{
    struct str text;
    int err = file_map(path, &text, why);
    if (err != 0)
        return err;
    struct reading *r = mem_new(sizeof *r);
    exposition_init(&r->reader);
    buf_init(&r->key, LABELS_KEY_MAX);
    exposition_begin(&r->reader, text, format_of(text), NO_TIME_MS);
    while (err == 0 && exposition_next(&r->reader, &r->batch, &r->sides) > 0)
        err = take_batch(im, r, why);
    if (err == 0)
        err = import_flush(im, why);
    exposition_done(&r->reader);
    buf_done(&r->key);
    mem_free(r);
    file_unmap(text);
    return err;
}
