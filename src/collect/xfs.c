/* Counters of XFS file systems, from /sys/fs/xfs/DEVICE/stats/stats: a row is a name and numbers
 * whose places have a meaning. */
#include "collect/collector.h"

#include "collect/folder.h"

#define COUNT(name, help)                                                                          \
    {                                                                                              \
        "node_xfs_" name "_total", METRIC_COUNTER, help,                                           \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }

static const struct {
    struct str row;
    size_t place;
    struct family family;
} COUNTS[] = {
    {STR("extent_alloc"), 0, COUNT("extent_allocation_extents_allocated", "Extents allocated.")},
    {STR("extent_alloc"), 1, COUNT("extent_allocation_blocks_allocated", "Blocks allocated.")},
    {STR("extent_alloc"), 2, COUNT("extent_allocation_extents_freed", "Extents freed.")},
    {STR("extent_alloc"), 3, COUNT("extent_allocation_blocks_freed", "Blocks freed.")},
    {STR("abt"), 0, COUNT("allocation_btree_lookups", "Lookups of free space.")},
    {STR("abt"), 1, COUNT("allocation_btree_compares", "Compares of free space.")},
    {STR("abt"), 2, COUNT("allocation_btree_records_inserted", "Free extents entered.")},
    {STR("abt"), 3, COUNT("allocation_btree_records_deleted", "Free extents taken out.")},
    {STR("blk_map"), 0, COUNT("block_mapping_reads", "Block maps read.")},
    {STR("blk_map"), 1, COUNT("block_mapping_writes", "Block maps written.")},
    {STR("blk_map"), 2, COUNT("block_mapping_unmaps", "Block maps deleted.")},
    {STR("blk_map"), 3, COUNT("block_mapping_extent_list_insertions", "Extents entered.")},
    {STR("blk_map"), 4, COUNT("block_mapping_extent_list_deletions", "Extents taken out.")},
    {STR("blk_map"), 5, COUNT("block_mapping_extent_list_lookups", "Lookups of extents.")},
    {STR("blk_map"), 6, COUNT("block_mapping_extent_list_compares", "Compares of extents.")},
    {STR("bmbt"), 0, COUNT("block_map_btree_lookups", "Lookups of block maps.")},
    {STR("bmbt"), 1, COUNT("block_map_btree_compares", "Compares of block maps.")},
    {STR("bmbt"), 2, COUNT("block_map_btree_records_inserted", "Block maps entered.")},
    {STR("bmbt"), 3, COUNT("block_map_btree_records_deleted", "Block maps taken out.")},
    {STR("dir"), 0, COUNT("directory_operation_lookup", "Names looked up.")},
    {STR("dir"), 1, COUNT("directory_operation_create", "Names created.")},
    {STR("dir"), 2, COUNT("directory_operation_remove", "Names removed.")},
    {STR("dir"), 3, COUNT("directory_operation_getdents", "Directories listed.")},
    {STR("ig"), 0, COUNT("inode_operation_attempts", "Inodes looked for in the cache.")},
    {STR("ig"), 1, COUNT("inode_operation_found", "Inodes found in the cache.")},
    {STR("ig"), 2, COUNT("inode_operation_recycled", "Inodes found while they were freed.")},
    {STR("ig"), 3, COUNT("inode_operation_missed", "Inodes not found in the cache.")},
    {STR("ig"), 4, COUNT("inode_operation_duplicates", "Inodes entered by another meanwhile.")},
    {STR("ig"), 5, COUNT("inode_operation_reclaims", "Inodes taken out of the cache.")},
    {STR("ig"), 6, COUNT("inode_operation_attribute_changes", "Attributes changed.")},
    {STR("rw"), 0, COUNT("write_calls", "Calls of write().")},
    {STR("rw"), 1, COUNT("read_calls", "Calls of read().")},
    {STR("vnodes"), 0, COUNT("vnode_active", "Vnodes not on a free list.")},
    {STR("vnodes"), 1, COUNT("vnode_allocate", "Vnodes allocated.")},
    {STR("vnodes"), 2, COUNT("vnode_get", "Vnodes got.")},
    {STR("vnodes"), 3, COUNT("vnode_hold", "Vnodes held.")},
    {STR("vnodes"), 4, COUNT("vnode_release", "Vnodes released.")},
    {STR("vnodes"), 5, COUNT("vnode_reclaim", "Vnodes reclaimed.")},
    {STR("vnodes"), 6, COUNT("vnode_remove", "Vnodes removed.")},
};
enum { PLACES_MAX = 16 };

static void give(struct emit *e, struct str text, struct str device)
{
    struct str line, name;
    while (pseudo_line(&text, &line)) {
        uint64_t v[PLACES_MAX];
        size_t n = 0;
        if (!str_word(&line, &name))
            continue;
        while (n < PLACES_MAX && pseudo_u64(&line, &v[n]))
            n++;
        for (size_t i = 0; i < COUNTOF(COUNTS); i++)
            if (COUNTS[i].place < n && str_eq(COUNTS[i].row, name))
                emit(e, &COUNTS[i].family, (double)v[COUNTS[i].place], device);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder devices;
    bool any = false;
    folder_path(path, "%s/fs/xfs", host->sys);
    if (folder_list(path, "", &devices))
        return why_set(why, ERR_NOENT, "there is no XFS");
    for (size_t i = 0; i < devices.n; i++) {
        struct str text;
        folder_path(dir, "%s/%s/stats", path, devices.v[i]);
        /* "stats" beside the devices is the sum of them. */
        if (!folder_text(dir, "stats", room, &text))
            continue;
        any = true;
        give(e, text, str_c(devices.v[i]));
    }
    folder_done(&devices);
    return any ? 0 : why_set(why, ERR_NOENT, "there is no XFS");
}

const struct collector_ops xfs_collector = {.run = run};
