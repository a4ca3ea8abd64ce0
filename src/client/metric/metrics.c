#include "client/metric/metrics.h"

#include <string.h>

#include "client/core/module.h"
#include "client/metric/export.h"
#include "client/metric/registry.h"
#include "client/metric/text_writer.h"

void metrics_write(struct source_writer *w, bool (*match)(const char *name, void *context),
                   void *context)
{
    w->taken = family_taken;
    registry_write(w, match, context);
    source_write_all(w);
}

int metrics_begin(void)
{
    if (!export_lock()) {
        return SONDE_ERROR_STATE;
    }
    if (!atomic_load_explicit(&module_on, memory_order_acquire)) { /* settings may change now */
        export_unlock();
        return SONDE_ERROR_STATE;
    }
    return 0;
}

int metrics_text(struct text *ret, bool openmetrics)
{
    struct text_writer w;
    if (metrics_begin() != 0) {
        return SONDE_ERROR_STATE;
    }
    text_writer_init(&w, ret, openmetrics);
    metrics_write(&w.writer, NULL, NULL);
    text_writer_end(&w);
    export_unlock();
    return ret->cut ? SONDE_ERROR_MEMORY : 0;
}

static int running_text(int format, struct text *ret)
{
    if (format != SONDE_METRICS_TEXT && format != SONDE_METRICS_OPENMETRICS) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    return metrics_text(ret, format == SONDE_METRICS_OPENMETRICS);
}

int sonde_metrics_text(int format, char *ret, size_t size, size_t *ret_length)
{
    if (!ret && size) {
        return SONDE_ERROR_ARGUMENT;
    }
    struct text t;
    text_init(&t, METRICS_TEXT_MAX);
    int err = running_text(format, &t);
    if (size) {
        size_t n = t.len < size - 1 ? t.len : size - 1;
        memcpy(ret, t.bytes ? t.bytes : "", n);
        ret[n] = 0;
    }
    if (ret_length) {
        *ret_length = t.len;
    }
    if (err == 0 && t.len + 1 > size) {
        err = SONDE_ERROR_LIMIT;
    }
    text_done(&t);
    return err;
}

char *sonde_metrics_new_text(int format)
{
    struct text t;
    text_init(&t, METRICS_TEXT_MAX);
    if (running_text(format, &t) != 0 || (text_add_char(&t, 0), t.cut)) {
        text_done(&t);
        return NULL;
    }
    return t.bytes; /* the caller's, by free() */
}

int sonde_metrics_reset(void)
{
    module_wake();
    if (metrics_begin() != 0) {
        return SONDE_ERROR_STATE;
    }
    registry_reset();
    export_unlock();
    return 0;
}

int sonde_metrics_remove(const char *name)
{
    if (!name) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    return family_hide(name);
}
