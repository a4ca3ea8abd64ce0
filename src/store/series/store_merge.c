#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "store/series/store_inside.h"

enum {
    MERGE_RUN = 4,       /* parts of one level that are worth a merge */
    MERGE_LEVEL_MAX = 3, /* levels within a day; beyond, a part is final */
    FINAL_LEVEL = 8,     /* one part for a whole day */
    MONTH_DAYS = 32,
    MONTH_LEVEL = 9,
    SETTLE_MS = 2 * 3600000, /* after the end of a day, before it is put together */
    UPKEEP_S = 10,
    IDLE_MINUTES = 60, /* without a sample, before a series leaves the head */
    SWEEP_MAX = 1 << 20,
};

static struct stat stat_merges = STAT_COUNTER("sonde_store_merges_total", "Merges of parts.");
static struct stat stat_bytes =
    STAT_COUNTER("sonde_store_merge_bytes_total", "Bytes that merges have written.");
static struct stat stat_expired =
    STAT_COUNTER("sonde_store_parts_expired_total", "Parts that retention removed.");

/* ---- running one merge */

struct job {
    struct store *s;
    struct tenant *t;
    struct tenant_part **parts; /* [n] oldest first */
    size_t n;
    struct tenant_part **old; /* [old_n] what the result takes the place of */
    size_t old_n;
    enum part_tier tier;
    uint32_t level;
    uint64_t written, begun_ns;
};

static size_t class_of(void *context, struct str key)
{
    struct job *j = context;
    return store_class_of(j->s, j->t, key);
}

/* Keeps the bytes written below the setting's rate, so that a merge does not take the disk. */
static int budget(void *context, uint64_t bytes)
{
    struct job *j = context;
    if (j->s->stopping)
        return 1;
    j->written += bytes;
    stat_add(&stat_bytes, bytes);
    int64_t due_ns = (int64_t)((double)j->written * 1e9 / (double)j->s->settings.merge_bytes_per_s);
    int64_t ahead_ns = due_ns - (clock_monotonic_ns(&clock_real) - (int64_t)j->begun_ns);
    if (ahead_ns > 0 && !j->s->config.manual) {
        thread_lock(&j->s->wake_lock);
        if (!j->s->stopping)
            thread_wait_for(&j->s->wake, &j->s->wake_lock, MIN(ahead_ns, (int64_t)1000000000));
        thread_unlock(&j->s->wake_lock);
    }
    return 0;
}

static void warn(void *context, const char *text)
{
    struct job *j = context;
    for (size_t i = 0; i < j->n; i++)
        atomic_store(&j->parts[i]->damaged, true);
    store_warn(j->s, "merge of tenant %s: %s", j->t->name, text);
}

/* The deletions that concern any of the parts. */
static struct merge_tombstone *tombstones_of(struct tenant *t, size_t *ret_n)
{
    thread_lock(&t->parts_lock);
    struct merge_tombstone *rows = mem_array(t->tombstones.n, sizeof *rows);
    for (size_t i = 0; i < t->tombstones.n; i++)
        rows[i] = (struct merge_tombstone){t->tombstones.v[i].matchers, t->tombstones.v[i].from_ms,
                                           t->tombstones.v[i].to_ms, t->tombstones.v[i].sequence};
    *ret_n = t->tombstones.n;
    thread_unlock(&t->parts_lock);
    return rows;
}

static int run_merge(struct job *j, struct merge_output *outputs, size_t *outputs_n,
                     char *dirs[STORE_CLASSES_MAX], struct why *why)
{
    struct part *parts[MERGE_PARTS_MAX];
    const char *classes[STORE_CLASSES_MAX];
    struct part_place at = store_place(j->s);
    struct merge m = {.at = &at,
                      .parts = parts,
                      .parts_n = j->n,
                      .from_ms = INT64_MIN,
                      .to_ms = INT64_MAX,
                      .tier = j->tier,
                      .level = j->level,
                      .tenant = j->t->name,
                      .class_of = class_of,
                      .classes = classes,
                      .classes_n = j->s->classes_n,
                      .dirs = (const char *const *)dirs,
                      .budget = budget,
                      .warn = warn,
                      .context = j};
    for (size_t i = 0; i < j->n; i++) {
        parts[i] = j->parts[i]->part;
        m.sequence = MAX(m.sequence, part_info(parts[i])->sequence);
    }
    for (size_t i = 0; i < j->s->classes_n; i++) {
        classes[i] = j->s->classes[i].name;
        dirs[i] = tenant_new_dir(j->t);
    }
    m.tombstones = tombstones_of(j->t, &m.tombstones_n);
    int err = merge_run(&m, outputs, outputs_n, why);
    mem_free((void *)(uintptr_t)m.tombstones);
    return err;
}

