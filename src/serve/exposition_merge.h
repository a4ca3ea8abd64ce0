/* serve/exposition_merge.h - expositions of several applications as one: each series says whose it
 * is, and the series of a family stand together under one HELP and TYPE.
 *
 * Not a parser: lines are taken as they are. What an application writes wrong stays wrong.
 *
 * Flow:    exposition_merge_add() for each -> exposition_merge_put()
 * Threads: one at a time.
 */
#ifndef SERVE_EXPOSITION_MERGE_H
#define SERVE_EXPOSITION_MERGE_H

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"

struct exposition_merge {
    struct map families; /* name -> index + 1 */
    struct exposition_merge_family {
        struct buf comments, samples;
    } * v; /* [n], in the order in which they first came */
    size_t n, capacity;
};

void exposition_merge_init(struct exposition_merge *m);
void exposition_merge_done(struct exposition_merge *m);

/* Adds a text; its series get the labels job and instance in front of their own. */
void exposition_merge_add(struct exposition_merge *m, struct str text, struct str job,
                          struct str instance);

void exposition_merge_put(const struct exposition_merge *m, struct buf *out);

#endif
