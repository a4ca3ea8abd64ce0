#include "watch/control.h"
#include "watch/engine_inside.h"
#include "watch/json_line.h"

enum { STATUS_MAX = 32 << 20 };

static void put_check(struct buf *out, const struct engine_unit *u, enum keeper_which which,
                      const char *key)
{
    const struct engine_check *c = &u->checks[which];
    const struct keeper_check *k = &u->keeper.checks[which];
    const struct watch_probe *p =
        which == KEEPER_CHECK_LIVENESS ? &u->row.liveness : &u->row.readiness;
    if (p->kind == WATCH_PROBE_NONE) {
        json_line_null(out, key);
        return;
    }
    json_line_open(out, key, '{');
    json_line_flag(out, "ok", k->ok);
    json_line_text(out, "message", str_c(c->text));
    json_line_i64(out, "checks", k->checks);
    json_line_i64(out, "failures", k->failures);
    json_line_i64(out, "last_ms", c->wall_ms);
    json_line_i64(out, "duration_ms", c->duration_ms);
    json_line_close(out, '}');
}

static void put_heartbeat(struct buf *out, const struct engine_unit *u)
{
    const struct keeper *k = &u->keeper;
    int64_t ago = k->beat_ms >= 0 ? engine_now_ms() - (k->beat_ms - k->heartbeat_ms) : 0;
    json_line_open(out, "heartbeat", '{');
    json_line_i64(out, "period_ms", k->heartbeat_ms);
    json_line_i64(out, "count", (int64_t)k->beats);
    json_line_i64(out, "last_ms", k->beat_ms >= 0 ? engine_wall_ms() - ago : 0);
    json_line_close(out, '}');
}

static void put_death(struct buf *out, const struct engine_unit *u)
{
    const struct engine_death *d = &u->death;
    if (!d->wall_ms) {
        json_line_null(out, "last_death");
        return;
    }
    json_line_open(out, "last_death", '{');
    json_line_i64(out, "time_ms", d->wall_ms);
    json_line_i64(out, "exit_code", d->end.known && !d->end.signaled ? d->end.code : -1);
    json_line_i64(out, "signal", d->end.signaled ? d->end.code : 0);
    json_line_text(out, "cause", str_c(watch_diagnosis_word(d->diagnosis.cause)));
    json_line_text(out, "sentence", d->diagnosis.sentence);
    json_line_flag(out, "asked", d->asked);
    json_line_open(out, "facts", '[');
    for (size_t i = 0; i < d->diagnosis.n; i++)
        json_line_text(out, NULL, d->diagnosis.facts[i]);
    json_line_close(out, ']');
    json_line_close(out, '}');
}

static void put_counts(struct buf *out, const struct engine_unit *u)
{
    const struct keeper *k = &u->keeper;
    json_line_i64(out, "starts", (int64_t)k->lives);
    json_line_i64(out, "deaths", (int64_t)k->deaths);
    json_line_i64(out, "restarts", (int64_t)k->restarts_all);
    json_line_i64(out, "restarts_in_window", (int64_t)keeper_restarts(k));
    json_line_i64(out, "restarts_max", u->row.restarts_max);
    json_line_open(out, "restarts_by", '{');
    for (int i = 0; i < KEEPER_CAUSES; i++)
        json_line_i64(out, keeper_cause_word((enum keeper_cause)i), (int64_t)k->restarts_by[i]);
    json_line_close(out, '}');
    bool waits = k->state == KEEPER_PAUSING || k->state == KEEPER_BLOCKED ||
                 (k->state == KEEPER_CRITICAL && k->deadline_ms >= 0);
    json_line_i64(out, "next_start_ms",
                  waits ? engine_wall_ms() + k->deadline_ms - engine_now_ms() : 0);
}

static void put_usage(struct buf *out, const struct engine_unit *u)
{
    const struct engine_usage *g = &u->usage;
    bool there = u->pid && g->read_ms;
    json_line_i64(out, "memory_bytes", there ? g->memory : 0);
    json_line_tenths(out, "cpu_percent", there ? g->cpu_tenths : 0);
    json_line_i64(out, "files", there ? g->files : 0);
    json_line_i64(out, "processes", there ? g->processes : 0);
    json_line_i64(out, "usage_ms", there ? g->wall_ms : 0);
    json_line_i64(out, "output_bytes", (int64_t)u->output_bytes);
    json_line_i64(out, "output_dropped_bytes", (int64_t)spool_dropped(u->log));
}

