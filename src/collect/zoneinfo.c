/* Pages of each zone of memory. */
#include "collect/collector.h"

#include "base/buf.h"
#include "collect/pseudo.h"

#define PAGES(name, help)                                                                          \
    {                                                                                              \
        "node_zoneinfo_" name, METRIC_GAUGE, help,                                                 \
        {                                                                                          \
            "node", "zone"                                                                         \
        }                                                                                          \
    }
#define EVENTS(name, help)                                                                         \
    {                                                                                              \
        "node_zoneinfo_" name "_total", METRIC_COUNTER, help,                                      \
        {                                                                                          \
            "node", "zone"                                                                         \
        }                                                                                          \
    }

/* Rows of /proc/zoneinfo that are given. */
static const struct {
    struct str key;
    struct family family;
} ROWS[] = {
    {STR("nr_free_pages"), PAGES("nr_free_pages", "Free pages.")},
    {STR("min"), PAGES("min_pages", "Free pages below which the zone is in need.")},
    {STR("low"), PAGES("low_pages", "Free pages below which reclaim begins.")},
    {STR("high"), PAGES("high_pages", "Free pages at which reclaim ends.")},
    {STR("scanned"), PAGES("scanned_pages", "Pages scanned since the last reclaim.")},
    {STR("spanned"), PAGES("spanned_pages", "Pages that the zone spans, holes too.")},
    {STR("present"), PAGES("present_pages", "Pages that are there.")},
    {STR("managed"), PAGES("managed_pages", "Pages that the kernel hands out.")},
    {STR("nr_active_anon"), PAGES("nr_active_anon_pages", "Anonymous pages, used lately.")},
    {STR("nr_inactive_anon"), PAGES("nr_inactive_anon_pages", "Anonymous pages, not used.")},
    {STR("nr_isolated_anon"), PAGES("nr_isolated_anon_pages", "Anonymous pages, isolated.")},
    {STR("nr_anon_pages"), PAGES("nr_anon_pages", "Anonymous pages that are mapped.")},
    {STR("nr_anon_transparent_hugepages"),
     PAGES("nr_anon_transparent_hugepages", "Anonymous huge pages.")},
    {STR("nr_active_file"), PAGES("nr_active_file_pages", "Pages of files, used lately.")},
    {STR("nr_inactive_file"), PAGES("nr_inactive_file_pages", "Pages of files, not used.")},
    {STR("nr_isolated_file"), PAGES("nr_isolated_file_pages", "Pages of files, isolated.")},
    {STR("nr_file_pages"), PAGES("nr_file_pages", "Pages of files.")},
    {STR("nr_slab_reclaimable"), PAGES("nr_slab_reclaimable_pages", "Slabs that can go.")},
    {STR("nr_slab_unreclaimable"), PAGES("nr_slab_unreclaimable_pages", "Slabs that stay.")},
    {STR("nr_mlock_stack"), PAGES("nr_mlock_stack_pages", "Pages that are locked.")},
    {STR("nr_kernel_stack"), PAGES("nr_kernel_stacks", "Kernel stacks, KiB.")},
    {STR("nr_mapped"), PAGES("nr_mapped_pages", "Pages of files that are mapped.")},
    {STR("nr_dirty"), PAGES("nr_dirty_pages", "Pages to be written.")},
    {STR("nr_writeback"), PAGES("nr_writeback_pages", "Pages being written.")},
    {STR("nr_unevictable"), PAGES("nr_unevictable_pages", "Pages that cannot go.")},
    {STR("nr_shmem"), PAGES("nr_shmem_pages", "Pages of shared memory.")},
    {STR("nr_dirtied"), EVENTS("nr_dirtied", "Pages that became dirty.")},
    {STR("nr_written"), EVENTS("nr_written", "Pages that were written.")},
    {STR("numa_hit"), EVENTS("numa_hit", "Pages given on the node that was wanted.")},
    {STR("numa_miss"), EVENTS("numa_miss", "Pages given here though another was wanted.")},
    {STR("numa_foreign"), EVENTS("numa_foreign", "Pages wanted here, given elsewhere.")},
    {STR("numa_interleave"), EVENTS("numa_interleave", "Pages given by interleaving.")},
    {STR("numa_local"), EVENTS("numa_local", "Pages given to a task of this node.")},
    {STR("numa_other"), EVENTS("numa_other", "Pages given to a task of another node.")},
};
static const struct family PROTECTION = {
    "node_zoneinfo_protection_*", METRIC_GAUGE, "Pages kept from zone *.", {"node", "zone"}};

static void give_protection(struct emit *e, struct str line, struct str node, struct str zone)
{
    struct str rest = str_sub(line, str_find(line, '(') + 1, str_find(line, ')')), word;
    for (uint64_t i = 0; str_split(&rest, ',', &word); i++) {
        char digits[24];
        struct buf number = {digits, 0, sizeof digits, sizeof digits, false};
        double v;
        buf_put_u64(&number, i);
        if (pseudo_parse(str_trim(word), &v))
            emit(e, &PROTECTION, v, buf_str(&number), node, zone);
    }
}

static void give_row(struct emit *e, struct str line, struct str node, struct str zone)
{
    struct str key;
    uint64_t v;
    if (!str_word(&line, &key))
        return;
    if (str_eq(key, STR("protection:"))) {
        give_protection(e, line, node, zone);
        return;
    }
    for (size_t i = 0; i < COUNTOF(ROWS); i++)
        if (str_eq(key, ROWS[i].key) && pseudo_u64(&line, &v))
            emit(e, &ROWS[i].family, (double)v, node, zone);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, node = {0}, zone = {0};
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        struct str word;
        if (!str_starts(line, STR("Node "))) {
            if (node.n)
                give_row(e, line, node, zone);
            continue;
        }
        (void)str_word(&line, &word); /* "Node" */
        if (!str_split(&line, ',', &node) || !str_word(&line, &word) || !str_word(&line, &zone))
            node = (struct str){0};
        else
            node = str_trim(node);
    }
    return 0;
}

const struct collector_ops zoneinfo_collector = {.file = "/zoneinfo", .run = run};
