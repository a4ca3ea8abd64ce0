#include "collect/gpu_emit.h"

#include "base/err.h"

static const struct {
    struct str name;
    struct family family;
} FIELDS[GPU_FIELDS_N] = {
#define FIELD(name, metric, type, label, help)                                                     \
    {{#name, sizeof #name - 1}, {metric, type, help, {"gpu", label}}},
#include "collect/gpu_fields.tbl.h"
#undef FIELD
};

static const struct family INFO = {"sonde_gpu_info",
                                   METRIC_GAUGE,
                                   "A graphics card; always 1.",
                                   {"gpu", "vendor", "name", "uuid", "pci", "driver"}};
static const struct family SESSION_FPS = {"sonde_gpu_encoder_session_frames_per_second",
                                          METRIC_GAUGE,
                                          "Frames that a session got through a second.",
                                          {"gpu", "session", "pid", "codec", "size"}};
static const struct family SESSION_LATENCY = {"sonde_gpu_encoder_session_latency_seconds",
                                              METRIC_GAUGE,
                                              "Time that a frame of a session took.",
                                              {"gpu", "session", "pid", "codec", "size"}};
static const struct family SESSION_QUEUE = {
    "sonde_gpu_encoder_session_queue_frames",
    METRIC_GAUGE,
    "Frames of a session that are in the encoder at once: frames a second x latency.",
    {"gpu", "session", "pid", "codec", "size"}};
static const struct family PROCESS = {"sonde_gpu_process_memory_bytes",
                                      METRIC_GAUGE,
                                      "Memory of the card that a program uses.",
                                      {"gpu", "pid", "comm", "type"}};

int gpu_emit_find(struct str name)
{
    for (int i = 0; i < GPU_FIELDS_N; i++)
        if (str_eq(FIELDS[i].name, name))
            return i;
    return -ERR_NOENT;
}

void gpu_emit_value(struct emit *e, enum gpu_field field, struct str card, struct str argument,
                    double value)
{
    const struct str values[] = {card, argument};
    emit_value(e, &FIELDS[field].family, value, values,
               FIELDS[field].family.labels[1] == NULL ? 1 : 2);
}

void gpu_emit_info(struct emit *e, const struct gpu_emit_card *c)
{
    emit(e, &INFO, 1, c->card, c->vendor, c->name, c->uuid, c->pci, c->driver);
}

void gpu_emit_session(struct emit *e, const struct gpu_emit_session *s)
{
    const struct str values[] = {s->card, s->id, s->pid, s->codec, s->size};
    emit_value(e, &SESSION_FPS, s->fps, values, COUNTOF(values));
    emit_value(e, &SESSION_LATENCY, s->latency_s, values, COUNTOF(values));
    emit_value(e, &SESSION_QUEUE, s->fps * s->latency_s, values, COUNTOF(values));
}

void gpu_emit_process(struct emit *e, struct str card, struct str pid, struct str comm,
                      struct str type, double bytes)
{
    emit(e, &PROCESS, bytes, card, pid, comm, type);
}
