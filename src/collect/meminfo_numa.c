/* Memory of each NUMA node. */
#include "collect/collector.h"

#include <ctype.h>

#include "collect/folder.h"

static const struct family GAUGE = {
    "node_memory_numa_*", METRIC_GAUGE, "Memory of the node: *.", {"node"}};
static const struct family COUNTER = {
    "node_memory_numa_*_total", METRIC_COUNTER, "Allocations of the node: *.", {"node"}};

/* "Node 0 Active(anon): 12 kB" is Active_anon, 12288. */
static void give_meminfo(struct emit *e, struct str text, struct str node)
{
    struct str line, word, name;
    while (pseudo_line(&text, &line)) {
        char bytes[128];
        struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
        uint64_t v;
        if (!str_word(&line, &word) || !str_word(&line, &word) || !str_word(&line, &name) ||
            !str_ends(name, STR(":")) || !pseudo_u64(&line, &v))
            continue;
        for (size_t i = 0; i < name.n - 1; i++)
            if (name.p[i] != ')')
                buf_put_c(&room, name.p[i] == '(' ? '_' : name.p[i]);
        double unit = str_eq(str_trim(line), STR("kB")) ? 1024 : 1;
        if (!buf_failed(&room))
            emit(e, &GAUGE, (double)v * unit, buf_str(&room), node);
    }
}

static void give_numastat(struct emit *e, struct str text, struct str node)
{
    struct str line, name;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (str_word(&line, &name) && pseudo_u64(&line, &v))
            emit(e, &COUNTER, (double)v, name, node);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder nodes;
    folder_path(path, "%s/devices/system/node", host->sys);
    int err = folder_list(path, "node", &nodes);
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be read", path);
    for (size_t i = 0; i < nodes.n; i++) {
        struct str text, node = str_c(nodes.v[i] + 4);
        if (!isdigit((unsigned char)nodes.v[i][4]))
            continue;
        folder_path(dir, "%s/%s", path, nodes.v[i]);
        if (folder_text(dir, "meminfo", room, &text))
            give_meminfo(e, text, node);
        if (folder_text(dir, "numastat", room, &text))
            give_numastat(e, text, node);
    }
    folder_done(&nodes);
    return 0;
}

const struct collector_ops meminfo_numa_collector = {.run = run};
