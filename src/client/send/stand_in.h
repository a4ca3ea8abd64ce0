/* client/send/stand_in.h - a daemon that does what a test tells it, for tests alone.
 *
 * Everything waits for at most STAND_IN_MS and fails the test then.
 *
 * Threads: one.
 */
#ifndef CLIENT_SEND_STAND_IN_H
#define CLIENT_SEND_STAND_IN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <poll.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

#include "client/core/outgoing.h"
#include "client/core/worker.h"
#include "client/wire/frame.h"
#include "sonde/core.h"

enum { STAND_IN_MS = 10000 };

struct stand_in {
    char folder[64], path[80], socket[100], spool[100]; /* path: of both settings */
    int listener, fd;
};

struct stand_in_frame {
    struct frame_header header;
    char *payload; /* [header.length] and a NUL; the next frame's read frees it */
};

static inline void stand_in_listen(struct stand_in *s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", s->path);
    unlink(s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 8), 0);
}

/* A folder of its own for the socket and the spool; does not listen yet. */
static inline void stand_in_init(struct stand_in *s)
{
    *s = (struct stand_in){.listener = -1, .fd = -1};
    snprintf(s->folder, sizeof s->folder, "/tmp/sonde-send-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/socket", s->folder);
    snprintf(s->socket, sizeof s->socket, "socket=%s", s->path);
    snprintf(s->spool, sizeof s->spool, "spool.dir=%s/spool", s->folder);
}

static inline void stand_in_close(struct stand_in *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static inline void stand_in_end(struct stand_in *s)
{
    stand_in_close(s);
    if (s->listener >= 0) {
        close(s->listener);
        s->listener = -1;
    }
    unlink(s->path);
}

static inline int stand_in_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static inline void stand_in_done(struct stand_in *s)
{
    stand_in_end(s);
    nftw(s->folder, stand_in_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void stand_in_start(const struct stand_in *s, const char *more)
{
    const char *const settings[] = {
        s->socket, s->spool, "export.interval_ms=100", "session.auto=false", more, NULL};
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "shop";
    options.settings = settings;
    int err = sonde_init(&options);
    if (err) {
        fail_msg("sonde_init: %s", sonde_last_problem());
    }
}

static inline void stand_in_accept(struct stand_in *s)
{
    struct pollfd p = {.fd = s->listener, .events = POLLIN};
    assert_int_equal(poll(&p, 1, STAND_IN_MS), 1);
    s->fd = accept(s->listener, NULL, NULL);
    assert_true(s->fd >= 0);
}

static inline size_t stand_in_bytes(struct stand_in *s, void *ret, size_t n)
{
    for (size_t at = 0; at < n;) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, STAND_IN_MS), 1);
        ssize_t got = recv(s->fd, (char *)ret + at, n - at, 0);
        if (got <= 0) {
            return at;
        }
        at += (size_t)got;
    }
    return n;
}

/* The next frame; false at the end of the connection. */
static inline bool stand_in_read(struct stand_in *s, struct stand_in_frame *f)
{
    free(f->payload);
    f->payload = NULL;
    if (stand_in_bytes(s, &f->header, sizeof f->header) != sizeof f->header) {
        return false;
    }
    assert_int_equal(f->header.version, FRAME_VERSION);
    assert_true(f->header.length <= FRAME_PAYLOAD_MAX);
    f->payload = calloc(1, f->header.length + 1);
    return stand_in_bytes(s, f->payload, f->header.length) == f->header.length;
}

static inline void stand_in_say(struct stand_in *s, enum frame_kind kind, uint8_t detail,
                                uint64_t sequence, const char *payload)
{
    struct frame_header h = {.length = (uint32_t)strlen(payload),
                             .kind = (uint8_t)kind,
                             .detail = detail,
                             .version = FRAME_VERSION,
                             .sequence = sequence};
    /* The library may have closed the connection already. */
    (void)!send(s->fd, &h, sizeof h, MSG_NOSIGNAL);
    (void)!send(s->fd, payload, h.length, MSG_NOSIGNAL);
}

/* The next frame that is none of metrics, which are acknowledged. */
static inline bool stand_in_next(struct stand_in *s, struct stand_in_frame *f)
{
    while (stand_in_read(s, f)) {
        if (f->header.kind != FRAME_METRICS) {
            return true;
        }
        if (f->header.flags & FRAME_ACK_WANTED) {
            stand_in_say(s, FRAME_ACK, 0, f->header.sequence, "");
        }
    }
    return false;
}

/* Takes a connection up to its WELCOME. */
static inline void stand_in_welcome(struct stand_in *s, struct stand_in_frame *f)
{
    stand_in_accept(s);
    assert_true(stand_in_read(s, f));
    assert_int_equal(f->header.kind, FRAME_HELLO);
    stand_in_say(s, FRAME_WELCOME, 0, 1, "server=stand-in 1\n");
}

struct stand_in_put {
    struct worker_job job;
    struct outgoing what;
    const char *text;
};

static inline void stand_in_put_call(struct worker_job *job)
{
    struct stand_in_put *p = (struct stand_in_put *)job;
    struct text t;
    text_init(&t, 8 << 20);
    text_add_string(&t, p->text);
    outgoing_put(&p->what, &t);
    text_done(&t);
}

static inline void stand_in_put(enum frame_kind kind, const char *category, const char *text)
{
    struct stand_in_put p = {.job = {.call = stand_in_put_call},
                             .what = {.kind = kind, .items = 1, .category = category},
                             .text = text};
    assert_int_equal(worker_call(&p.job, STAND_IN_MS), 0);
}

static struct {
    const char *part;
    size_t n;
} stand_in_count;

static inline int stand_in_look(const char *path, const struct stat *st, int type, struct FTW *at)
{
    stand_in_count.n += type == FTW_F && strstr(path + at->base, stand_in_count.part) != NULL;
    return 0;
}

/* Files whose name has `part`, in all folders below the spool. */
static inline size_t stand_in_files(const struct stand_in *s, const char *part)
{
    char path[100];
    snprintf(path, sizeof path, "%s/spool", s->folder);
    stand_in_count.part = part;
    stand_in_count.n = 0;
    nftw(path, stand_in_look, 16, FTW_PHYS);
    return stand_in_count.n;
}

#endif
