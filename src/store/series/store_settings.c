#include <string.h>

#include "base/arena.h"
#include "base/attr.h"
#include "crypt/keyring.h"
#include "store/face/selector.h"
#include "store/series/index.h"
#include "store/series/store.h"
#include "store/series/store_inside.h"

#define AT(member) offsetof(struct store_settings, member)

static const struct option ROWS[] = {
    {"acknowledge", OPTION_CHOICE, AT(acknowledge), "durable", 0, 0, "durable|appended", 0,
     "When a write is answered: \"durable\" after the group commit that put it on the disk, "
     "\"appended\" as soon as it is in memory and on its way (a crash may then lose what "
     "commit_interval_ms holds)."},
    {"commit_interval_ms", OPTION_INT, AT(commit_interval_ms), "100", 1, 10000, NULL, 0,
     "Records that nobody waits for are written after this time at the latest; those that somebody "
     "waits for are written at once."},
    {"key_file", OPTION_TEXT, AT(key_file), "", 0, 4096, NULL, 0,
     "File with the encryption keys (\"ID HEX64\" a line, newest first). Empty: what is on disk is "
     "not encrypted. Keep a copy of the file elsewhere: without it the data is lost."},
    {"flush_interval_s", OPTION_INT, AT(flush_interval_s), "900", 1, 86400, NULL, OPTION_RELOAD,
     "The newest samples are written from memory into a part at least this often."},
    {"flush_samples_max", OPTION_INT, AT(flush_samples_max), "16000000", 1000, 1e12, NULL,
     OPTION_RELOAD,
     "Or as soon as this many samples are in memory and in the log: it bounds how long a start "
     "after a crash takes."},
    {"flush_bytes_max", OPTION_INT, AT(flush_bytes_max), "134217728", 1048576, 1e13, NULL,
     OPTION_RELOAD, "Or as soon as the values in memory take this many bytes."},
    {"log_segment_bytes", OPTION_INT, AT(log_segment_bytes), "67108864", 1048576, 1073741824, NULL,
     0, "Size of one file of the write-ahead log; made smaller by itself on a small disk."},
    {"out_of_order_window_s", OPTION_INT, AT(out_of_order_window_s), "86400", 0, 3.2e9, NULL,
     OPTION_RELOAD,
     "Samples older than this are refused (too_old). Within it samples may come in any order; the "
     "last one written for a timestamp wins."},
    {"retention_s", OPTION_INT, AT(retention_s), "1296000", 3600, 3.2e9, NULL, OPTION_RELOAD,
     "How long samples are kept (15 days by default)."},
    {"retention_bytes", OPTION_INT, AT(retention_bytes), "0", 0, 1e18, NULL, OPTION_RELOAD,
     "Most bytes that one tenant's samples take on disk; the oldest go first. 0: no limit."},
    {"tier_5m_retention_s", OPTION_INT, AT(tier_5m_retention_s), "7776000", 0, 3.2e9, NULL,
     OPTION_RELOAD,
     "How long aggregates over 5 minutes are kept, which answer for times whose samples are gone "
     "(90 "
     "days by default). 0: none are made."},
    {"tier_1h_retention_s", OPTION_INT, AT(tier_1h_retention_s), "63072000", 0, 3.2e9, NULL,
     OPTION_RELOAD,
     "How long aggregates over an hour are kept (2 years by default). 0: none are made."},
    {"series_max", OPTION_INT, AT(series_max), "0", 0, 4e9, NULL, OPTION_RELOAD,
     "Most active series of one tenant; new ones beyond are refused and counted by metric. 0: as "
     "many as the memory of this machine (or cgroup) allows."},
    {"series_per_metric_max", OPTION_INT, AT(series_per_metric_max), "0", 0, 4e9, NULL,
     OPTION_RELOAD, "Most active series of one metric of one tenant. 0: no limit."},
    {"tenants_max", OPTION_INT, AT(tenants_max), "10000", 1, 1e6, NULL, OPTION_RELOAD,
     "Most tenants; a write for one more is refused."},
    {"exemplars_max", OPTION_INT, AT(exemplars_max), "100000", 0, 1e8, NULL, OPTION_RELOAD,
     "Exemplars of one tenant kept in memory until the next flush; the oldest give way."},
    {"page_cache_bytes", OPTION_INT, AT(page_cache_bytes), "0", 0, 1e13, NULL, 0,
     "Memory for pages read from disk. 0: 5 % of this machine's memory, at most 1 GiB."},
    {"merge_bytes_per_s", OPTION_INT, AT(merge_bytes_per_s), "67108864", 65536, 1e12, NULL,
     OPTION_RELOAD, "How fast parts are merged in the background at most."},
};