static void put_unit(struct buf *out, const struct engine_unit *u)
{
    const struct keeper *k = &u->keeper;
    json_line_open(out, NULL, '{');
    json_line_text(out, "name", str_c(u->name));
    json_line_text(out, "program", str_c(u->program->name));
    json_line_text(out, "group", str_c(u->program->group));
    json_line_i64(out, "instance", u->instance);
    json_line_i64(out, "port", u->port);
    json_line_text(out, "state", str_c(keeper_state_word(k->state)));
    json_line_text(out, "wanted", k->wanted ? STR("up") : STR("down"));
    json_line_flag(out, "ready", k->ready);
    json_line_flag(out, "fit", k->fit);
    json_line_i64(out, "pid", u->pid);
    json_line_i64(out, "started_ms", u->pid ? u->started_wall_ms : 0);
    json_line_i64(out, "uptime_ms", u->pid ? engine_now_ms() - k->started_ms : 0);
    json_line_text(out, "reason", str_c(k->reason));
    json_line_text(out, "status", str_c(u->status));
    put_counts(out, u);
    put_check(out, u, KEEPER_CHECK_LIVENESS, "liveness");
    put_check(out, u, KEEPER_CHECK_READINESS, "readiness");
    put_heartbeat(out, u);
    put_usage(out, u);
    put_death(out, u);
    for (const struct engine_watcher *w = u->engine->watchers; w; w = w->next)
        if (w->status)
            w->status(w->context, u, out);
    json_line_close(out, '}');
}

static void put_summary(struct engine *e, struct buf *out)
{
    int64_t running = 0, ready = 0, critical = 0, starts = 0, deaths = 0, restarts = 0;
    for (size_t i = 0; i < e->n; i++) {
        const struct keeper *k = &e->units[i]->keeper;
        running += e->units[i]->pid != 0;
        ready += k->ready;
        critical += k->state == KEEPER_CRITICAL;
        starts += (int64_t)k->lives;
        deaths += (int64_t)k->deaths;
        restarts += (int64_t)k->restarts_all;
    }
    json_line_open(out, "summary", '{');
    json_line_i64(out, "units", (int64_t)e->n);
    json_line_i64(out, "running", running);
    json_line_i64(out, "ready", ready);
    json_line_i64(out, "critical", critical);
    json_line_i64(out, "starts", starts);
    json_line_i64(out, "deaths", deaths);
    json_line_i64(out, "restarts", restarts);
    json_line_close(out, '}');
}

void engine_status(struct engine *e, const char *target, struct buf *out)
{
    json_line_open(out, NULL, '{');
    json_line_flag(out, "ok", true);
    json_line_text(out, "version", str_c(SONDE_VERSION));
    json_line_i64(out, "pid", process_self());
    json_line_i64(out, "time_ms", engine_wall_ms());
    json_line_i64(out, "started_ms", e->started_wall_ms);
    json_line_text(out, "state", e->ending ? STR("stopping") : STR("running"));
    json_line_i64(out, "upgrades", e->upgrades);
    json_line_i64(out, "adopted", e->adopted);
    json_line_open(out, "warnings", '[');
    if (e->warning[0])
        json_line_text(out, NULL, str_c(e->warning));
    json_line_close(out, ']');
    put_summary(e, out);
    json_line_open(out, "programs", '[');
    for (size_t i = 0; i < e->n; i++)
        if (control_target_is(target, e->units[i]->program->name, e->units[i]->program->group,
                              e->units[i]->name))
            put_unit(out, e->units[i]);
    json_line_close(out, ']');
    json_line_close(out, '}');
}

void engine_status_changed(struct engine *e)
{
    e->status_due = true;
}

void engine_status_write(struct engine *e)
{
    struct buf b;
    e->status_due = false;
    if (!*e->plan->status_file)
        return;
    buf_init(&b, STATUS_MAX);
    engine_status(e, "", &b);
    buf_put_c(&b, '\n');
    if (!buf_failed(&b))
        spool_replace(e->spool, e->plan->status_file, buf_str(&b), false);
    buf_done(&b);
}
