#include "watch/conf/watch_conf_words.h"

#include <string.h>

#include "conf/member.h"
#include "text/byte_size.h"
#include "text/duration.h"

enum { KEY_MAX = 64 /* bytes */ };

/* What a key may be called besides. */
static const struct {
    const char *word, *key;
} OTHERS[] = {
    {"env", "environment"},
    {"cwd", "folder"},
    {"cpu", "cpu_percent_max"},
    {"cgroup_cpu", "cgroup_cpu_percent_max"},
};

enum how { HOW_PLAIN, HOW_DURATION, HOW_SIZE };

/* Is word (with underscores) the key, or the key without its unit? */
static bool is_key(struct str word, const char *key, enum how *ret)
{
    static const struct {
        const char *end;
        enum how how;
    } ENDS[] = {
        {"", HOW_PLAIN}, {"_ms", HOW_DURATION}, {"_bytes_max", HOW_SIZE}, {"_max", HOW_PLAIN}};
    struct str whole = str_c(key);
    if (!str_starts(whole, word))
        return false;
    for (size_t i = 0; i < COUNTOF(ENDS); i++)
        if (str_eq(str_sub(whole, word.n, whole.n), str_c(ENDS[i].end))) {
            *ret = ENDS[i].how;
            return true;
        }
    return false;
}

static const struct option *find(struct str word, enum how *ret)
{
    for (size_t i = 0; i < COUNTOF(OTHERS); i++)
        if (str_eq(word, str_c(OTHERS[i].word)))
            word = str_c(OTHERS[i].key);
    for (size_t i = 0; i < watch_conf_program_options.n; i++)
        if (is_key(word, watch_conf_program_options.rows[i].key, ret))
            return &watch_conf_program_options.rows[i];
    return NULL;
}

static bool is_text_list(const char *key)
{
    return strcmp(key, "environment") == 0;
}

static bool is_comma_list(const char *key)
{
    return strcmp(key, "after") == 0 || strcmp(key, "pauses") == 0;
}

static void set_list(const struct option *o, const char *value, struct arena *a, void *row)
{
    struct option_list *list = (void *)((char *)row + o->offset);
    if (!is_text_list(o->key)) {
        const char **v = arena_array(a, 4, sizeof *v);
        v[0] = "/bin/sh";
        v[1] = "-c";
        v[2] = arena_str(a, str_c(value)).p;
        *list = (struct option_list){v, 3};
        return;
    }
    const char **v = arena_array(a, list->n + 2, sizeof *v);
    for (size_t i = 0; i < list->n; i++)
        v[i] = list->v[i];
    v[list->n] = arena_str(a, str_c(value)).p;
    *list = (struct option_list){v, list->n + 1};
}

static int set_value(const struct option *o, enum how how, const char *value, struct arena *a,
                     void *row, struct why *why)
{
    int64_t number;
    int err = 0;
    if (o->type == OPTION_LIST && !is_comma_list(o->key)) {
        set_list(o, value, a, row);
        return 0;
    }
    struct str text = str_c(value);
    if (how == HOW_DURATION)
        err = duration_read(text, &number, why);
    if (how == HOW_SIZE)
        err = byte_size_read(text, &number, why);
    if (err == 0 && how != HOW_PLAIN)
        text = arena_printf(a, "%lld", (long long)number);
    return err != 0 ? err : member_set_text(o, text, a, row, why);
}

/* One switch, at words[at]; how many words it took in *ret. */
static int take(char *const *words, size_t n, size_t at, struct arena *a,
                struct watch_conf_program *row, size_t *ret, struct why *why)
{
    char key[KEY_MAX];
    const char *word = words[at] + 2, *equal = strchr(word, '=');
    size_t length = equal != NULL ? (size_t)(equal - word) : strlen(word);
    enum how how;
    const struct option *o = NULL;
    if (length < sizeof key) {
        for (size_t i = 0; i <= length; i++)
            key[i] = (char)(i == length ? '\0' : word[i] == '-' ? '_' : word[i]);
        o = find(str_of(key, length), &how);
    }
    if (o == NULL || strcmp(o->key, "command") == 0)
        return why_set(why, ERR_FORMAT, "%s is not known; see docs/reference/watch.program.md",
                       words[at]);
    const char *value = equal != NULL ? equal + 1 : NULL;
    *ret = 1;
    if (value == NULL && o->type == OPTION_BOOL)
        value = "true";
    if (value == NULL && at + 1 < n && words[at + 1] != NULL) {
        value = words[at + 1];
        *ret = 2;
    }
    if (value == NULL)
        return why_set(why, ERR_FORMAT, "%s lacks its value", words[at]);
    int err = set_value(o, how, value, a, row, why);
    if (err != 0)
        why_prefix(why, "%s %s", words[at], *ret == 2 ? value : "");
    return err;
}

int watch_conf_words(char *const *words, size_t n, struct arena *a, struct watch_conf_program *ret,
                     size_t *ret_used, struct why *why)
{
    size_t at = 0;
    while (at < n && (words[at] == NULL || strncmp(words[at], "--", 2) == 0)) {
        if (words[at] != NULL && words[at][2] == '\0') {
            at++;
            break;
        }
        size_t used = 1;
        if (words[at] != NULL) {
            int err = take(words, n, at, a, ret, &used, why);
            if (err != 0)
                return err;
        }
        at += used;
    }
    *ret_used = at;
    return 0;
}

void watch_conf_words_defaults(struct arena *a, struct watch_conf_program *ret)
{
    member_defaults(&watch_conf_program_options, a, ret);
}
