#include "tool/import_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "tool/backfill_remote.h"

enum { FLUSH_SAMPLES = 4 << 20 /* kept in memory until they become a part */ };

static void note_reason(struct import *im, struct str reason)
{
    if (im->first_refusal[0] == '\0')
        snprintf(im->first_refusal, sizeof im->first_refusal, STR_FMT, STR_ARG(reason));
}

void import_refused(struct import *im, struct str reason)
{
    im->refused++;
    note_reason(im, reason);
}

void import_skipped(struct import *im, struct str reason)
{
    im->skipped++;
    note_reason(im, reason);
}

/* Into a data directory that no daemon uses. */
static int write_here(struct import *im, struct why *why)
{
    struct sink *sink = store_sink(im->store);
    struct batch b;
    for (size_t from = 0; from < im->points.n; from += b.n) {
        struct why first = {0};
        b.n = MIN(im->points.n - from, (size_t)BATCH_MAX);
        for (size_t i = 0; i < b.n; i++) {
            const struct backfill_point *p = &im->points.v[from + i];
            b.key[i] = p->key;
            b.ts_ms[i] = p->ts_ms;
            b.value[i] = p->value;
            b.histogram[i] = p->histogram;
            b.start_ms[i] = 0;
        }
        int taken = sink->ops->append(sink, 0, im->owner, &b, &first);
        if (taken < 0)
            return why_set(why, (enum err) - taken, "samples are refused: %s", first.text);
        im->samples += (uint64_t)taken;
        im->refused += b.n - (uint64_t)taken;
        if ((size_t)taken < b.n)
            note_reason(im, str_c(first.text));
    }
    im->unflushed += im->points.n;
    if (im->unflushed < FLUSH_SAMPLES)
        return 0;
    im->unflushed = 0;
    return store_flush(im->store, why);
}

static int write_there(struct import *im, struct why *why)
{
    struct backfill_remote remote = {im->offline.server, im->tenant};
    size_t n = 0;
    for (size_t i = 0; i < im->points.n; i++) /* histograms do not go that way */
        if (im->points.v[i].histogram == NULL)
            im->points.v[n++] = im->points.v[i];
    im->skipped += im->points.n - n;
    int err = n == 0 ? 0 : backfill_remote_write(&remote, im->points.v, n, why);
    im->samples += err == 0 ? n : 0;
    return err;
}

int import_flush(struct import *im, struct why *why)
{
    int err = im->points.n == 0   ? 0
              : im->store != NULL ? write_here(im, why)
                                  : write_there(im, why);
    im->points.n = 0;
    arena_reset(&im->arena);
    return err;
}

int import_put(struct import *im, struct str key, int64_t ts_ms, double value,
               const struct histogram *h, struct why *why)
{
    const struct backfill_point p = {key, ts_ms, value, h};
    if (!import_wants(im, ts_ms))
        return 0;
    vec_push(&im->points, p);
    return im->points.n < IMPORT_POINTS ? 0 : import_flush(im, why);
}

void import_progress(const struct import *im, const char *what)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "%s: %" PRIu64 " samples\x1b[K\r", what, im->samples);
}
