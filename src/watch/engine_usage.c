#include <stdio.h>

#include "base/vec.h"
#include "watch/engine_inside.h"
#include "watch/json_line.h"

/* Sums over the tree. */
static void read_tree(struct engine_unit *u, struct engine_usage *ret, uint64_t *ret_ticks)
{
    struct process_list all = {0};
    int64_t shared_most = 0, own_all = 0;
    engine_tree_list(u, &all);
    *ret_ticks = 0;
    ret->files = 0;
    ret->processes = (int64_t)all.n;
    for (size_t i = 0; i < all.n; i++) {
        struct process_stat s;
        int64_t own, shared;
        if (!process_stat_read(all.v[i], &s))
            continue;
        *ret_ticks += s.cpu_ticks;
        process_memory(all.v[i], &own, &shared);
        own_all += own;
        shared_most = MAX(shared_most, shared);
        ret->files += process_files(all.v[i]);
    }
    int64_t counted = cgroup_memory(&u->cgroup);
    ret->memory = counted >= 0 ? counted : own_all + shared_most;
    vec_free(&all);
}

static void note_usage(struct engine_unit *u)
{
    const struct engine_usage *g = &u->usage;
    struct buf event;
    char text[ENGINE_TEXT_MAX];
    if (u->engine->plan->verbosity < 2)
        return;
    int n = snprintf(text, sizeof text,
                     "%lld KiB, %lld.%lld %% of a processor, %lld files, %lld processes",
                     (long long)g->memory / 1024, (long long)g->cpu_tenths / 10,
                     (long long)g->cpu_tenths % 10, (long long)g->files, (long long)g->processes);
    struct str said = str_of(text, (size_t)n);
    engine_journal_begin(u, KEEPER_DEBUG, "usage", said, &event);
    json_line_i64(&event, "memory_bytes", g->memory);
    json_line_tenths(&event, "cpu_percent", g->cpu_tenths);
    json_line_i64(&event, "files", g->files);
    json_line_i64(&event, "processes", g->processes);
    engine_journal_put(u->engine, u, KEEPER_DEBUG, "usage", said, &event);
}

static void check_limit(struct engine_unit *u, int which, int64_t now, int64_t value, int64_t limit)
{
    static const enum keeper_cause causes[] = {KEEPER_MEMORY, KEEPER_CPU, KEEPER_FILES};
    static const char *const units[] = {"bytes of memory", "% of a processor", "open files"};
    int64_t *since = &u->usage.over_ms[which];
    char text[KEEPER_TEXT_MAX];
    if (limit <= 0 || value <= limit) {
        *since = -1;
        return;
    }
    if (*since < 0)
        *since = now;
    if (now - *since < u->row.limit_for_ms)
        return;
    snprintf(text, sizeof text, "%lld %s are more than %lld, for %lld s", (long long)value,
             units[which], (long long)limit, (long long)(now - *since) / 1000);
    *since = -1;
    keeper_over_limit(&u->keeper, now, causes[which], text);
}

static void read_unit(struct engine_unit *u, int64_t now)
{
    struct engine_usage *g = &u->usage;
    uint64_t ticks;
    read_tree(u, g, &ticks);
    int64_t passed = now - g->read_ms;
    g->cpu_tenths = 0;
    if (g->read_ms && passed > 0 && ticks >= g->cpu_ticks)
        g->cpu_tenths = (int64_t)(ticks - g->cpu_ticks) * 1000 * 1000 / (process_ticks() * passed);
    g->cpu_ticks = ticks;
    g->read_ms = now;
    g->wall_ms = engine_wall_ms();
    note_usage(u);
    check_limit(u, 0, now, g->memory, u->row.memory_max);
    check_limit(u, 1, now, g->cpu_tenths / 10, u->row.cpu_percent_max);
    check_limit(u, 2, now, g->files, u->row.files_max);
}

static void note_dropped(struct engine_unit *u)
{
    uint64_t dropped = spool_dropped(u->log);
    struct buf event;
    char text[ENGINE_TEXT_MAX];
    if (dropped == u->output_dropped)
        return;
    int err = spool_error(u->log);
    int n = snprintf(text, sizeof text, "%llu bytes of its output were not written: %s",
                     (unsigned long long)(dropped - u->output_dropped),
                     err ? err_text(err) : "it prints faster than the disk writes");
    struct str said = str_of(text, (size_t)n);
    engine_journal_begin(u, KEEPER_WARN, "output", said, &event);
    json_line_i64(&event, "dropped_bytes", (int64_t)(dropped - u->output_dropped));
    u->output_dropped = dropped;
    engine_journal_put(u->engine, u, KEEPER_WARN, "output", said, &event);
}

void engine_usage_read(struct engine *e)
{
    int64_t now = engine_now_ms();
    for (size_t i = 0; i < e->n; i++) {
        if (e->units[i]->pid)
            read_unit(e->units[i], now);
        note_dropped(e->units[i]);
    }
}
