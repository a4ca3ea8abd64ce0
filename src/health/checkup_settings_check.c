/* What one check needs, and what all of them need of each other. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "health/checkup_place.h"
#include "health/checkup_settings.h"
#include "health/maintenance.h"
#include "model/labels.h"
#include "net/url.h"
#include "os/dns.h"
#include "text/regex.h"

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > CHECKUP_SETTINGS_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && strchr("_-.:/", c) == NULL)
            return false;
    }
    return true;
}

static int check_labels(const struct option_list *labels, struct why *why)
{
    if (labels->n > CHECKUP_SETTINGS_LABELS_MAX)
        return why_set(why, ERR_LIMIT, "labels has more than %d", CHECKUP_SETTINGS_LABELS_MAX);
    for (size_t i = 0; i < labels->n; i++) {
        struct str s = str_c(labels->v[i]);
        size_t equals = str_find(s, '=');
        if (equals == s.n || !label_name_plain(str_sub(s, 0, equals)))
            return why_set(why, ERR_FORMAT, "labels has \"%s\": \"name=value\" is expected",
                           labels->v[i]);
    }
    return 0;
}

static int check_status(const struct option_list *list, struct why *why)
{
    for (size_t i = 0; i < list->n; i++) {
        struct str s = str_c(list->v[i]);
        size_t dash = str_find(s, '-');
        uint64_t from, to;
        bool good = str_u64(str_sub(s, 0, dash), &from) && from >= 100 && from <= 999;
        to = good ? from : 0;
        if (good && dash < s.n)
            good = str_u64(str_sub(s, dash + 1, s.n), &to) && to >= from && to <= 999;
        if (!good)
            return why_set(why, ERR_FORMAT, "status has \"%s\": \"200\" or \"200-399\" is expected",
                           list->v[i]);
    }
    return 0;
}

static int check_http(const struct checkup_settings *s, struct why *why)
{
    struct url u;
    int err = url_split(str_c(s->url), &u, why);
    if (err != 0)
        return err;
    if ((!str_eq(u.scheme, STR("http")) && !str_eq(u.scheme, STR("https"))) || u.host.n == 0)
        return why_set(why, ERR_FORMAT, "url is \"%s\": http:// or https:// is expected", s->url);
    for (size_t i = 0; i < s->headers.n; i++) {
        struct str h = str_c(s->headers.v[i]);
        size_t colon = str_find(h, ':');
        if (colon == 0 || colon == h.n || strpbrk(s->headers.v[i], "\r\n") != NULL)
            return why_set(why, ERR_FORMAT, "headers has \"%s\": \"Name: value\" is expected",
                           s->headers.v[i]);
    }
    return check_status(&s->status, why);
}

static int check_address(const struct checkup_settings *s, struct why *why)
{
    struct checkup_place place;
    return checkup_place_read(str_c(s->address), &place, why);
}

static int needs(const char *value, const char *key, struct why *why)
{
    if (value[0] != '\0')
        return 0;
    return why_set(why, ERR_FORMAT, "%s is missing, which this kind of check needs", key);
}

static int check_dns(const struct checkup_settings *s, struct why *why)
{
    struct dns_server server;
    int err = needs(s->domain, "domain", why);
    if (err == 0 && s->address[0] != '\0')
        err = dns_server_read(str_c(s->address), &server, why);
    return err;
}

static int check_systemd(const struct checkup_settings *s, struct why *why)
{
    if (s->address[0] != '\0' && strncmp(s->address, "unix:/", 6) != 0)
        return why_set(why, ERR_FORMAT, "address is \"%s\": \"unix:/path\" is expected",
                       s->address);
    return needs(s->unit, "unit", why);
}

static int check_process(const struct checkup_settings *s, struct why *why)
{
    if (s->process[0] == '\0' && s->cmdline[0] == '\0' && s->pid_file[0] == '\0' &&
        s->user[0] == '\0')
        return why_set(why, ERR_FORMAT,
                       "one of process, cmdline, pid_file and user has to say which process");
    if (s->count_max > 0 && s->count_max < s->count_min)
        return why_set(why, ERR_RANGE, "count_max is less than count_min");
    if (s->cmdline[0] == '\0')
        return 0;
    struct regex *re;
    int err = regex_new_search(str_c(s->cmdline), &re, why);
    if (err == 0)
        regex_free(re);
    return err;
}

static int check_kind(const struct checkup_settings *s, struct why *why)
{
    struct str kind = str_c(s->kind);
    static const char *const ADDRESSED[] = {"tcp", "grpc", "postgresql", "mysql", "redis"};
    for (size_t i = 0; i < COUNTOF(ADDRESSED); i++)
        if (str_eq(kind, str_c(ADDRESSED[i])))
            return check_address(s, why);
    if (str_eq(kind, STR("http")))
        return check_http(s, why);
    if (str_eq(kind, STR("icmp")))
        return needs(s->address, "address", why);
    if (str_eq(kind, STR("dns")))
        return check_dns(s, why);
    if (str_eq(kind, STR("command")))
        return needs(s->command.n > 0 ? s->command.v[0] : "", "command", why);
    if (str_eq(kind, STR("process")))
        return check_process(s, why);
    if (str_eq(kind, STR("systemd")))
        return check_systemd(s, why);
    if (str_eq(kind, STR("file")))
        return s->path[0] == '/' ? 0
                                 : why_set(why, ERR_FORMAT,
                                           "path is \"%s\": the whole path, from "
                                           "/ on, is expected",
                                           s->path);
    return 0;
}

int checkup_settings_check(const struct checkup_settings *s, struct why *why)
{
    int err = 0;
    if (!is_name(s->name))
        err =
            why_set(why, ERR_FORMAT,
                    "its name is missing or has other characters than letters, digits, _ - . : /");
    if (err == 0)
        err = check_labels(&s->labels, why);
    if (err == 0 && s->depends_on.n > CHECKUP_SETTINGS_PARENTS_MAX)
        err = why_set(why, ERR_LIMIT, "depends_on has more than %d", CHECKUP_SETTINGS_PARENTS_MAX);
    return err != 0 ? err : check_kind(s, why);
}

int checkup_settings_maintenance_check(const struct checkup_settings_maintenance *m,
                                       struct why *why)
{
    struct maintenance_window w;
    int err = check_labels(&m->labels, why);
    return err != 0 ? err : maintenance_read(m, &w, why);
}

/* ---- all of them */