/* Merges and publishes. */
static int merge_parts(struct job *j, struct why *why)
{
    struct merge_output outputs[MERGE_CLASSES_MAX];
    char *dirs[STORE_CLASSES_MAX] = {0};
    const char *made[STORE_CLASSES_MAX];
    struct manifest_edit edit;
    size_t n = 0;
    stat_register(&stat_merges);
    stat_register(&stat_bytes);
    j->begun_ns = (uint64_t)clock_monotonic_ns(&clock_real);
    int err = run_merge(j, outputs, &n, dirs, why);
    for (size_t i = 0; i < n && !err; i++)
        made[i] = dirs[outputs[i].class_at];
    manifest_edit_init(&edit);
    if (!err)
        err = tenant_publish(j->t, made, n, j->old, j->old_n, &edit, why);
    manifest_edit_done(&edit);
    for (size_t i = 0; i < STORE_CLASSES_MAX; i++)
        mem_free(dirs[i]);
    if (!err)
        stat_add(&stat_merges, 1);
    return err;
}

int store_rewrite_part(struct store *s, struct tenant *t, struct tenant_part *p, struct why *why)
{
    struct job job = {.s = s,
                      .t = t,
                      .parts = &p,
                      .n = 1,
                      .old = &p,
                      .old_n = 1,
                      .tier = part_info(p->part)->tier,
                      .level = part_info(p->part)->level};
    return merge_parts(&job, why);
}

/* ---- choosing */

struct choice {
    struct tenant_part *v[MERGE_PARTS_MAX];
    size_t n;
    uint32_t level;
};

static bool same_class(const struct tenant_part *a, const struct part_info *b)
{
    return strcmp(part_info(a->part)->retention_class, b->retention_class) == 0;
}

/* Raw parts of one day and class, by sequence. */
static void parts_of_day(const struct tenant *t, const struct tenant_part *sample, int64_t day,
                         struct choice *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < t->parts.n && ret->n < MERGE_PARTS_MAX; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->tier == PART_RAW && info->level < MONTH_LEVEL &&
            store_day(info->first_ms) == day && same_class(sample, info))
            ret->v[ret->n++] = t->parts.v[i];
    }
}

/* A run of neighbours of one level; those after them stay newer than the result. */
static bool choose_run(const struct choice *day, struct choice *ret)
{
    for (size_t from = 0; from < day->n;) {
        uint32_t level = part_info(day->v[from]->part)->level;
        size_t to = from;
        while (to < day->n && part_info(day->v[to]->part)->level == level)
            to++;
        if (to - from >= MERGE_RUN && level < MERGE_LEVEL_MAX) {
            ret->n = to - from;
            memcpy(ret->v, day->v + from, ret->n * sizeof *ret->v);
            ret->level = level + 1;
            return true;
        }
        from = to;
    }
    return false;
}

static bool touched_by_tombstone(const struct tenant *t, const struct tenant_part *p)
{
    const struct part_info *info = part_info(p->part);
    for (size_t i = 0; i < t->tombstones.n; i++)
        if (p->number <= t->tombstones.v[i].sequence &&
            info->first_ms <= t->tombstones.v[i].to_ms &&
            info->last_ms >= t->tombstones.v[i].from_ms)
            return true;
    return false;
}

static bool choose_day(struct store *s, const struct tenant *t, bool final, struct choice *ret)
{
    int64_t now = clock_wall_ms(s->config.clock);
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        struct choice day;
        if (info->tier != PART_RAW || info->level >= MONTH_LEVEL)
            continue;
        int64_t number = store_day(info->first_ms);
        parts_of_day(t, t->parts.v[i], number, &day);
        bool over = now > (number + 1) * STORE_DAY_MS + SETTLE_MS;
        bool settled = day.n == 1 && info->level >= FINAL_LEVEL;
        if ((over || final) && day.n > 0 && !settled && (day.n > 1 || over)) {
            *ret = day;
            ret->level = over ? FINAL_LEVEL : MERGE_LEVEL_MAX;
            return true;
        }
        if (choose_run(&day, ret))
            return true;
    }
    return false;
}

/* Days that are put together each, of a range of 32 days that is over. */
static bool choose_month(struct store *s, const struct tenant *t, struct choice *ret)
{
    int64_t today = store_day(clock_wall_ms(s->config.clock));
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        int64_t month = store_day(info->first_ms) / MONTH_DAYS;
        if (info->tier != PART_RAW || info->level != FINAL_LEVEL ||
            month >= (today - 2) / MONTH_DAYS)
            continue;
        ret->n = 0;
        ret->level = MONTH_LEVEL;
        for (size_t k = 0; k < t->parts.n && ret->n < MERGE_PARTS_MAX; k++) {
            const struct part_info *other = part_info(t->parts.v[k]->part);
            if (other->tier == PART_RAW && store_day(other->first_ms) / MONTH_DAYS == month &&
                other->level >= FINAL_LEVEL && same_class(t->parts.v[i], other))
                ret->v[ret->n++] = t->parts.v[k];
        }
        if (ret->n > 1)
            return true;
    }
    return false;
}

