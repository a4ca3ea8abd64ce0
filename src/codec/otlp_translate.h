/* codec/otlp_translate.h - points of OpenTelemetry as rows of series, as Prometheus 3's OTLP
 * receiver makes them.
 *
 * job is service.namespace/service.name, instance is service.instance.id; the resource's other
 * attributes stand in target_info, which is written for each resource at its newest time and every
 * 150 s before that down to its oldest, and with a staleness marker where all of its points say
 * that nothing was recorded. Names follow [otlp] (codec/otlp_settings.h).
 *
 * Flow:    otlp_metrics_read() -> visitor -> batches of 256 rows -> take()
 * Source:  OpenTelemetry specification, "Prometheus and OpenMetrics compatibility".
 * Threads: one per translator.
 */
#ifndef CODEC_OTLP_TRANSLATE_H
#define CODEC_OTLP_TRANSLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/otlp_cache.h"
#include "codec/otlp_delta.h"
#include "codec/otlp_metrics.h"
#include "codec/otlp_settings.h"
#include "codec/sides.h"
#include "model/batch.h"

enum {
    OTLP_TRANSLATE_NO_POINT = -1, /* of a row that is no point's: target_info */
    OTLP_TARGET_INFO_MS = 150000, /* half of PromQL's usual lookback */
    OTLP_TARGET_INFO_MAX = 1000,  /* samples of target_info for one resource of a request */
};

struct otlp_translate {
    const struct otlp_settings *settings;
    struct otlp_name_rules rules;
    struct otlp_delta *delta; /* shared by all; NULL: deltas are refused */
    struct otlp_cache cache;
    struct arena passing, lasting;
    struct batch batch;
    struct sides sides;
    int64_t point[BATCH_MAX]; /* of each row: which point of the request, from 0 */

    /* Of the present request: */
    int (*take)(void *context, struct otlp_translate *t);
    void *context;
    uint64_t tenant; /* tells tenants apart */
    int64_t now_ms, points;
    struct str resource_bytes;
    struct otlp_scope scope_bytes;
    struct otlp_metric metric;
    struct otlp_cache_entry *resource, *scope, *series_of; /* found when a point asks for them */
    int64_t oldest_ms, newest_ms;                          /* of the resource's points */
    bool some_value;                                       /* one of them has a value */
};

void otlp_translate_init(struct otlp_translate *t, const struct otlp_settings *settings,
                         struct otlp_delta *delta);
void otlp_translate_done(struct otlp_translate *t);

/* Reads a request in protobuf (CODEC_SLACK bytes behind it are readable). take(context, t) gets
 * t->batch, t->sides and t->point as often as they are full and at the end; not 0 from it ends the
 * reading and is returned. -ERR_FORMAT for malformed bytes: what stands before them is taken. */
MUST_USE int otlp_translate_read(struct otlp_translate *t, struct str request, uint64_t tenant,
                                 int64_t now_ms,
                                 int (*take)(void *context, struct otlp_translate *t),
                                 void *context, struct why *why);

#endif
