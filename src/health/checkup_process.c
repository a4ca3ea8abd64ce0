/* Processes of this host: how many are there of that name, command line, user or number? */
#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "health/checkup_kind.h"
#include "os/file.h"
#include "text/regex.h"

enum { CMDLINE_MAX = 64 * 1024, PROCESSES_MAX = 1 << 22, NAME_BYTES = 15 /* of the kernel's */ };

struct state {
    const struct checkup_settings *settings;
    struct regex *cmdline; /* NULL: any */
};

static int open_state(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    (void)host;
    s->settings = c;
    int err = c->cmdline[0] ? regex_new_search(str_c(c->cmdline), &s->cmdline, why) : 0;
    if (err != 0)
        mem_free(s);
    else
        *ret = s;
    return err;
}

static void close_state(void *state)
{
    struct state *s = state;
    regex_free(s->cmdline);
    mem_free(s);
}

static bool read_proc(const char *pid, const char *what, struct buf *ret)
{
    char path[300];
    buf_clear(ret);
    snprintf(path, sizeof path, "/proc/%s/%s", pid, what);
    return file_read(path, ret, NULL) == 0 || ret->n > 0;
}

static bool fits_name(const struct state *s, const char *pid, struct buf *b)
{
    struct str wanted = str_c(s->settings->process);
    if (wanted.n == 0)
        return true;
    if (!read_proc(pid, "comm", b))
        return false;
    return str_eq(str_trim(buf_str(b)), str_sub(wanted, 0, NAME_BYTES));
}

static bool fits_cmdline(const struct state *s, const char *pid, struct buf *b)
{
    struct str whole;
    if (s->cmdline == NULL)
        return true;
    if (!read_proc(pid, "cmdline", b) || b->n == 0)
        return false;
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == '\0')
            b->p[i] = ' ';
    return regex_find(s->cmdline, str_trim(buf_str(b)), 0, &whole, 1);
}

static bool fits_user(const char *pid, const uid_t *user)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%s", pid);
    return user == NULL || (stat(path, &st) == 0 && st.st_uid == *user);
}

static bool fits(const struct state *s, const char *pid, const uid_t *user, struct buf *b)
{
    return fits_user(pid, user) && fits_name(s, pid, b) && fits_cmdline(s, pid, b);
}

/* -ERR_NOENT: no such user. */
static int find_user(const char *name, uid_t *ret)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    uint64_t number;
    if (str_u64(str_c(name), &number)) {
        *ret = (uid_t)number;
        return 0;
    }
    if (getpwnam_r(name, &entry, room, sizeof room, &found) != 0 || found == NULL)
        return -ERR_NOENT;
    *ret = entry.pw_uid;
    return 0;
}

static size_t count_all(const struct state *s, const uid_t *user, struct buf *b)
{
    DIR *d = opendir("/proc");
    size_t n = 0, seen = 0;
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL && seen++ < PROCESSES_MAX)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            n += fits(s, e->d_name, user, b);
    if (d != NULL)
        closedir(d);
    return n;
}

/* Of the process whose number is in the file: 1 or 0. */
static size_t count_one(const struct state *s, const uid_t *user, struct buf *b,
                        struct checkup_result *ret)
{
    char pid[24];
    uint64_t number;
    struct why why = {0};
    buf_clear(b);
    if (file_read(s->settings->pid_file, b, &why) != 0) {
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s", why.text);
        return 0;
    }
    if (!str_u64(str_trim(buf_str(b)), &number) || number == 0) {
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s holds no number", s->settings->pid_file);
        return 0;
    }
    snprintf(pid, sizeof pid, "%llu", (unsigned long long)number);
    struct stat st;
    char path[40];
    snprintf(path, sizeof path, "/proc/%s", pid);
    bool lives = stat(path, &st) == 0 && fits(s, pid, user, b);
    if (!lives)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "process %s is not there", pid);
    return lives;
}

static void run(void *state, struct checkup_result *ret)
{
    const struct state *s = state;
    const struct checkup_settings *c = s->settings;
    uid_t user;
    struct buf b;
    if (c->user[0] != '\0' && find_user(c->user, &user) != 0) {
        checkup_result_say(ret, HEALTH_UNHEALTHY, "there is no user %s", c->user);
        return;
    }
    const uid_t *whose = c->user[0] != '\0' ? &user : NULL;
    buf_init(&b, CMDLINE_MAX);
    bool one = c->pid_file[0] != '\0';
    size_t n = one ? count_one(s, whose, &b, ret) : count_all(s, whose, &b);
    buf_done(&b);
    checkup_result_figure(ret, STR("processes"), STR(""), (double)n);
    if (one && n == 0)
        return;
    if (n < (size_t)c->count_min || (c->count_max > 0 && n > (size_t)c->count_max))
        checkup_result_say(ret, HEALTH_UNHEALTHY, "there are %zu processes, %s than %lld", n,
                           n < (size_t)c->count_min ? "less" : "more",
                           (long long)(n < (size_t)c->count_min ? c->count_min : c->count_max));
    else
        checkup_result_say(ret, HEALTH_OK, "%zu process%s", n, n == 1 ? "" : "es");
}

const struct checkup_kind checkup_process_kind = {
    .name = "process", .open = open_state, .run = run, .close = close_state};
