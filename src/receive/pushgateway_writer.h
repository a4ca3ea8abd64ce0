/* receive/pushgateway_writer.h - writes pushed groups into the sink, again and again, as a scraper
 * of a Pushgateway would, and keeps them in a file.
 *
 * Flow:    pushgateway_groups -> sink, at each interval and as soon as something is pushed
 *          pushgateway_groups -> DATA/pushgateway, a second after a change at the latest
 * Threads: made and freed by one; pushgateway_writer_wake() from any.
 */
#ifndef RECEIVE_PUSHGATEWAY_WRITER_H
#define RECEIVE_PUSHGATEWAY_WRITER_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "model/sink.h"
#include "os/disk.h"
#include "receive/pushgateway_groups.h"

struct pushgateway_writer_plan {
    struct pushgateway_groups *groups;
    struct sink *sink;
    size_t lane;
    const struct clock *clock;
    struct disk *disk; /* NULL: nothing is kept */
    int64_t interval_ms;
};

struct pushgateway_writer;

/* Loads what was kept and begins to write. A file that is damaged is put aside, with a warning. */
struct pushgateway_writer *pushgateway_writer_new(const struct pushgateway_writer_plan *plan);

/* Something has changed. */
void pushgateway_writer_wake(struct pushgateway_writer *w);

/* Ends the thread, after all is written and kept. NULL is fine. */
void pushgateway_writer_free(struct pushgateway_writer *w);

#endif
