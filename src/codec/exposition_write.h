/* codec/exposition_write.h - writes metrics as text: the Prometheus text format 0.0.4 and
 * OpenMetrics 1.0.
 *
 * Families come one after the other, each with all of its samples. Counters are known by their name
 * with _total in both formats; OpenMetrics' metadata lines leave it out, and a counter or info
 * without its suffix is written as unknown there, since its suffix is not ours to make up.
 *
 * Threads: one per writer.
 */
#ifndef CODEC_EXPOSITION_WRITE_H
#define CODEC_EXPOSITION_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "codec/exposition_line.h"
#include "model/batch.h"
#include "text/name_escape.h"

struct exposition_writer {
    struct buf *out;
    enum exposition_format format;
    enum name_escape escape; /* NAME_ESCAPE_NONE: the client takes UTF-8 names in quotes */
};

void exposition_write_init(struct exposition_writer *w, struct buf *out,
                           enum exposition_format format, enum name_escape escape);

/* HELP, TYPE and UNIT of a family, as far as they say something. name is the name of its samples
 * without the suffixes of histograms and summaries ("x_total" for a counter). */
void exposition_write_family(struct exposition_writer *w, struct str name, enum metric_type type,
                             struct str help, struct str unit);

/* One sample of it; key is canonical. */
void exposition_write_sample(struct exposition_writer *w, struct str key, double value,
                             bool has_time, int64_t ts_ms);

/* An exemplar for the sample just written; OpenMetrics alone, else nothing. */
void exposition_write_exemplar(struct exposition_writer *w, const struct exemplar *e);

/* "# EOF" where the format has it. */
void exposition_write_end(struct exposition_writer *w);

/* What to send as Content-Type. */
struct str exposition_write_content_type(enum exposition_format format);

/* The format to answer an Accept header with: OpenMetrics where it is preferred to text. */
enum exposition_format exposition_write_format_of(struct str accept);

/* The weight (q) that an Accept header gives to a format; 0: it does not take it. */
double exposition_write_weight_of(struct str accept, enum exposition_format format);

/* How names are to be written for it: as the entry of that format says (escaping=values), else
 * with underscores. */
enum name_escape exposition_write_escape_of(struct str accept, enum exposition_format format);

#endif
