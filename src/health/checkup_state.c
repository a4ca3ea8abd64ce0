/* What a reading does to a check's state, to its children's, and to who is told. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "health/checkup_inside.h"
#include "model/labels.h"

enum { KEY_MAX = 16 * 1024 };

static const char *const MODULE = "health";

/* ---- alerts */

static void put_labels(const struct checkup_check *k, enum checkup_level level, struct buf *b)
{
    const struct checkup_settings *s = &k->settings;
    struct label v[CHECKUP_SETTINGS_LABELS_MAX + 5];
    size_t n = 0;
    bool bad = level == CHECKUP_UNHEALTHY;
    for (size_t i = 0; i < s->labels.n; i++) {
        struct str text = str_c(s->labels.v[i]);
        size_t equals = str_find(text, '=');
        v[n++] = (struct label){str_sub(text, 0, equals), str_sub(text, equals + 1, text.n)};
    }
    const struct label own[] = {
        {STR("alertname"), bad ? STR("CheckUnhealthy") : STR("CheckDegraded")},
        {STR("check"), str_c(s->name)},
        {STR("kind"), str_c(s->kind)},
        {STR("group"), str_c(s->group)},
        {STR("severity"), str_c(bad ? s->severity : s->severity_degraded)},
    };
    for (size_t i = 0; i < COUNTOF(own); i++) {
        size_t at = 0;
        while (at < n && !str_eq(v[at].name, own[i].name))
            at++;
        if (own[i].value.n == 0)
            continue;
        v[at] = own[i];
        n = MAX(n, at + 1);
    }
    for (size_t i = 1; i < n; i++) /* a few: by name */
        for (size_t j = i; j > 0 && str_cmp(v[j].name, v[j - 1].name) < 0; j--) {
            struct label swap = v[j];
            v[j] = v[j - 1];
            v[j - 1] = swap;
        }
    for (size_t i = 0; i < n; i++)
        labels_put(b, v[i].name, v[i].value);
}

static void tell(struct checkup_check *k, enum checkup_level level, bool resolved, bool first)
{
    struct checkup *c = k->checkup;
    int64_t now = clock_wall_ms(c->plan.clock);
    struct buf labels, annotations;
    char summary[300];
    if (c->plan.alerts == NULL)
        return;
    buf_init(&labels, KEY_MAX);
    buf_init(&annotations, KEY_MAX);
    put_labels(k, level, &labels);
    snprintf(summary, sizeof summary, "%s is %s", k->settings.name,
             level == CHECKUP_UNHEALTHY ? "unhealthy" : "degraded");
    labels_put(&annotations, STR("description"), str_c(k->result.message));
    labels_put(&annotations, STR("summary"), str_c(summary));
    const struct alert a = {.labels = buf_str(&labels),
                            .annotations = buf_str(&annotations),
                            .starts_ms = k->fired_ms,
                            .ends_ms = resolved ? k->over_ms : now + CHECKUP_BELIEVE_MS,
                            .resolved = resolved,
                            .first = first,
                            .value = level,
                            .generator_url = STR("")};
    c->plan.alerts->ops->send(c->plan.alerts, &a, 1);
    buf_done(&annotations);
    buf_done(&labels);
}

static void set_level(struct checkup_check *k, enum checkup_level level)
{
    int64_t now = clock_wall_ms(k->checkup->plan.clock);
    if (level == k->level)
        return;
    if (k->level != CHECKUP_QUIET) {
        k->over_ms = now;
        k->told = k->level;
        k->level = CHECKUP_QUIET;
        tell(k, k->told, true, true);
    }
    if (level == CHECKUP_QUIET)
        return;
    k->level = level;
    k->told = CHECKUP_QUIET;
    k->fired_ms = k->since_ms;
    tell(k, level, false, true);
}

void checkup_inside_quiet(struct checkup_check *k)
{
    set_level(k, CHECKUP_QUIET);
}

void checkup_inside_resend(struct checkup *c)
{
    int64_t now = clock_wall_ms(c->plan.clock);
    for (size_t i = 0; i < c->checks.n; i++) {
        struct checkup_check *k = c->checks.v[i];
        if (k->level != CHECKUP_QUIET)
            tell(k, k->level, false, false);
        else if (k->told != CHECKUP_QUIET && now - k->over_ms < CHECKUP_RESOLVED_MS)
            tell(k, k->told, true, false);
        else
            k->told = CHECKUP_QUIET;
    }
}

/* ---- events */

static void put_event(const struct checkup_check *k)
{
    static const char *const STATUS[] = {"succeeded", "failed", "failed", ""};
    struct checkup *c = k->checkup;
    struct buf labels;
    char title[300];
    if (c->plan.events == NULL)
        return;
    buf_init(&labels, KEY_MAX);
    labels_put(&labels, STR("check"), str_c(k->settings.name));
    snprintf(title, sizeof title, "%s is %s", k->settings.name, checkup_word(k->shown));
    const struct event e = {.time_ms = k->since_ms,
                            .kind = STR("health"),
                            .title = str_c(title),
                            .text = str_c(k->result.message),
                            .source = STR("health"),
                            .labels = buf_str(&labels),
                            .status = str_c(STATUS[k->shown]),
                            .id_key = STR(""),
                            .url = STR("")};
    event_add(c->plan.events, &e);
    buf_done(&labels);
}