const struct option_table store_options = {"store", "Where and how long samples are kept.",
                                           false,   sizeof(struct store_settings),
                                           ROWS,    COUNTOF(ROWS)};

#undef AT
#define AT(member) offsetof(struct store_retention, member)

static const struct option RETENTION_ROWS[] = {
    {"selector", OPTION_TEXT, AT(selector), "", 0, 4096, NULL, 0,
     "Which series, as in PromQL: up{job=\"x\"}, {__name__=~\"debug_.*\"}."},
    {"tenant", OPTION_TEXT, AT(tenant), "", 0, TENANT_NAME_MAX, NULL, 0,
     "Only those of this tenant. Empty: of all."},
    {"keep_s", OPTION_INT, AT(keep_s), "1296000", 3600, 3.2e9, NULL, 0,
     "How long their samples are kept."},
};

const struct option_table store_retention_options = {
    "store.retention",
    "Series that are kept for another time than store.retention_s; the first row that matches "
    "counts.",
    true,
    sizeof(struct store_retention),
    RETENTION_ROWS,
    COUNTOF(RETENTION_ROWS)};

#undef AT
#define AT(member) offsetof(struct store_tenant_limits, member)

static const struct option TENANT_ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, TENANT_NAME_MAX, NULL, 0, "The tenant."},
    {"series_max", OPTION_INT, AT(series_max), "0", 0, 4e9, NULL, 0,
     "Its most active series. 0: store.series_max."},
    {"retention_s", OPTION_INT, AT(retention_s), "0", 0, 3.2e9, NULL, 0,
     "How long its samples are kept. 0: store.retention_s."},
    {"retention_bytes", OPTION_INT, AT(retention_bytes), "0", 0, 1e18, NULL, 0,
     "Most bytes of its samples on disk. 0: store.retention_bytes."},
};

const struct option_table store_tenant_options = {
    "store.tenant", "Limits of single tenants.", true, sizeof(struct store_tenant_limits),
    TENANT_ROWS,    COUNTOF(TENANT_ROWS)};

void store_settings_init(struct store_settings *s)
{
    *s = (struct store_settings){0};
    option_defaults(&store_options, s);
}

static bool name_is_good(const char *name)
{
    static const char GOOD[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return name[0] != '\0' && name[0] != '.' && name[strspn(name, GOOD)] == '\0';
}

static int check_retention(const struct option_rows *all, struct why *why)
{
    const struct store_retention *rows = all->v;
    int err = 0;
    if (all->n >= STORE_CLASSES_MAX)
        return why_set(why, ERR_LIMIT, "store.retention has %zu rows, at most %d", all->n,
                       STORE_CLASSES_MAX - 1);
    for (size_t i = 0; err == 0 && i < all->n; i++) {
        struct arena arena;
        struct matcher *matchers;
        struct index_matchers *compiled = NULL;
        size_t n;
        arena_init(&arena);
        err = selector_parse(str_c(rows[i].selector), &arena, &matchers, &n, why);
        if (err == 0)
            err = index_matchers_new(matchers, n, &compiled, why);
        index_matchers_free(compiled);
        arena_done(&arena);
        if (err != 0)
            why_prefix(why, "store.retention %zu, selector", i + 1);
        else if (rows[i].tenant[0] != '\0' && !name_is_good(rows[i].tenant))
            err = why_set(why, ERR_FORMAT, "store.retention %zu: \"%s\" is no name of a tenant",
                          i + 1, rows[i].tenant);
    }
    return err;
}

int store_settings_check(const struct store_settings *s, struct why *why)
{
    const struct store_tenant_limits *tenants = s->tenants.v;
    int err = check_retention(&s->retention, why);
    if (err != 0)
        return err;
    for (size_t i = 0; i < s->tenants.n; i++) {
        if (!name_is_good(tenants[i].name))
            return why_set(why, ERR_FORMAT,
                           "store.tenant %zu: name = \"%s\" is none: write up to %d of a-z, A-Z, "
                           "0-9, '_', '.', '-', not beginning with '.'",
                           i + 1, tenants[i].name, TENANT_NAME_MAX);
    }
    if (s->key_file[0] == '\0')
        return 0;
    struct keyring *ring;
    err = keyring_load(s->key_file, &ring, why);
    if (err != 0) {
        why_prefix(why, "store.key_file");
        return err;
    }
    keyring_free(ring);
    return 0;
}
