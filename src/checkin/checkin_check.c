#include "checkin/checkin_check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "os/file.h"
#include "text/duration.h"

static const char FOLDER[] = "/usr/share/zoneinfo/";

static const char *const STATES[] = {"new",     "up",     "running", "late",
                                     "missing", "failed", "overrun"};
static const char *const KINDS[] = {"success", "start", "fail"};

const char *checkin_state_text(enum checkin_state s)
{
    return STATES[s];
}

const char *checkin_kind_text(enum checkin_kind k)
{
    return KINDS[k];
}

/* ---- schedules */

/* NULL in *ret: UTC. */
static int read_zone(struct str name, struct arena *a, const struct zone **ret, struct why *why)
{
    char path[sizeof FOLDER + 100];
    struct buf bytes;
    *ret = NULL;
    if (name.n == 0 || str_eq(name, STR("UTC")))
        return 0;
    if (!zone_name_plain(name))
        return why_set(why, ERR_FORMAT, "\"" STR_FMT "\" is no time zone",
                       STR_ARG(str_sub(name, 0, 80)));
    snprintf(path, sizeof path, "%s" STR_FMT, FOLDER, STR_ARG(name));
    buf_init(&bytes, ZONE_FILE_MAX);
    int err = file_read(path, &bytes, NULL);
    if (!err)
        err = zone_parse(buf_str(&bytes), a, ret, NULL);
    buf_done(&bytes);
    return err ? why_set(why, ERR_FORMAT,
                         "the time zone \"" STR_FMT "\" is not in %s (package tzdata)",
                         STR_ARG(name), FOLDER)
               : 0;
}

static int read_schedule(const struct checkin_schedule *s, struct cron *ret_cron, struct arena *a,
                         const struct zone **ret_zone, struct why *why)
{
    if (s->every_ms < 0 || s->grace_ms < 0 || s->max_runtime_ms < 0)
        return why_set(why, ERR_FORMAT, "a duration is negative");
    if (s->every_ms > 0 && s->cron.n > 0)
        return why_set(why, ERR_FORMAT, "either a period or a cron expression is given, not both");
    int err = s->cron.n ? cron_parse(s->cron, ret_cron, why) : 0;
    return err ? err : read_zone(s->zone, a, ret_zone, why);
}

int checkin_schedule_check(const struct checkin_schedule *s, struct why *why)
{
    struct cron cron;
    const struct zone *zone;
    struct arena a;
    arena_init(&a);
    int err = read_schedule(s, &cron, &a, &zone, why);
    arena_done(&a);
    return err;
}

struct checkin_check *checkin_check_new(struct str name)
{
    struct checkin_check *c = mem_new(sizeof *c);
    arena_init(&c->arena);
    arena_init(&c->zone_arena);
    c->name = arena_str(&c->arena, name);
    c->title = c->name;
    c->severity = STR("critical");
    c->facts.duration_ms = c->facts.exit = -1;
    return c;
}

void checkin_check_free(struct checkin_check *c)
{
    if (!c)
        return;
    arena_done(&c->zone_arena);
    arena_done(&c->arena);
    mem_free(c);
}

/* Pings may say the same again and again. */
static struct str copy_of(struct checkin_check *c, struct str before, struct str now)
{
    return str_eq(before, now) ? before : arena_str(&c->arena, now);
}

int checkin_check_plan(struct checkin_check *c, const struct checkin_schedule *s, struct why *why)
{
    struct cron cron = {0};
    struct checkin_schedule before = c->schedule;
    arena_done(&c->zone_arena);
    arena_init(&c->zone_arena);
    c->zone = NULL;
    int err = read_schedule(s, &cron, &c->zone_arena, &c->zone, why);
    c->schedule = *s;
    c->schedule.cron = err ? STR("") : copy_of(c, before.cron, s->cron);
    c->schedule.zone = copy_of(c, before.zone, s->zone);
    c->cron = cron;
    return err;
}

/* ---- facts */

void checkin_check_take(struct checkin_check *c, const struct checkin_ping *ping, int64_t now_ms)
{
    struct checkin_facts *f = &c->facts;
    f->pings++;
    if (ping->kind == CHECKIN_START) {
        f->running = true;
        f->start_ms = now_ms;
        return;
    }
    f->duration_ms = f->running ? MAX(now_ms - f->start_ms, (int64_t)0) : ping->duration_ms;
    f->running = false;
    f->end_ms = now_ms;
    f->exit = ping->exit;
    f->failed = ping->kind == CHECKIN_FAIL;
    if (!f->failed)
        f->success_ms = now_ms;
}

static int64_t due_of(const struct checkin_check *c)
{
    int64_t last_ms = MAX(c->facts.start_ms, c->facts.end_ms);
    if (last_ms == 0)
        last_ms = c->facts.created_ms;
    if (c->schedule.cron.n)
        return cron_next(&c->cron, c->zone, last_ms);
    return c->schedule.every_ms ? last_ms + c->schedule.every_ms : 0;
}

