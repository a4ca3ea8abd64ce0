#include "receive/otlp_grpc.h"

#include "receive/grpc.h"
#include "receive/otlp_reply.h"

static enum grpc_status status_of(const struct otlp_outcome *outcome)
{
    if (outcome->retry)
        return outcome->err == -ERR_BUSY ? GRPC_RESOURCE_EXHAUSTED : GRPC_UNAVAILABLE;
    return outcome->err == -ERR_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT;
}

static void done(void *context, const struct otlp_outcome *outcome)
{
    struct http_request *r = context;
    struct arena *a = http_arena(r);
    if (outcome->err == 0) {
        grpc_reply(r, otlp_reply_success(false, outcome->rejected, outcome->message, a));
        return;
    }
    struct str text = arena_printf(a, STR_FMT, STR_ARG(outcome->message));
    grpc_fail(r, status_of(outcome), text.p,
              outcome->retry ? (unsigned)outcome->retry_s * 1000 : 0);
}

void otlp_grpc_call(struct http_request *r, struct otlp *o, size_t max)
{
    struct body body;
    struct str message;
    body_init(&body);
    if (grpc_message(r, &body, max, &message) == 0) {
        const struct otlp_call call = {
            .bytes = message,
            .tenant = http_header(r, STR("X-Scope-OrgID")),
            .loop = http_loop(r),
            .lane = http_lane(r),
            .arena = http_arena(r),
            .done = done,
            .context = r,
        };
        otlp_take(o, &call);
    }
    body_done(&body);
}