struct whole {
    const struct checkup_settings *v; /* [n] */
    size_t n;
    struct map names; /* -> index */
    char *seen;       /* [n] 0: not yet, 1: on the way, 2: done */
};

/* Follows the parents of check i; false where they lead back to it. Depth is that of the longest
 * chain, held by CHECKUP_DEPTH_MAX. */
enum { DEPTH_MAX = 64 };

static int follow(struct whole *w, size_t i, int depth, struct why *why)
{
    const struct checkup_settings *s = &w->v[i];
    if (w->seen[i] == 2)
        return 0;
    if (w->seen[i] == 1)
        return why_set(why, ERR_FORMAT, "depends_on of check \"%s\" leads back to itself", s->name);
    if (depth > DEPTH_MAX)
        return why_set(why, ERR_LIMIT, "depends_on of check \"%s\": the chain is longer than %d",
                       s->name, DEPTH_MAX);
    w->seen[i] = 1;
    int err = 0;
    for (size_t k = 0; k < s->depends_on.n && err == 0; k++) {
        const union map_value *parent = map_get(&w->names, str_c(s->depends_on.v[k]));
        if (parent == NULL)
            err = why_set(why, ERR_NOENT, "check \"%s\" depends on \"%s\", which is no check",
                          s->name, s->depends_on.v[k]);
        else
            err = follow(w, (size_t)parent->u, depth + 1, why);
    }
    w->seen[i] = 2;
    return err;
}

static int check_checks(const struct option_rows *rows, struct why *why)
{
    struct whole w = {.v = rows->v, .n = rows->n};
    int err = 0;
    if (rows->n > CHECKUP_SETTINGS_MAX)
        return why_set(why, ERR_LIMIT, "there are more than %d of [[check]]", CHECKUP_SETTINGS_MAX);
    map_init(&w.names, 0);
    w.seen = mem_array(w.n + 1, 1);
    for (size_t i = 0; i < w.n && err == 0; i++) {
        bool is_new = true;
        err = checkup_settings_check(&w.v[i], why);
        if (err == 0)
            map_put(&w.names, str_c(w.v[i].name), &is_new)->u = i;
        if (!is_new)
            err = why_set(why, ERR_EXISTS, "there is another one before it of that name");
        if (err != 0)
            why_prefix(why, "[[check]] %zu (name \"%s\")", i + 1, w.v[i].name);
    }
    for (size_t i = 0; i < w.n && err == 0; i++)
        err = follow(&w, i, 0, why);
    map_done(&w.names);
    mem_free(w.seen);
    return err;
}

int checkup_settings_check_all(const struct checkup_plan_settings *s, struct why *why)
{
    int err = check_checks(&s->checks, why);
    const struct checkup_settings_maintenance *m = s->maintenance.v;
    if (err == 0 && s->maintenance.n > CHECKUP_SETTINGS_MAINTENANCE_MAX)
        err = why_set(why, ERR_LIMIT, "there are more than %d of [[maintenance]]",
                      CHECKUP_SETTINGS_MAINTENANCE_MAX);
    for (size_t i = 0; i < s->maintenance.n && err == 0; i++) {
        err = checkup_settings_maintenance_check(&m[i], why);
        if (err != 0)
            why_prefix(why, "[[maintenance]] %zu (name \"%s\")", i + 1, m[i].name);
    }
    return err;
}

/* ---- the rest */

void checkup_settings_files(const struct checkup_plan_settings *s,
                            void (*f)(void *context, const char *file), void *context)
{
    const struct checkup_settings *v = s->checks.v;
    for (size_t i = 0; i < s->checks.n; i++) {
        const char *files[] = {v[i].path, v[i].pid_file, v[i].ca_file, v[i].unix_path};
        for (size_t k = 0; k < COUNTOF(files); k++)
            if (files[k][0] != '\0')
                f(context, files[k]);
    }
}

void checkup_settings_program(const struct checkup_settings *s,
                              char ret[CHECKUP_SETTINGS_PROGRAM_MAX])
{
    snprintf(ret, CHECKUP_SETTINGS_PROGRAM_MAX, "check:%s", s->name);
}

bool checkup_settings_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *again = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            again = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