static enum checkin_problem problem_of(const struct checkin_check *c, int64_t now_ms)
{
    const struct checkin_facts *f = &c->facts;
    if (f->running && c->schedule.max_runtime_ms &&
        now_ms - f->start_ms >= c->schedule.max_runtime_ms)
        return CHECKIN_PROBLEM_OVERRUN;
    if (c->due_ms && now_ms >= c->due_ms + c->schedule.grace_ms)
        return CHECKIN_PROBLEM_MISSING;
    return f->failed ? CHECKIN_PROBLEM_FAILED : CHECKIN_PROBLEM_NONE;
}

static enum checkin_state state_of(const struct checkin_check *c, enum checkin_problem problem,
                                   int64_t now_ms)
{
    const struct checkin_facts *f = &c->facts;
    if (problem == CHECKIN_PROBLEM_OVERRUN)
        return CHECKIN_OVERRUN;
    if (problem == CHECKIN_PROBLEM_MISSING)
        return CHECKIN_MISSING;
    if (f->running)
        return CHECKIN_RUNNING;
    if (problem == CHECKIN_PROBLEM_FAILED)
        return CHECKIN_FAILED;
    if (c->due_ms && now_ms >= c->due_ms)
        return CHECKIN_LATE;
    return f->end_ms ? CHECKIN_UP : CHECKIN_NEW;
}

bool checkin_check_settle(struct checkin_check *c, int64_t now_ms, enum checkin_state *ret_before)
{
    struct checkin_facts *f = &c->facts;
    c->due_ms = due_of(c);
    enum checkin_problem problem = problem_of(c, now_ms);
    enum checkin_state state = state_of(c, problem, now_ms);
    if (problem != f->problem) {
        f->problem = problem;
        f->problem_ms = now_ms;
        c->dirty = true;
    }
    for (int i = CHECKIN_PROBLEM_NONE + 1; i < CHECKIN_PROBLEMS_N; i++)
        checkin_alert_set(&c->alerts[i], (enum checkin_problem)i == problem, f->problem_ms, now_ms);
    *ret_before = f->state;
    if (state == f->state)
        return false;
    f->state = state;
    f->since_ms = now_ms;
    c->dirty = true;
    return true;
}

/* ---- words */

static void put_date(int64_t ms, struct buf *out)
{
    char text[40];
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (gmtime_r(&s, &tm) == NULL)
        return;
    buf_put(out, text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm));
}

static void put_duration(int64_t ms, struct buf *out)
{
    duration_put(out, ms >= 10000 ? ms - ms % 1000 : ms);
}

void checkin_check_say(const struct checkin_check *c, struct buf *out)
{
    const struct checkin_facts *f = &c->facts;
    buf_put_str(out, c->title);
    if (f->state == CHECKIN_MISSING || f->state == CHECKIN_LATE) {
        buf_printf(out, " is %s: it was due at ", STATES[f->state]);
        put_date(c->due_ms, out);
        if (f->success_ms) {
            buf_put_str(out, STR(" and went well last at "));
            put_date(f->success_ms, out);
        } else {
            buf_put_str(out, STR(" and has never gone well"));
        }
    } else if (f->state == CHECKIN_FAILED) {
        buf_put_str(out, STR(" has failed"));
        if (f->exit >= 0)
            buf_printf(out, " with exit code %lld", (long long)f->exit);
        if (f->duration_ms >= 0) {
            buf_put_str(out, STR(" after "));
            put_duration(f->duration_ms, out);
        }
    } else if (f->state == CHECKIN_OVERRUN) {
        buf_put_str(out, STR(" runs longer than "));
        put_duration(c->schedule.max_runtime_ms, out);
        buf_put_str(out, STR(": it began at "));
        put_date(f->start_ms, out);
    } else {
        buf_printf(out, " is %s", STATES[f->state]);
    }
}

void checkin_check_view(const struct checkin_check *c, struct arena *a, struct checkin_view *ret)
{
    const struct checkin_facts *f = &c->facts;
    *ret = (struct checkin_view){.name = arena_str(a, c->name),
                                 .title = arena_str(a, c->title),
                                 .severity = arena_str(a, c->severity),
                                 .labels = arena_str(a, c->labels),
                                 .configured = c->configured,
                                 .schedule = c->schedule,
                                 .state = f->state,
                                 .since_ms = f->since_ms,
                                 .created_ms = f->created_ms,
                                 .start_ms = f->start_ms,
                                 .end_ms = f->end_ms,
                                 .success_ms = f->success_ms,
                                 .due_ms = c->due_ms,
                                 .duration_ms = f->duration_ms,
                                 .exit = f->exit,
                                 .pings = f->pings};
    ret->schedule.cron = arena_str(a, c->schedule.cron);
    ret->schedule.zone = arena_str(a, c->schedule.zone);
}
