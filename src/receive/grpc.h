/* receive/grpc.h - unary calls of gRPC: a message in, a message or a status out.
 *
 * A call is a POST over HTTP/2 whose body is one frame: a flag (packed or not), four bytes of
 * length, the message. The answer has the same form and ends with the status as trailers.
 *
 * Flow:    http_request -> grpc_message() -> the protocol's own function -> grpc_reply()
 * Source:  gRPC over HTTP/2, PROTOCOL-HTTP2 of the grpc repository.
 * Threads: the request's loop.
 */
#ifndef RECEIVE_GRPC_H
#define RECEIVE_GRPC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"
#include "net/http.h"
#include "receive/body.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_NOT_FOUND = 5,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
};

/* The message of a call, unpacked into b (body_release() when it is read). Not 0 where the call has
 * been answered already, as there is no such message. */
MUST_USE int grpc_message(struct http_request *r, struct body *b, size_t max, struct str *ret);

/* Answers with a message. */
void grpc_reply(struct http_request *r, struct str message);

/* Answers with a status that is not OK and a sentence. retry_ms > 0: sending again after that
 * helps. */
void grpc_fail(struct http_request *r, enum grpc_status status, const char *sentence,
               unsigned retry_ms);

#endif