/* ---- state */

/* Is it bad, or about to be? What it explains need not be told. */
static bool is_down(const struct checkup_check *k)
{
    return k->ever && (k->shown == HEALTH_UNHEALTHY || k->because != NULL ||
                       (k->result.state == HEALTH_UNHEALTHY && k->standing.side > 0));
}

static const struct checkup_check *reason_of(const struct checkup_check *k)
{
    for (size_t i = 0; i < k->parents_n; i++)
        if (is_down(k->parents[i]))
            return k->parents[i]->because != NULL ? k->parents[i]->because : k->parents[i];
    return NULL;
}

/* Has a parent, which may be why, not been looked at yet? */
static bool waits_for_parent(const struct checkup_check *k)
{
    for (size_t i = 0; i < k->parents_n; i++)
        if (k->parents[i]->kind != NULL && !k->parents[i]->standing.ever && !is_down(k->parents[i]))
            return true;
    return false;
}

static enum checkup_level level_of(const struct checkup_check *k)
{
    if (!k->settings.alert || k->maintenance || !k->ever)
        return CHECKUP_QUIET;
    return k->shown == HEALTH_UNHEALTHY  ? CHECKUP_UNHEALTHY
           : k->shown == HEALTH_DEGRADED ? CHECKUP_DEGRADED
                                         : CHECKUP_QUIET;
}

static void log_change(const struct checkup_check *k)
{
    if (k->because != NULL)
        log_info(MODULE, "check %s: unknown, because %s is down", k->settings.name,
                 k->because->settings.name);
    else if (k->shown == HEALTH_UNHEALTHY || k->shown == HEALTH_DEGRADED)
        log_warn(MODULE, "check %s: %s: %s", k->settings.name, checkup_word(k->shown),
                 k->result.message);
    else
        log_info(MODULE, "check %s: %s", k->settings.name, checkup_word(k->shown));
}

/* Since when it is what it is: over a restart where it was the same before. */
static int64_t begin_of(const struct checkup_check *k, int64_t now)
{
    bool same = k->carried && k->carried_state == k->shown;
    return same ? k->carried_since_ms : now;
}

/* What is shown follows what has settled, unless a parent explains it. */
void checkup_inside_reconsider(struct checkup_check *k)
{
    struct checkup *c = k->checkup;
    if (!k->standing.ever || (k->standing.state != HEALTH_OK && waits_for_parent(k)))
        return;
    const struct checkup_check *because = k->standing.state != HEALTH_OK ? reason_of(k) : NULL;
    enum health_state shown = because != NULL ? HEALTH_UNKNOWN : k->standing.state;
    int64_t now = clock_wall_ms(c->plan.clock);
    bool open = k->history.n > 0 && k->history.v[k->history.n - 1].to_ms == INT64_MAX;
    bool first = !open, changed = first || shown != k->shown || because != k->because;
    bool maintained = open && k->history.v[k->history.n - 1].maintenance != k->maintenance;
    if (changed || maintained) {
        thread_lock(&c->lock);
        bool other = first || shown != k->shown;
        k->shown = shown;
        k->because = because;
        if (other)
            k->since_ms = first ? begin_of(k, now) : now;
        k->carried = false;
        standing_change(&k->history, now, shown, k->maintenance,
                        (size_t)c->plan.settings->own.history_max);
        thread_unlock(&c->lock);
        checkup_record_change(k);
        if (changed && !(first && shown == HEALTH_OK)) {
            log_change(k);
            put_event(k);
        }
    }
    set_level(k, level_of(k));
    for (size_t i = 0; changed && i < k->children_n; i++)
        checkup_inside_reconsider(k->children[i]);
}

void checkup_inside_take(struct checkup_check *k, struct checkup_result *r)
{
    struct checkup *c = k->checkup;
    const struct checkup_settings *s = &k->settings;
    if (r->state == HEALTH_OK && s->degraded_above_ms > 0 &&
        r->duration_s * 1000 > (double)s->degraded_above_ms)
        checkup_result_say(r, HEALTH_DEGRADED, "it took %.0f ms, more than %lld",
                           r->duration_s * 1000, (long long)s->degraded_above_ms);
    thread_lock(&c->lock);
    mem_free(k->result.figures);
    k->result = *r;
    r->figures = NULL;
    r->figures_n = 0;
    k->last_ms = clock_wall_ms(c->plan.clock);
    k->runs++;
    k->failures += k->result.state == HEALTH_UNHEALTHY;
    if (!k->ever && k->carried)
        k->standing = (struct standing){.state = k->carried_state, .ever = true};
    k->ever = true;
    (void)standing_take(&k->standing, k->result.state, (unsigned)s->fall, (unsigned)s->rise);
    thread_unlock(&c->lock);
    /* A child that begins to fail asks its parents at once: they may be why. */
    if (k->result.state == HEALTH_UNHEALTHY && k->standing.row <= 1)
        for (size_t i = 0; i < k->parents_n; i++)
            checkup_inside_run_soon(k->parents[i]);
    checkup_inside_reconsider(k);
    if (k->result.state == HEALTH_UNHEALTHY || k->standing.side != 0 || k->runs == 1)
        for (size_t i = 0; i < k->children_n; i++)
            checkup_inside_reconsider(k->children[i]);
}
