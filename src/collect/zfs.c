/* ZFS: the module's statistics and those of its pools, from /proc/spl/kstat/zfs.
 *
 * A file of statistics is two lines of header and then "name type value" rows; a pool's "io" is a
 * line of titles and one of numbers; a pool's "state" is a word. */
#include "collect/collector.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "collect/folder.h"

enum { TYPE_INT64 = 3, TYPE_UINT64 = 4, TITLES_MAX = 32 };

static const struct family STATISTIC = {
    "node_zfs_*", METRIC_UNKNOWN, "Statistic of the module: *.", {NULL}};
static const struct family POOL_IO = {
    "node_zfs_zpool_*", METRIC_UNKNOWN, "Reads and writes of the pool: *.", {"zpool"}};
static const struct family DATASET = {"node_zfs_zpool_dataset_*",
                                      METRIC_UNKNOWN,
                                      "Reads and writes of the dataset: *.",
                                      {"zpool", "dataset"}};
static const struct family STATE = {
    "node_zfs_zpool_state", METRIC_GAUGE, "Is the pool in the state? 1 or 0.", {"zpool", "state"}};

static const struct {
    const char *file, *prefix;
} FILES[] = {
    {"abdstats", "abd"},
    {"arcstats", "arc"},
    {"dbufstats", "dbuf"},
    {"dmu_tx", "dmu_tx"},
    {"dnodestats", "dnode"},
    {"fm", "fm"},
    {"vdev_cache_stats", "vdev_cache"},
    {"vdev_mirror_stats", "vdev_mirror"},
    {"xuio_stats", "xuio"},
    {"zfetchstats", "zfetch"},
    {"zil", "zil"},
};
static const struct str STATES[] = {STR("online"),   STR("degraded"), STR("faulted"),
                                    STR("offline"),  STR("removed"),  STR("unavail"),
                                    STR("suspended")};

/* prefix_name with everything that is no letter or digit as '_'. */
static struct str name_of(const char *prefix, struct str name, struct buf *room)
{
    room->n = 0;
    buf_put_str(room, str_c(prefix));
    if (prefix[0])
        buf_put_c(room, '_');
    for (size_t i = 0; i < name.n; i++)
        buf_put_c(room, isalnum((unsigned char)name.p[i]) ? name.p[i] : '_');
    return buf_str(room);
}

/* A row "name type value" of numbers; false for others. */
static bool row(struct str line, struct str *ret_name, double *ret)
{
    uint64_t type;
    struct str word;
    if (!str_word(&line, ret_name) || !pseudo_u64(&line, &type) || !str_word(&line, &word))
        return false;
    return (type == TYPE_INT64 || type == TYPE_UINT64) && pseudo_parse(word, ret);
}

static void give_statistics(struct emit *e, struct pseudo *file, const char *prefix)
{
    char bytes[256];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str text, line, name;
    double v;
    if (pseudo_read(file, &text, NULL))
        return;
    while (pseudo_line(&text, &line))
        if (row(line, &name, &v) && name.n < sizeof bytes / 2)
            emit(e, &STATISTIC, v, name_of(prefix, name, &room));
}

static void give_io(struct emit *e, const char *pool, struct str text)
{
    char bytes[256];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str line, titles = {0}, title;
    while (pseudo_line(&text, &line)) {
        struct str rest = line;
        uint64_t v;
        if (str_starts(line, STR("nread"))) {
            titles = line;
            continue;
        }
        if (titles.n == 0)
            continue;
        while (str_word(&titles, &title) && pseudo_u64(&rest, &v))
            if (title.n < sizeof bytes / 2)
                emit(e, &POOL_IO, (double)v, name_of("", title, &room), str_c(pool));
        return;
    }
}

/* Rows of numbers of a dataset, whose name stands in the row dataset_name (type 7). */
static void give_dataset(struct emit *e, const char *pool, struct str text)
{
    char bytes[256];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str line, name, dataset = {0};
    double v;
    for (struct str rest = text; pseudo_line(&rest, &line);) {
        struct str word = line, type;
        if (str_word(&word, &name) && str_eq(name, STR("dataset_name")) && str_word(&word, &type))
            dataset = str_trim(word);
    }
    while (dataset.n && pseudo_line(&text, &line))
        if (row(line, &name, &v) && name.n < sizeof bytes / 2)
            emit(e, &DATASET, v, name_of("", name, &room), str_c(pool), dataset);
}

static void give_state(struct emit *e, const char *pool, struct str text)
{
    char bytes[32];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    for (size_t i = 0; i < text.n && i < sizeof bytes - 1; i++)
        buf_put_c(&room, (char)tolower((unsigned char)text.p[i]));
    for (size_t i = 0; i < COUNTOF(STATES); i++)
        emit(e, &STATE, str_eq(buf_str(&room), STATES[i]), str_c(pool), STATES[i]);
}

static void give_pool(struct emit *e, const char *root, const char *pool)
{
    char dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder files;
    struct str text;
    folder_path(dir, "%s/%s", root, pool);
    if (folder_list(dir, "", &files))
        return; /* a file */
    for (size_t i = 0; i < files.n; i++) {
        const char *file = files.v[i];
        if (strcmp(file, "io") == 0 && folder_text(dir, file, room, &text))
            give_io(e, pool, text);
        else if (strcmp(file, "state") == 0 && folder_text(dir, file, room, &text))
            give_state(e, pool, text);
        else if (strncmp(file, "objset-", 7) == 0 && folder_text(dir, file, room, &text))
            give_dataset(e, pool, text);
    }
    folder_done(&files);
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct pseudo *files = mem_array(COUNTOF(FILES), sizeof *files);
    for (size_t i = 0; i < COUNTOF(FILES); i++) {
        char path[FOLDER_PATH];
        folder_path(path, "/spl/kstat/zfs/%s", FILES[i].file);
        pseudo_init(&files[i], host->proc, path);
    }
    *ret = files;
    return 0;
}

static void close_state(void *state)
{
    struct pseudo *files = state;
    for (size_t i = 0; i < COUNTOF(FILES); i++)
        pseudo_done(&files[i]);
    mem_free(files);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct pseudo *files = state;
    char root[FOLDER_PATH];
    struct folder all;
    folder_path(root, "%s/spl/kstat/zfs", host->proc);
    int err = folder_list(root, "", &all);
    if (err)
        return why_set(why, ERR_NOENT, "there is no ZFS");
    for (size_t i = 0; i < COUNTOF(FILES); i++)
        give_statistics(e, &files[i], FILES[i].prefix);
    for (size_t i = 0; i < all.n; i++)
        give_pool(e, root, all.v[i]);
    folder_done(&all);
    return 0;
}

const struct collector_ops zfs_collector = {.open = open_state, .run = run, .close = close_state};
