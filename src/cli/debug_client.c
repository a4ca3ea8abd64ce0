#include "cli/debug_client.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"
#include "os/local_socket.h"

enum { FOLDER_MAX = 256, PIECE = 64 << 10, SUFFIX_N = 5 /* ".sock" */ };

/* Where libsonde puts its sockets (setting debug.socket = "auto"): the i-th place, or false. */
static bool folder_of(size_t i, char ret[FOLDER_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (i == 0 && runtime != NULL && runtime[0] == '/')
        snprintf(ret, FOLDER_MAX, "%s/sonde/debug", runtime);
    else if (i == 0)
        ret[0] = 0;
    else
        snprintf(ret, FOLDER_MAX, "/tmp/sonde-%u/debug", (unsigned)geteuid());
    return i < 2;
}

/* Does "SERVICE-PID.sock" belong to that pid or service? NULL: any. */
static bool matches(const char *name, const char *wanted)
{
    size_t n = strlen(name);
    if (n <= SUFFIX_N || strcmp(name + n - SUFFIX_N, ".sock") != 0)
        return false;
    const char *dash = strrchr(name, '-');
    if (wanted == NULL || dash == NULL)
        return wanted == NULL;
    size_t pid_n = n - SUFFIX_N - (size_t)(dash + 1 - name), wanted_n = strlen(wanted);
    return (wanted_n == pid_n && memcmp(dash + 1, wanted, pid_n) == 0) ||
           (wanted_n == (size_t)(dash - name) && memcmp(name, wanted, wanted_n) == 0);
}

/* Appends the matching sockets, one a line; returns how many. */
static size_t find(const char *wanted, struct buf *out)
{
    size_t found = 0;
    char folder[FOLDER_MAX];
    for (size_t i = 0; folder_of(i, folder); i++) {
        DIR *d = folder[0] != 0 ? opendir(folder) : NULL;
        const struct dirent *e;
        while (d != NULL && (e = readdir(d)) != NULL) {
            if (matches(e->d_name, wanted)) {
                buf_printf(out, "%s/%s\n", folder, e->d_name);
                found++;
            }
        }
        if (d != NULL)
            closedir(d);
    }
    return found;
}

void debug_client_list(struct buf *out)
{
    find(NULL, out);
}

/* The path that the word means: itself, or the one socket that matches. */
static int resolve(const char *word, struct buf *ret, struct why *why)
{
    if (strchr(word, '/') != NULL || access(word, F_OK) == 0) {
        buf_printf(ret, "%s", word);
        return 0;
    }
    size_t found = find(word, ret);
    if (found == 1) {
        ret->n--; /* its LF */
        return 0;
    }
    return why_set(why, ERR_NOENT,
                   found == 0
                       ? "%s is no socket, and no program of that pid or service offers one "
                         "(its setting debug.socket opens it; `sonde debug` lists those that "
                         "are there)"
                       : "%s names several programs; give one's pid (`sonde debug` lists "
                         "them)",
                   word);
}

int debug_client_open(const char *path, int64_t timeout_ms, struct debug_client *ret,
                      struct why *why)
{
    struct buf whole;
    buf_init(&whole, PIECE);
    int err = resolve(path, &whole, why);
    buf_put(&whole, "", 1);
    int fd = -1;
    if (err == 0)
        err = local_socket_connect(whole.p, timeout_ms, &fd, why);
    buf_done(&whole);
    if (err == 0) {
        *ret = (struct debug_client){.fd = fd, .timeout_ms = timeout_ms};
        buf_init(&ret->in, DEBUG_CLIENT_ANSWER_MAX);
    }
    return err;
}

void debug_client_close(struct debug_client *c)
{
    local_socket_close(c->fd);
    buf_done(&c->in);
}

static int read_line(struct debug_client *c, struct str *ret, struct why *why)
{
    for (;;) {
        struct str in = buf_str(&c->in);
        const char *end = in.n > 0 ? memchr(in.p, '\n', in.n) : NULL;
        if (end != NULL) {
            *ret = str_sub(in, 0, (size_t)(end - in.p));
            return 0;
        }
        char *piece = buf_reserve(&c->in, PIECE);
        size_t n = 0;
        int err = piece == NULL ? -ERR_LIMIT
                                : local_socket_receive(c->fd, piece, PIECE, c->timeout_ms, &n);
        if (err != 0)
            return err == -ERR_TIMEOUT
                       ? why_set(why, ERR_TIMEOUT, "the program does not answer in time")
                   : err == -ERR_LIMIT
                       ? why_set(why, ERR_LIMIT, "the answer is longer than 16 MiB")
                       : why_set(why, ERR_CLOSED, "the program has closed the connection");
        buf_commit(&c->in, n);
    }
}

int debug_client_ask(struct debug_client *c, struct str line, struct str *ret, struct why *why)
{
    buf_clear(&c->in);
    int err = local_socket_send(c->fd, line, c->timeout_ms);
    if (err == 0)
        err = local_socket_send(c->fd, STR("\n"), c->timeout_ms);
    /* one that is refused has its answer before it asks */
    if (err != 0 && err != -ERR_CLOSED)
        return why_set(why, ERR_TIMEOUT, "the program does not take the question");
    return read_line(c, ret, why);
}
