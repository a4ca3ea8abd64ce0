/* A gRPC server's own word on its health: grpc.health.v1.Health/Check, without TLS. */
#include "base/mem.h"
#include "health/checkup_answers.h"
#include "health/checkup_talk.h"
#include "net/http2_call.h"

enum { FRAME_HEAD = 5, REQUEST_MAX = 2048, GRPC_NOT_FOUND = 5, GRPC_UNIMPLEMENTED = 12 };

struct own {
    struct http2_call *call;
    size_t read; /* bytes that the call has taken */
};

static void end_call(struct own *o)
{
    http2_call_free(o->call);
    o->call = NULL;
    o->read = 0;
}

/* HealthCheckRequest{service = 1} in a frame. */
static int begin(struct checkup_talk *t, struct why *why)
{
    struct own *o = t->own;
    struct buf message, frame;
    struct str service = str_c(t->settings->service);
    buf_init(&message, REQUEST_MAX);
    buf_init(&frame, REQUEST_MAX);
    if (service.n > 0) {
        buf_put_c(&message, 0x0a);
        buf_put_varint(&message, service.n);
        buf_put_str(&message, service);
    }
    for (int i = 0; i < FRAME_HEAD; i++)
        buf_put_c(&frame, i == 0 ? 0 : (char)(message.n >> (8 * (4 - i))));
    buf_put_str(&frame, buf_str(&message));
    const struct http2_call_plan plan = {.authority = t->settings->address,
                                         .path = "/grpc.health.v1.Health/Check",
                                         .content_type = "application/grpc",
                                         .body = buf_str(&frame)};
    end_call(o);
    int err = http2_call_new(&plan, &o->call);
    buf_done(&frame);
    buf_done(&message);
    return err == 0 ? 0 : why_set(why, ERR_LIMIT, "the call could not be made");
}

static void judge(struct checkup_talk *t, const struct http2_call_answer *a)
{
    struct checkup_result *r = t->result;
    t->said = true;
    if (a->status != 200)
        checkup_result_say(r, HEALTH_UNHEALTHY, "the server answered with HTTP status %d",
                           a->status);
    else if (a->grpc_status == GRPC_NOT_FOUND)
        checkup_result_say(r, HEALTH_UNHEALTHY, "the server knows no service \"%s\"",
                           t->settings->service);
    else if (a->grpc_status == GRPC_UNIMPLEMENTED)
        checkup_result_say(r, HEALTH_UNHEALTHY, "the server has no health service");
    else if (a->grpc_status > 0)
        checkup_result_say(r, HEALTH_UNHEALTHY, "gRPC status %d: " STR_FMT, a->grpc_status,
                           STR_ARG(str_sub(a->grpc_message, 0, 200)));
    else
        checkup_answers_grpc(a->body, r);
}

static int step(void *talk, bool first, struct str received, struct buf *send, struct why *why)
{
    struct checkup_talk *t = talk;
    struct own *o = t->own;
    int err = first ? begin(t, why) : 0;
    if (err != 0)
        return err;
    int whole = http2_call_take(o->call, str_sub(received, o->read, received.n), send, why);
    o->read = received.n;
    if (whole == 0)
        return PROBER_MORE;
    if (whole > 0) {
        struct http2_call_answer a = http2_call_answer(o->call);
        judge(t, &a);
    }
    end_call(o);
    return whole > 0 ? PROBER_DONE : whole;
}

static int open_state(const struct checkup_host *host, const struct checkup_settings *s, void **ret,
                      struct why *why)
{
    return checkup_talk_open(host, s, step, sizeof(struct own), ret, why);
}

static void close_state(void *state)
{
    struct checkup_talk *t = state;
    end_call(t->own);
    checkup_talk_close(t);
}

const struct checkup_kind checkup_grpc_kind = {
    .name = "grpc", .open = open_state, .start = checkup_talk_start, .close = close_state};
