#include "watch/control_client.h"

#include "base/mem.h"
#include "os/local_socket.h"
#include "watch/json_line.h"

enum { READ_SIZE = 16 << 10, MESSAGE_MAX = 400 };

struct control_client {
    int fd;
    int64_t timeout_ms;
    struct buf in;
    size_t taken; /* bytes of in that the last line took */
};

int control_client_open(const char *path, int64_t timeout_ms, struct control_client **ret,
                        struct why *why)
{
    int fd;
    int err = local_socket_connect(path, timeout_ms, &fd, why);
    if (err)
        return err;
    struct control_client *c = mem_new(sizeof *c);
    c->fd = fd;
    c->timeout_ms = timeout_ms;
    buf_init(&c->in, CONTROL_LINE_MAX);
    *ret = c;
    return 0;
}

void control_client_free(struct control_client *c)
{
    if (!c)
        return;
    local_socket_close(c->fd);
    buf_done(&c->in);
    mem_free(c);
}

int control_client_fd(const struct control_client *c)
{
    return c->fd;
}

int control_client_send(struct control_client *c, const struct control_request *r, struct why *why)
{
    struct buf line;
    buf_init(&line, CONTROL_LINE_MAX);
    control_request_write(r, &line);
    int err =
        buf_failed(&line) ? -ERR_LIMIT : local_socket_send(c->fd, buf_str(&line), c->timeout_ms);
    buf_done(&line);
    return err ? why_set(why, (enum err) - err, "sonde-watch does not take the request: %s",
                         err_text(err))
               : 0;
}

int control_client_next(struct control_client *c, int64_t timeout_ms, struct str *ret,
                        struct why *why)
{
    buf_shift(&c->in, c->taken);
    c->taken = 0;
    size_t seen = 0;
    for (;;) {
        size_t at = seen + str_find(str_sub(buf_str(&c->in), seen, c->in.n), '\n');
        if (at < c->in.n) {
            *ret = str_sub(buf_str(&c->in), 0, at);
            c->taken = at + 1;
            return 0;
        }
        seen = c->in.n;
        char *room = buf_reserve(&c->in, READ_SIZE);
        if (!room)
            return why_set(why, ERR_LIMIT, "an answer of more than %d bytes", CONTROL_LINE_MAX);
        size_t n;
        int err = local_socket_receive(c->fd, room, READ_SIZE, timeout_ms, &n);
        if (err)
            return why_set(why, (enum err) - err, "no answer of sonde-watch: %s", err_text(err));
        buf_commit(&c->in, n);
    }
}

int control_client_answer(struct str line, struct why *why)
{
    if (str_starts(line, STR("{\"ok\":true")))
        return 0;
    if (!str_starts(line, STR("{\"ok\":false")))
        return why_set(why, ERR_FORMAT, "not an answer of sonde-watch: " STR_FMT,
                       STR_ARG(str_sub(line, 0, MESSAGE_MAX)));
    struct arena a;
    arena_init(&a);
    struct json_line *l = arena_new(&a, sizeof *l);
    int err = json_line_read(line, &a, l, why);
    if (!err) {
        const char *code = json_line_find_text(l, "error");
        enum err e = ERR_NONE + 1;
        while (e < ERR_COUNT && strcmp(err_code((int)e), code) != 0)
            e++;
        err = why_set(why, e < ERR_COUNT ? e : ERR_STATE, "%s", json_line_find_text(l, "message"));
    }
    arena_done(&a);
    return err;
}

int control_client_ask(const char *path, const struct control_request *r, int64_t timeout_ms,
                       struct buf *answer, struct why *why)
{
    struct control_client *c;
    struct str line;
    int err = control_client_open(path, timeout_ms, &c, why);
    if (err)
        return err;
    err = control_client_send(c, r, why);
    if (!err)
        err = control_client_next(c, timeout_ms + r->wait_ms, &line, why);
    if (!err)
        err = control_client_answer(line, why);
    if (!err)
        buf_put_str(answer, line);
    control_client_free(c);
    return err;
}
