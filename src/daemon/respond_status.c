#include "daemon/respond_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/log.h"
#include "os/file.h"
#include "serve/system_api.h"
#include "serve/system_report.h"

enum { PATH_BYTES = 4200 };

static const char *const MODULE = "status";

/* Whole or not at all: who reads it never sees a half. */
static void write_file(struct respond_status *r)
{
    char next[PATH_BYTES];
    struct buf text;
    struct why why = {0};
    buf_init(&text, SYSTEM_REPORT_MAX);
    snprintf(next, sizeof next, "%s.new", r->settings->file);
    system_api_write(r->serve, &text);
    int err = file_write(next, buf_str(&text), &why);
    if (!err && rename(next, r->settings->file) != 0)
        err = why_set(&why, ERR_IO, "%s: %s", r->settings->file, strerror(errno));
    if (err && !r->told)
        log_warn(MODULE, "%s", why.text);
    r->told = err != 0;
    buf_done(&text);
}

static void live(void *context)
{
    struct respond_status *r = context;
    thread_lock(&r->lock);
    while (!r->ending) {
        thread_unlock(&r->lock);
        write_file(r);
        thread_lock(&r->lock);
        if (!r->ending)
            thread_wait_for(&r->woken, &r->lock, r->settings->interval_seconds * 1000000000);
    }
    thread_unlock(&r->lock);
}

void respond_status_start(struct respond_status *r, const struct conf *conf, struct serve *serve)
{
    const struct system_settings *s = conf_get(conf, &system_settings_options);
    *r = (struct respond_status){.settings = s, .serve = serve};
    thread_lock_init(&r->lock);
    thread_cond_init(&r->woken);
    if (s->file[0])
        thread_start(&r->thread, "status", live, r);
}

void respond_status_stop(struct respond_status *r)
{
    if (!r->settings)
        return;
    thread_lock(&r->lock);
    r->ending = true;
    thread_wake(&r->woken);
    thread_unlock(&r->lock);
    thread_join(&r->thread);
    r->settings = NULL;
}
