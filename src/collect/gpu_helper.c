#include "collect/gpu_helper.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "collect/gpu_emit.h"
#include "collect/pseudo.h"
#include "os/channel.h"
#include "os/pipe.h"
#include "text/number.h"

enum {
    BLOCK_MAX = 4 << 20,
    PIECE = 16 * 1024,
    NOTHING = 3,               /* the helper's exit status where there is no card */
    RETRY_NOTHING_MS = 300000, /* a driver may be loaded later */
    RETRY_MS = 10000,
    STALE_MS = 10000, /* a block that old says nothing of now */
    FIELDS_MAX = 8,
};

struct gpu_helper {
    struct launcher *launcher;
    const struct clock *clock;
    const char *proc;
    bool running, nothing;
    struct launch_process process;
    struct buf coming, block;
    int64_t block_ms, retry_ms; /* monotonic */
    char why[WHY_MAX];
};

struct gpu_helper *gpu_helper_new(struct launcher *launcher, const struct clock *clock,
                                  const char *proc)
{
    struct gpu_helper *h = mem_new(sizeof *h);
    h->launcher = launcher;
    h->clock = clock;
    h->proc = proc;
    h->process.output = h->process.input = -1;
    buf_init(&h->coming, BLOCK_MAX);
    buf_init(&h->block, BLOCK_MAX);
    return h;
}

void gpu_helper_free(struct gpu_helper *h)
{
    if (h == NULL)
        return;
    if (h->running)
        launch_kill(h->launcher, h->process.id);
    channel_close(h->process.output);
    buf_done(&h->coming);
    buf_done(&h->block);
    mem_free(h);
}

/* ---- lines */

/* The name of a program, "" where it has ended. */
static struct str comm_of(const char *proc, struct str pid, char *room, size_t size)
{
    char path[128];
    struct str text;
    snprintf(path, sizeof path, "%s/" STR_FMT "/comm", proc, STR_ARG(pid));
    return pseudo_peek(path, room, size, &text) == 0 ? text : STR("");
}

static void emit_line(const struct str *f, size_t n, const char *proc, struct emit *e)
{
    double v, w;
    char room[64];
    int field = gpu_emit_find(f[0]);
    if (field >= 0 && n == 4 && number_parse(f[3], &v) == 0) {
        gpu_emit_value(e, (enum gpu_field)field, f[1], f[2], v);
    } else if (str_eq(f[0], STR("info")) && n == 6) {
        const struct gpu_emit_card card = {f[1], STR("nvidia"), f[2], f[3], f[4], f[5]};
        gpu_emit_info(e, &card);
    } else if (str_eq(f[0], STR("session")) && n == 8 && number_parse(f[6], &v) == 0 &&
               number_parse(f[7], &w) == 0) {
        const struct gpu_emit_session session = {f[1], f[2], f[3], f[4], f[5], v, w};
        gpu_emit_session(e, &session);
    } else if (str_eq(f[0], STR("process")) && n == 5 && number_parse(f[4], &v) == 0) {
        gpu_emit_process(e, f[1], f[2], comm_of(proc, f[2], room, sizeof room), f[3], v);
    }
}

void gpu_helper_emit(struct str block, const char *proc, struct emit *e)
{
    struct str line;
    while (pseudo_line(&block, &line)) {
        struct str fields[FIELDS_MAX] = {{NULL, 0}};
        size_t n = 0;
        while (n < FIELDS_MAX && str_split(&line, '\t', &fields[n]))
            n++;
        if (n > 1)
            emit_line(fields, n, proc, e);
    }
}

/* ---- the helper's life */

static int64_t now_ms(const struct gpu_helper *h)
{
    return clock_monotonic_ns(h->clock) / 1000000;
}

static void start(struct gpu_helper *h)
{
    struct why why = {0};
    int err = launch_start(h->launcher, GPU_HELPER_PROGRAM, 0, &h->process, &why);
    h->running = err == 0;
    h->nothing = err == -ERR_UNSUPPORTED; /* no sign of a card when the table was drawn */
    h->retry_ms = now_ms(h) + RETRY_MS;
    snprintf(h->why, sizeof h->why, "%s", err == 0 ? "" : why.text);
    buf_clear(&h->coming);
}

static void ended(struct gpu_helper *h)
{
    struct launch_end end;
    if (launch_wait(h->launcher, h->process.id, 0, &end) == -ERR_TIMEOUT)
        return; /* it will be known at the next run */
    h->running = false;
    h->nothing = end.status == NOTHING;
    h->retry_ms = now_ms(h) + (h->nothing ? RETRY_NOTHING_MS : RETRY_MS);
    struct str said = str_trim(str_c(end.said));
    snprintf(h->why, sizeof h->why, "sonde-helper-gpu ended with %s %d: " STR_FMT,
             end.signal ? "signal" : "status", end.signal ? end.signal : end.status, STR_ARG(said));
}

/* Takes what has come; the last whole block counts. */
static void hear(struct gpu_helper *h)
{
    static const struct str END = {"\nend\n", 5};
    char piece[PIECE];
    for (size_t n; (n = pipe_read(&h->process.output, piece, sizeof piece)) > 0;)
        buf_put(&h->coming, piece, n);
    if (buf_failed(&h->coming)) { /* not ours: no block is that long */
        buf_clear(&h->coming);
        return;
    }
    for (size_t at; (at = str_search(buf_str(&h->coming), END)) < h->coming.n;) {
        buf_clear(&h->block);
        buf_put(&h->block, h->coming.p, at + 1);
        buf_shift(&h->coming, at + END.n);
        h->block_ms = now_ms(h);
    }
}

int gpu_helper_run(struct gpu_helper *h, struct emit *e, struct why *why)
{
    if (!h->running && now_ms(h) >= h->retry_ms)
        start(h);
    if (h->running)
        hear(h);
    if (h->running && h->process.output < 0)
        ended(h);
    if (h->block.n > 0 && now_ms(h) - h->block_ms > STALE_MS)
        buf_clear(&h->block);
    gpu_helper_emit(buf_str(&h->block), h->proc, e);
    if (h->running)
        return 0;
    return h->nothing ? -ERR_NOENT : why_set(why, ERR_STATE, "%s", h->why);
}
