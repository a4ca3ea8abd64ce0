/* client/wire/frame.h - the bytes between libsonde and the daemon: the header of a frame, its
 * kinds.
 *
 * Over a Unix stream socket. Each side sends frames: a header of 16 bytes, little-endian, then
 * `length` bytes of payload. The first frame of the client is HELLO; until WELCOME has come it
 * sends nothing else. Each frame that asks for it (FRAME_ACK) is answered once, by ACK when its
 * contents are durable or by REFUSED, in any order. What has not been acknowledged when the
 * connection breaks is sent again on the next one; the daemon knows envelopes by their event_id and
 * spans by their ids, and samples by their time stamps, so that nothing counts twice.
 *
 * Included by the library and by the daemon: layout alone, no code.
 * Source:  docs/format/libsonde.md
 */
#ifndef CLIENT_WIRE_FRAME_H
#define CLIENT_WIRE_FRAME_H

#include <stdint.h>

enum {
    FRAME_VERSION = 1,
    FRAME_PAYLOAD_MAX = 4 << 20, /* bytes; more is a broken sender */
};

enum frame_kind {
    /* From the application. */
    FRAME_HELLO = 1,    /* lines "key=value\n" (percent-escaped: %, CR, LF): version, service,
                         * instance, release, environment, language, pid, started_ms, library;
                         * the peer's credentials come from the socket */
    FRAME_METRICS = 2,  /* prometheus.WriteRequest (remote write 1), not compressed; all series of
                         * the application as of one time, with job and instance among the labels;
                         * a big registry takes several frames, FRAME_MORE in all but the last */
    FRAME_SPANS = 3,    /* ExportTraceServiceRequest (OTLP protobuf) */
    FRAME_LOGS = 4,     /* ExportLogsServiceRequest (OTLP protobuf) */
    FRAME_ENVELOPE = 5, /* a Sentry envelope */
    FRAME_CRASH = 6,    /* struct crash_record (client/wire/crash_record.h), cut at its last used
                         * byte; sent by the signal handler on its own connection, without HELLO */
    FRAME_ANSWER = 7,   /* JSON; sequence is that of the REQUEST */
    FRAME_BYE = 8,      /* empty: the program ends on purpose */

    /* From the daemon. */
    FRAME_WELCOME = 65, /* lines as of HELLO: server (name and version) */
    FRAME_ACK = 66,     /* empty; sequence: of the frame that is durable now */
    FRAME_REFUSED = 67, /* lines: code, message, retry_ms (0: never); sequence as of ACK */
    FRAME_REQUEST = 68, /* a command line as of the debug interface; level in `detail` */
};

enum frame_flag {
    FRAME_ACK_WANTED = 1,
    FRAME_MORE = 2, /* the next METRICS frame belongs to the same instant */
};

struct frame_header {
    uint32_t length;   /* of the payload */
    uint8_t kind;      /* enum frame_kind */
    uint8_t flags;     /* enum frame_flag */
    uint8_t detail;    /* REQUEST: enum command_level; otherwise 0 */
    uint8_t version;   /* FRAME_VERSION */
    uint64_t sequence; /* counts up, by sender and connection, from 1 */
};

_Static_assert(sizeof(struct frame_header) == 16, "a header is 16 bytes on the wire");

#endif