static bool choose_deleted(const struct tenant *t, struct choice *ret)
{
    for (size_t i = 0; i < t->parts.n; i++) {
        if (!touched_by_tombstone(t, t->parts.v[i]))
            continue;
        ret->v[0] = t->parts.v[i];
        ret->n = 1;
        ret->level = part_info(t->parts.v[i]->part)->level;
        return true;
    }
    return false;
}

/* Has that part of a finer tier its counterpart of this one? */
static bool has_tier(const struct tenant *t, const struct part_info *fine, enum part_tier tier)
{
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->tier == tier && info->sequence == fine->sequence &&
            strcmp(info->retention_class, fine->retention_class) == 0)
            return true;
    }
    return false;
}

/* The parts of that tier and class that begin on the same day. */
static void parts_of_tier(const struct tenant *t, const struct tenant_part *source,
                          enum part_tier tier, struct choice *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < t->parts.n && ret->n < MERGE_PARTS_MAX; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (info->tier == tier && same_class(source, info) &&
            store_day(info->first_ms) == store_day(part_info(source->part)->first_ms))
            ret->v[ret->n++] = t->parts.v[i];
    }
}

/* ---- retention by time */

static int64_t keep_s_of(struct store *s, const struct tenant *t, enum part_tier tier,
                         const struct part_info *info)
{
    /* Hourly aggregates are made from those of 5 minutes, which then live as long as the samples
     * that they would be made from again. */
    if (tier == PART_5M && (s->settings.tier_5m_retention_s || !s->settings.tier_1h_retention_s))
        return s->settings.tier_5m_retention_s;
    if (tier == PART_1H)
        return s->settings.tier_1h_retention_s;
    for (size_t i = 1; i < s->classes_n; i++)
        if (strcmp(s->classes[i].name, info->retention_class) == 0)
            return s->classes[i].keep_s;
    const struct store_tenant_limits *rows = s->settings.tenants.v;
    for (size_t i = 0; i < s->settings.tenants.n; i++)
        if (strcmp(rows[i].name, t->name) == 0 && rows[i].retention_s)
            return rows[i].retention_s;
    return s->settings.retention_s;
}

static bool is_expired(struct store *s, const struct tenant *t, enum part_tier tier,
                       const struct part_info *info)
{
    return info->last_ms < clock_wall_ms(s->config.clock) - keep_s_of(s, t, tier, info) * 1000;
}

/* ---- choosing tiers */

/* A finished day without its 5 minute tier, or such a tier without its hourly one. */
static bool choose_tier(struct store *s, const struct tenant *t, struct choice *ret,
                        enum part_tier *ret_tier)
{
    for (size_t i = 0; i < t->parts.n; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        enum part_tier tier = info->tier == PART_RAW ? PART_5M : PART_1H;
        bool wanted = tier == PART_5M
                          ? s->settings.tier_5m_retention_s || s->settings.tier_1h_retention_s
                          : s->settings.tier_1h_retention_s;
        if (info->tier == PART_1H || info->level != FINAL_LEVEL || !wanted ||
            is_expired(s, t, tier, info) || /* it would be made again and again */
            has_tier(t, info, tier))
            continue;
        ret->v[0] = t->parts.v[i];
        ret->n = 1;
        ret->level = FINAL_LEVEL;
        *ret_tier = tier;
        return true;
    }
    return false;
}

int store_merge_tenant(struct store *s, struct tenant *t, bool final, bool *ret_any,
                       struct why *why)
{
    struct choice choice = {0};
    enum part_tier tier = PART_RAW;
    bool makes_tier = false;
    /* Only this thread changes the list (work_lock): it may be read without parts_lock. */
    bool found = choose_deleted(t, &choice);
    if (found)
        tier = part_info(choice.v[0]->part)->tier;
    else
        found = choose_day(s, t, final, &choice);
    if (!found)
        makes_tier = found = choose_tier(s, t, &choice, &tier);
    if (!found)
        found = choose_month(s, t, &choice);
    *ret_any = found;
    if (!found)
        return 0;

    /* A merge replaces its inputs, a tier the one that was made of an older state of the day. */
    struct choice old = choice;
    if (makes_tier)
        parts_of_tier(t, choice.v[0], tier, &old);
    struct job job = {.s = s,
                      .t = t,
                      .parts = choice.v,
                      .n = choice.n,
                      .old = old.v,
                      .old_n = old.n,
                      .tier = tier,
                      .level = choice.level};
    int err = merge_parts(&job, why);
    if (!err)
        tenant_drop_tombstones(t);
    return err;
}

