#include "client/metric/source.h"

#include <string.h>

#include "client/core/id.h"
#include "client/metric/export.h"
#include "client/metric/writer.h"

static struct source *sources; /* in the order of source_add(); under the exporter's lock */

void source_add(struct source *s)
{
    if (!export_lock()) {
        return; /* a source must not do this: it would find its own list changed */
    }
    struct source **at = &sources;
    while (*at && *at != s) {
        at = &(*at)->next;
    }
    if (!*at) {
        s->next = NULL;
        *at = s;
    }
    export_unlock();
}

void source_remove(struct source *s)
{
    if (!export_lock()) {
        return; /* a source must not do this: it would find its own list changed */
    }
    struct source **at = &sources;
    while (*at && *at != s) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = s->next;
    }
    export_unlock();
}

/* Names of the families of this export, so that none comes twice. */
enum { SEEN = 1024 };
static uint64_t seen[SEEN];
static size_t seen_n;

/* Notes a family; false where another source has written it before. What does not fit counts as
 * new. */
static bool note(const char *name, enum source_type type)
{
    uint64_t h = id_hash(name, writer_base(name, type), 0) | 1;
    size_t i = h / 2 % SEEN;
    for (size_t tries = 0; tries < SEEN; tries++, i = (i + 1) % SEEN) {
        if (seen[i] == h) {
            return false;
        }
        if (seen[i] == 0) {
            seen[i] = seen_n < SEEN / 2 ? h : 0;
            seen_n++;
            return true;
        }
    }
    return true;
}

void source_write_all(struct source_writer *w)
{
    memset(seen, 0, sizeof seen);
    seen_n = 0;
    for (struct source *s = sources; s; s = s->next) {
        w->muted = true; /* until it begins a family */
        s->write(w, s->context);
    }
    w->muted = false;
}

void source_family(struct source_writer *w, const char *name, enum source_type type,
                   const char *help, const char *unit)
{
    w->muted = (w->taken && w->taken(name)) || !note(name, type);
    if (!w->muted) {
        writer_family_begin(w, name, type, help, unit, false);
    }
}

void source_sample(struct source_writer *w, const char *suffix, const sonde_label *labels,
                   double value)
{
    if (!w->muted) {
        struct writer_sample s = {
            .suffix = writer_suffix(w, suffix), .labels = labels, .value = value};
        w->sample(w, &s);
    }
}

void source_native(struct source_writer *w, const sonde_label *labels,
                   const struct source_histogram *h)
{
    if (!w->muted) {
        struct writer_native n = {.labels = labels, .histogram = h};
        w->native(w, &n);
    }
}
