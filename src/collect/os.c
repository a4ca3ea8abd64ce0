/* The distribution, from os-release(5). */
#include "collect/collector.h"

#include <stdio.h>

#include "collect/pseudo.h"

/* Keys of the file and the labels that they become. */
static const struct str KEYS[] = {
    STR("BUILD_ID"),      STR("ID"),      STR("ID_LIKE"),          STR("IMAGE_ID"),
    STR("IMAGE_VERSION"), STR("NAME"),    STR("PRETTY_NAME"),      STR("VARIANT"),
    STR("VARIANT_ID"),    STR("VERSION"), STR("VERSION_CODENAME"), STR("VERSION_ID"),
};
enum { KEY_ID = 1, KEY_ID_LIKE = 2, KEY_NAME = 5, KEY_VERSION_ID = 11, KEYS_N = COUNTOF(KEYS) };

static const struct family INFO = {"node_os_info",
                                   METRIC_GAUGE,
                                   "What os-release says; always 1.",
                                   {"build_id", "id", "id_like", "image_id", "image_version",
                                    "name", "pretty_name", "variant", "variant_id", "version",
                                    "version_codename", "version_id"}};
static const struct family VERSION = {"node_os_version",
                                      METRIC_GAUGE,
                                      "The version as a number, major.minor.",
                                      {"id", "id_like", "name"}};

static int load(const struct collector_host *host, char room[PSEUDO_SMALL], struct str *ret)
{
    static const char *const PATHS[] = {"/etc/os-release", "/usr/lib/os-release"};
    int err = 0;
    for (size_t i = 0; i < COUNTOF(PATHS); i++) {
        char path[PSEUDO_SMALL];
        snprintf(path, sizeof path, "%s%s", host->root, PATHS[i]);
        err = pseudo_peek(path, room, PSEUDO_SMALL, ret);
        if (!err)
            return 0;
    }
    return err;
}

/* Without the quotes around it. */
static struct str bare(struct str s)
{
    s = str_trim(s);
    if (s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0])
        s = str_sub(s, 1, s.n - 1);
    return s;
}

/* "12.5" of "12.5.1". */
static bool version(struct str s, double *ret)
{
    size_t n = 0, dots = 0;
    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || (s.p[n] == '.' && dots++ == 0)))
        n++;
    return pseudo_parse(str_sub(s, 0, n), ret);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char room[PSEUDO_SMALL];
    struct str text, line, values[KEYS_N] = {{0}};
    int err = load(host, room, &text);
    if (err)
        return why_set(why, (enum err) - err, "%s/etc/os-release cannot be read", host->root);
    while (pseudo_line(&text, &line)) {
        size_t equals = str_find(line, '=');
        for (size_t i = 0; i < KEYS_N; i++)
            if (equals < line.n && str_eq(str_sub(line, 0, equals), KEYS[i]))
                values[i] = bare(str_sub(line, equals + 1, line.n));
    }
    double number;
    emit_value(e, &INFO, 1, values, KEYS_N);
    if (version(values[KEY_VERSION_ID], &number))
        emit(e, &VERSION, number, values[KEY_ID], values[KEY_ID_LIKE], values[KEY_NAME]);
    return 0;
}

const struct collector_ops os_collector = {.open = NULL, .run = run, .close = NULL};
