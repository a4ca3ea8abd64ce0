/* collect/gpu_emit.h - the metrics of graphics cards: one set of names for all makers.
 *
 * Threads: as emit.h.
 */
#ifndef COLLECT_GPU_EMIT_H
#define COLLECT_GPU_EMIT_H

#include "collect/emit.h"

enum gpu_field {
#define FIELD(name, metric, type, label, help) GPU_##name,
#include "collect/gpu_fields.tbl.h"
#undef FIELD
    GPU_FIELDS_N
};

/* The field with that name, or -ERR_NOENT. */
int gpu_emit_find(struct str name);

/* A value of a card; argument "" where the field has none. */
void gpu_emit_value(struct emit *e, enum gpu_field field, struct str card, struct str argument,
                    double value);

/* That the card is there. */
struct gpu_emit_card {
    struct str card, vendor, name, uuid, pci, driver; /* "" where not known */
};
void gpu_emit_info(struct emit *e, const struct gpu_emit_card *c);

/* A session with the video encoder. */
struct gpu_emit_session {
    struct str card, id, pid, codec, size; /* "1920x1080" */
    double fps, latency_s;
};
void gpu_emit_session(struct emit *e, const struct gpu_emit_session *s);

/* Memory of a card that a program uses. */
void gpu_emit_process(struct emit *e, struct str card, struct str pid, struct str comm,
                      struct str type, double bytes);

#endif
