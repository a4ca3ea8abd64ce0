/* Block caches, from /sys/fs/bcache/UUID: the set, its backing devices (bdevN), its caches
 * (cacheN). Sizes are written for people: "1.3G". */
#include "collect/collector.h"

#include <string.h>

#include "collect/folder.h"

enum { UUID_BYTES = 36 };

#define OF_SET(file, name, type, help, unit)                                                       \
    {                                                                                              \
        file, unit,                                                                                \
        {                                                                                          \
            "node_bcache_" name, type, help,                                                       \
            {                                                                                      \
                "uuid"                                                                             \
            }                                                                                      \
        }                                                                                          \
    }
#define OF_BACKING(file, name, type, help)                                                         \
    {                                                                                              \
        file, 1,                                                                                   \
        {                                                                                          \
            "node_bcache_" name, type, help,                                                       \
            {                                                                                      \
                "uuid", "backing_device"                                                           \
            }                                                                                      \
        }                                                                                          \
    }
#define OF_CACHE(file, name, type, help)                                                           \
    {                                                                                              \
        file, 1,                                                                                   \
        {                                                                                          \
            "node_bcache_" name, type, help,                                                       \
            {                                                                                      \
                "uuid", "cache_device"                                                             \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row SET[] = {
    OF_SET("average_key_size", "average_key_size_sectors", METRIC_GAUGE, "Data of a key.", 1),
    OF_SET("btree_cache_size", "btree_cache_size_bytes", METRIC_GAUGE, "Memory of the tree.", 1),
    OF_SET("cache_available_percent", "cache_available_percent", METRIC_GAUGE,
           "Share of the cache without dirty data.", 1),
    OF_SET("congested", "congested", METRIC_GAUGE, "Congestion.", 1),
    OF_SET("root_usage_percent", "root_usage_percent", METRIC_GAUGE, "Use of the root node.", 1),
    OF_SET("tree_depth", "tree_depth", METRIC_GAUGE, "Depth of the tree.", 1),
    OF_SET("internal/active_journal_entries", "active_journal_entries", METRIC_GAUGE,
           "Entries of the journal newer than the index.", 1),
    OF_SET("internal/btree_nodes", "btree_nodes", METRIC_GAUGE, "Nodes of the tree.", 1),
    OF_SET("internal/btree_read_average_duration_us", "btree_read_average_duration_seconds",
           METRIC_GAUGE, "Mean time to read a node.", 1e-9),
    OF_SET("internal/cache_read_races", "cache_read_races_total", METRIC_COUNTER,
           "Reads whose bucket was reused meanwhile.", 1),
};
static const struct folder_row BACKING[] = {
    OF_BACKING("dirty_data", "dirty_data_bytes", METRIC_GAUGE, "Dirty data in the cache."),
    OF_BACKING("stats_total/bypassed", "bypassed_bytes_total", METRIC_COUNTER,
               "Bytes that went past the cache."),
    OF_BACKING("stats_total/cache_hits", "cache_hits_total", METRIC_COUNTER, "Hits."),
    OF_BACKING("stats_total/cache_misses", "cache_misses_total", METRIC_COUNTER, "Misses."),
    OF_BACKING("stats_total/cache_bypass_hits", "cache_bypass_hits_total", METRIC_COUNTER,
               "Hits of what was to go past the cache."),
    OF_BACKING("stats_total/cache_bypass_misses", "cache_bypass_misses_total", METRIC_COUNTER,
               "Misses of what was to go past the cache."),
    OF_BACKING("stats_total/cache_miss_collisions", "cache_miss_collisions_total", METRIC_COUNTER,
               "Misses that a write overtook."),
    OF_BACKING("stats_total/cache_readaheads", "cache_readaheads_total", METRIC_COUNTER,
               "Times that was read ahead."),
};
/* Rows of writeback_rate_debug. */
static const struct folder_row WRITEBACK[] = {
    OF_BACKING("target", "dirty_target_bytes", METRIC_GAUGE, "Dirty data that is aimed at."),
    OF_BACKING("rate", "writeback_rate", METRIC_GAUGE, "Bytes written back a second."),
    OF_BACKING("proportional", "writeback_rate_proportional_term", METRIC_GAUGE,
               "Part of the rate from the proportional controller."),
    OF_BACKING("integral", "writeback_rate_integral_term", METRIC_GAUGE,
               "Part of the rate from the integral controller."),
    OF_BACKING("change", "writeback_change", METRIC_GAUGE, "Last change of the rate."),
};
static const struct folder_row CACHE[] = {
    OF_CACHE("io_errors", "io_errors", METRIC_GAUGE, "Errors, which fade with time."),
    OF_CACHE("metadata_written", "metadata_written_bytes_total", METRIC_COUNTER,
             "Bytes of metadata written."),
    OF_CACHE("written", "written_bytes_total", METRIC_COUNTER, "Bytes of data written."),
};
/* Rows of priority_stats, which walks over all buckets: read where it is there. */
static const struct folder_row PRIORITY[] = {
    OF_CACHE("Unused:", "priority_stats_unused_percent", METRIC_GAUGE, "Share without data."),
    OF_CACHE("Metadata:", "priority_stats_metadata_percent", METRIC_GAUGE, "Share of metadata."),
};

/* "1.3G" and "512.0k/sec" in bytes. The driver writes hundreds of 1024ths after the point: "1.3G"
 * is 1 GiB and 300 MiB. */
static bool size_of(struct str s, double *ret)
{
    static const char UNITS[] = "kMGTPEZY";
    double whole, part = 0, unit = 1;
    struct str number, rest = s;
    size_t n = 0;
    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.' || s.p[n] == '-'))
        n++;
    const char *last = n < s.n ? strchr(UNITS, s.p[n]) : NULL;
    for (const char *p = UNITS; last && p <= last; p++)
        unit *= 1024;
    rest = str_sub(s, 0, n);
    if (!str_split(&rest, '.', &number) || !pseudo_parse(number, &whole) ||
        (rest.n && !pseudo_parse(rest, &part)))
        return false;
    *ret = whole * unit + (number.p[0] == '-' ? -part : part) * 100 / 1024 * unit;
    return true;
}

static void give_sizes(struct emit *e, const char *dir, const struct folder_row *rows, size_t n,
                       const struct str *values, size_t values_n)
{
    for (size_t i = 0; i < n; i++) {
        char room[PSEUDO_SMALL];
        struct str text;
        double v;
        if (folder_text(dir, rows[i].file, room, &text) && size_of(text, &v))
            emit_value(e, &rows[i].family, v * rows[i].unit, values, values_n);
    }
}

/* The rows of a file "name: value". */
static void give_rows(struct emit *e, const char *dir, const char *file,
                      const struct folder_row *rows, size_t n, const struct str values[2])
{
    char room[PSEUDO_SMALL];
    struct str text, line, key;
    if (!folder_text(dir, file, room, &text))
        return;
    while (pseudo_line(&text, &line)) {
        double v;
        if (!str_word(&line, &key) || !size_of(str_trim(line), &v))
            continue;
        struct str bare = str_ends(key, STR(":")) ? str_sub(key, 0, key.n - 1) : key;
        for (size_t i = 0; i < n; i++)
            if (str_eq(key, str_c(rows[i].file)) || str_eq(bare, str_c(rows[i].file)))
                emit_value(e, &rows[i].family, v, values, 2);
    }
}

static void give_set(struct emit *e, const char *path, const char *uuid)
{
    char dir[FOLDER_PATH], part[FOLDER_PATH];
    struct folder all;
    const struct str name = str_c(uuid);
    folder_path(dir, "%s/%s", path, uuid);
    if (folder_list(dir, "", &all))
        return;
    give_sizes(e, dir, SET, COUNTOF(SET), &name, 1);
    for (size_t i = 0; i < all.n; i++) {
        const struct str values[] = {name, str_c(all.v[i])};
        folder_path(part, "%s/%s", dir, all.v[i]);
        if (strncmp(all.v[i], "bdev", 4) == 0) {
            give_sizes(e, part, BACKING, COUNTOF(BACKING), values, 2);
            give_rows(e, part, "writeback_rate_debug", WRITEBACK, COUNTOF(WRITEBACK), values);
        } else if (strncmp(all.v[i], "cache", 5) == 0 && strchr("0123456789", all.v[i][5])) {
            give_sizes(e, part, CACHE, COUNTOF(CACHE), values, 2);
            give_rows(e, part, "priority_stats", PRIORITY, COUNTOF(PRIORITY), values);
        }
    }
    folder_done(&all);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH];
    struct folder sets;
    bool any = false;
    folder_path(path, "%s/fs/bcache", host->sys);
    if (folder_list(path, "", &sets))
        return why_set(why, ERR_NOENT, "there is no bcache");
    for (size_t i = 0; i < sets.n; i++) {
        if (strlen(sets.v[i]) != UUID_BYTES)
            continue;
        any = true;
        give_set(e, path, sets.v[i]);
    }
    folder_done(&sets);
    return any ? 0 : why_set(why, ERR_NOENT, "there is no bcache");
}

const struct collector_ops bcache_collector = {.run = run};