/* ---- retention by size, and of all */

static uint64_t bytes_max_of(struct store *s, const struct tenant *t)
{
    const struct store_tenant_limits *rows = s->settings.tenants.v;
    for (size_t i = 0; i < s->settings.tenants.n; i++)
        if (strcmp(rows[i].name, t->name) == 0 && rows[i].retention_bytes)
            return (uint64_t)rows[i].retention_bytes;
    return (uint64_t)s->settings.retention_bytes;
}

static int drop_parts(struct tenant *t, struct tenant_part *const *parts, size_t n, struct why *why)
{
    struct manifest_edit edit;
    manifest_edit_init(&edit);
    int err = tenant_publish(t, NULL, 0, parts, n, &edit, why);
    manifest_edit_done(&edit);
    if (!err)
        stat_add(&stat_expired, n);
    return err;
}

/* By size the oldest day goes first, and of a day the samples before what was made of them (which
 * would be made again). */
static bool goes_before(const struct part_info *a, const struct part_info *b)
{
    if (store_day(a->last_ms) != store_day(b->last_ms))
        return a->last_ms < b->last_ms;
    return a->tier != b->tier ? a->tier < b->tier : a->last_ms < b->last_ms;
}

static int expire(struct store *s, struct tenant *t, struct why *why)
{
    struct tenant_part *gone[MERGE_PARTS_MAX];
    size_t n = 0;
    uint64_t total = 0, max = bytes_max_of(s, t);
    stat_register(&stat_expired);
    for (size_t i = 0; i < t->parts.n && n < MERGE_PARTS_MAX; i++) {
        const struct part_info *info = part_info(t->parts.v[i]->part);
        if (is_expired(s, t, info->tier, info))
            gone[n++] = t->parts.v[i];
        else
            total += info->disk_bytes;
    }
    while (n == 0 && max && total > max && t->parts.n > 0) {
        struct tenant_part *oldest = t->parts.v[0];
        for (size_t i = 1; i < t->parts.n; i++)
            if (goes_before(part_info(t->parts.v[i]->part), part_info(oldest->part)))
                oldest = t->parts.v[i];
        total -= part_info(oldest->part)->disk_bytes;
        int err = drop_parts(t, &oldest, 1, why);
        if (err)
            return err;
    }
    return n ? drop_parts(t, gone, n, why) : 0;
}

/* Series without samples leave the head; their ids are free when the catalogue is without them. */
static void sweep(struct store *s, struct tenant *t)
{
    uint32_t *ids = mem_array(SWEEP_MAX, sizeof *ids);
    size_t n = 0;
    uint32_t minute = store_minute(s);
    if (minute > IDLE_MINUTES)
        head_sweep(t->head, minute - IDLE_MINUTES, ids, SWEEP_MAX, &n);
    catalogue_note_dead(&t->catalogue, n);
    for (size_t i = 0; i < n; i++)
        vec_push(&t->dead_ids, ids[i]);
    mem_free(ids);
}

bool store_upkeep(struct store *s)
{
    int64_t now = clock_monotonic_ns(&clock_real);
    struct store_stats stats;
    struct why why = {0};
    size_t n;
    if (now < s->next_upkeep_ns)
        return false;
    s->next_upkeep_ns = now + (int64_t)UPKEEP_S * 1000000000;
    store_stats(s, &stats);
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n; i++) {
        atomic_store(&list[i]->head->minute, store_minute(s));
        if (expire(s, list[i], &why))
            store_warn(s, "retention of tenant %s: %s", list[i]->name, why.text);
        sweep(s, list[i]);
    }
    mem_free(list);
    return false;
}

bool store_work(struct store *s)
{
    struct why why = {0};
    bool any = false;
    thread_lock(&s->work_lock);
    if (store_flush_due(s)) {
        any = store_flush_all(s, &why) == 0;
        if (!any)
            store_warn(s, "flush: %s", why.text);
    }
    store_upkeep(s);
    size_t n;
    struct tenant **list = store_tenants(s, &n);
    for (size_t i = 0; i < n && !any && !s->stopping; i++) {
        int err = clock_monotonic_ns(&clock_real) < s->retry_merge_ns
                      ? 0
                      : store_merge_tenant(s, list[i], false, &any, &why);
        if (err && err != -ERR_CANCELED) {
            store_warn(s, "merge of tenant %s: %s", list[i]->name, why.text);
            s->retry_merge_ns = clock_monotonic_ns(&clock_real) + (int64_t)UPKEEP_S * 1000000000;
            any = false;
        }
    }
    mem_free(list);
    thread_unlock(&s->work_lock);
    return any;
}
