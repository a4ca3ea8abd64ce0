#include "client/send/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static size_t add(struct place *ret, size_t n, bool check, const char *folder, const char *rest)
{
    int len = snprintf(ret[n].path, sizeof ret[n].path, "%s%s", folder, rest);
    ret[n].check = check;
    return len > 0 && len < PLACE_PATH_MAX ? n + 1 : n;
}

size_t place_list(const char *setting, struct place *ret)
{
    if (!*setting || strcmp(setting, "none") == 0) {
        return 0;
    }
    if (strcmp(setting, "auto") != 0) {
        return add(ret, 0, false, setting, "");
    }
    size_t n = add(ret, 0, false, "/run/sonde/sonde.sock", "");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime == '/') {
        n = add(ret, n, true, runtime, "/sonde/sonde.sock");
    }
    char shared[40];
    snprintf(shared, sizeof shared, "/tmp/sonde-%lu", (unsigned long)geteuid());
    return add(ret, n, true, shared, "/sonde.sock");
}

/* Is the other end root's or ours? */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* A folder that somebody else may have made in /tmp is none of ours. */
static bool is_safe(const char *path)
{
    char folder[PLACE_PATH_MAX];
    struct stat st;
    size_t n = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, n);
    folder[n] = 0;
    return lstat(folder, &st) != 0 || /* nothing there: connect() says so */
           (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)));
}

static int connect_to(const struct place *p, char *problem)
{
    if (p->check && !is_safe(p->path)) {
        snprintf(problem, PLACE_PROBLEM_MAX, "%s: its folder is not this user's alone", p->path);
        return -1;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, p->path, strlen(p->path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(problem, PLACE_PROBLEM_MAX, "no socket: errno %d", errno);
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        const char *why = errno == ENOENT         ? "there is no such socket"
                          : errno == ECONNREFUSED ? "nobody listens"
                          : errno == EAGAIN       ? "the daemon takes no connections"
                          : errno == EACCES       ? "no permission"
                                                  : "it cannot be reached";
        snprintf(problem, PLACE_PROBLEM_MAX, "%s: %s", p->path, why);
        close(fd);
        return -1;
    }
    if (p->check && !is_trusted(fd)) {
        snprintf(problem, PLACE_PROBLEM_MAX, "%s: it is another user's", p->path);
        close(fd);
        return -1;
    }
    return fd;
}

int place_connect(const struct place *places, size_t n, size_t *ret_which, char *problem)
{
    snprintf(problem, PLACE_PROBLEM_MAX, "the setting socket names none");
    for (size_t i = 0; i < n; i++) {
        int fd = connect_to(&places[i], problem);
        if (fd >= 0) {
            *ret_which = i;
            return fd;
        }
    }
    return -1;
}
