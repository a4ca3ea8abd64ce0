/* Counters of the network's caches by core, from /proc/net/stat: in each file a line of names and
 * a line of hexadecimal numbers for each core. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family COUNT = {
    "node_lnstat_*_total", METRIC_COUNTER, "Events * of the cache.", {"subsystem", "cpu"}};

static void give(struct emit *e, struct str text, struct str subsystem)
{
    struct str line, names;
    if (!pseudo_line(&text, &names))
        return;
    for (uint64_t core = 0; pseudo_line(&text, &line); core++) {
        struct str rest = names, name, word;
        char digits[24];
        struct buf cpu = {digits, 0, sizeof digits, sizeof digits, false};
        uint64_t v;
        buf_put_u64(&cpu, core);
        while (str_word(&rest, &name) && str_word(&line, &word))
            if (pseudo_hex(word, &v))
                emit(e, &COUNT, (double)v, name, subsystem, buf_str(&cpu));
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH];
    struct folder files;
    folder_path(path, "%s/net/stat", host->proc);
    int err = folder_list(path, "", &files);
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be read", path);
    for (size_t i = 0; i < files.n; i++) {
        char name[FOLDER_PATH];
        struct pseudo file;
        struct str text;
        folder_path(name, "/%s", files.v[i]);
        pseudo_init(&file, path, name);
        if (pseudo_read(&file, &text, NULL) == 0)
            give(e, text, str_c(files.v[i]));
        pseudo_done(&file);
    }
    folder_done(&files);
    return 0;
}

const struct collector_ops lnstat_collector = {.run = run};
