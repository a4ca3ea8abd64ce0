/* Kernel parameters that the configuration names: collect.sysctl as numbers, collect.sysctl_info
 * as texts. "fs.file-nr:total,current,max" names the numbers of one that has several. */
#include "collect/collector.h"

#include <ctype.h>
#include <string.h>

#include "collect/folder.h"

static const struct family NUMBER = {
    "node_sysctl_*", METRIC_UNKNOWN, "Kernel parameter *.", {NULL}};
static const struct family INDEXED = {
    "node_sysctl_*", METRIC_UNKNOWN, "Kernel parameter *.", {"index"}};
static const struct family INFO = {
    "node_sysctl_info", METRIC_GAUGE, "Kernel parameter; always 1.", {"name", "value"}};
static const struct family INDEXED_INFO = {
    "node_sysctl_info", METRIC_GAUGE, "Kernel parameter; always 1.", {"name", "value", "index"}};

/* The parameter's file: dots and slashes are the same. */
static bool load(const struct collector_host *host, struct str name, char room[PSEUDO_SMALL],
                 struct str *ret)
{
    char dir[FOLDER_PATH], file[256];
    if (name.n >= sizeof file)
        return false;
    for (size_t i = 0; i < name.n; i++)
        file[i] = name.p[i] == '.' ? '/' : name.p[i];
    file[name.n] = 0;
    folder_path(dir, "%s/sys", host->proc);
    return strstr(file, "//") == NULL && folder_text(dir, file, room, ret);
}

static struct str metric_of(struct str name, struct str key, struct buf *room)
{
    room->n = 0;
    for (size_t i = 0; i < name.n; i++)
        buf_put_c(room, isalnum((unsigned char)name.p[i]) ? name.p[i] : '_');
    if (key.n) {
        buf_put_c(room, '_');
        buf_put_str(room, key);
    }
    return buf_str(room);
}

/* The next value: they are apart by blanks or tabs. */
static bool next(struct str *rest, struct str *ret)
{
    return str_word(rest, ret) && (*ret = str_trim(*ret)).n > 0;
}

static bool single(struct str text)
{
    struct str word;
    return next(&text, &word) && !next(&text, &word);
}

static void give_numbers(struct emit *e, struct str name, struct str keys, struct str text)
{
    char bytes[512];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    bool alone = single(text);
    struct str word, key;
    double v;
    for (uint64_t i = 0; next(&text, &word); i++) {
        char digits[24];
        struct buf index = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&index, i);
        if (!pseudo_parse(word, &v))
            continue;
        if (keys.p && str_split(&keys, ',', &key))
            emit(e, &NUMBER, v, metric_of(name, str_trim(key), &room));
        else if (alone)
            emit(e, &NUMBER, v, metric_of(name, STR(""), &room));
        else
            emit(e, &INDEXED, v, metric_of(name, STR(""), &room), buf_str(&index));
    }
}

static void give_texts(struct emit *e, struct str name, struct str text)
{
    bool alone = single(text);
    struct str word;
    for (uint64_t i = 0; next(&text, &word); i++) {
        char digits[24];
        struct buf index = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&index, i);
        if (alone)
            emit(e, &INFO, 1, name, word);
        else
            emit(e, &INDEXED_INFO, 1, name, word, buf_str(&index));
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    const struct option_list *numbers = &host->settings->sysctl;
    const struct option_list *texts = &host->settings->sysctl_info;
    char room[PSEUDO_SMALL];
    const char *missing = NULL;
    struct str name, text;
    for (size_t i = 0; i < numbers->n; i++) {
        struct str keys = str_c(numbers->v[i]);
        if (!str_split(&keys, ':', &name) || !load(host, name, room, &text))
            missing = numbers->v[i];
        else
            give_numbers(e, name, keys, text);
    }
    for (size_t i = 0; i < texts->n; i++) {
        name = str_c(texts->v[i]);
        if (!load(host, name, room, &text))
            missing = texts->v[i];
        else
            give_texts(e, name, text);
    }
    if (missing)
        return why_set(why, ERR_IO, "collect.sysctl: %s cannot be read", missing);
    return 0;
}

const struct collector_ops sysctl_collector = {.run = run};
