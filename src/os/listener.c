#include "os/listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "os/loop_uv.h"
#include "os/stream_uv.h"

enum { BACKLOG = 1024 }; /* connections that the kernel keeps until we take them */

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    void (*accepted)(void *context, struct stream *s);
    void *context;
};

static void on_close(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_connection(uv_stream_t *uv, int status)
{
    struct listener *l = uv->data;
    /* A failure here is of that one connection, or of the process' table of files: libuv then
     * takes and closes what waits, so that the loop does not spin. */
    if (status != 0)
        return;
    struct stream *s = stream_accept(uv);
    if (s)
        l->accepted(l->context, s);
}

int listener_open(struct loop *loop, int fd, void (*accepted)(void *context, struct stream *s),
                  void *context, struct listener **ret)
{
    struct sockaddr_storage address = {0};
    socklen_t n = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return -err_of_errno(errno);

    struct listener *l = mem_new(sizeof *l);
    l->accepted = accepted;
    l->context = context;
    int err;
    if (address.ss_family == AF_UNIX) {
        must(uv_pipe_init(&loop->uv, &l->uv.pipe, 0) == 0);
        err = uv_pipe_open(&l->uv.pipe, fd);
    } else {
        must(uv_tcp_init(&loop->uv, &l->uv.tcp) == 0);
        err = uv_tcp_open(&l->uv.tcp, fd);
    }
    l->uv.handle.data = l;
    if (err == 0)
        err = uv_listen(&l->uv.stream, BACKLOG, on_connection);
    if (err != 0) {
        uv_close(&l->uv.handle, on_close);
        return -err_of_errno(-err);
    }
    *ret = l;
    return 0;
}

void listener_free(struct listener *l)
{
    if (l)
        uv_close(&l->uv.handle, on_close);
}
