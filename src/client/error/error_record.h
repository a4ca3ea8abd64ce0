/* client/error/error_record.h - an error as its thread left it, and the queue to the worker.
 *
 * ERROR_RECORDS_MAX records are set aside; a capture takes the lowest free one, so that memory is
 * touched only as deep as bursts have been. All texts lie in `data`, named by their offset; 0 is
 * "".
 *
 * Threads: error_record_take(), error_record_put(): any, without locks; the rest: the worker.
 */
#ifndef CLIENT_ERROR_ERROR_RECORD_H
#define CLIENT_ERROR_ERROR_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sonde/error.h"

enum {
    ERROR_RECORDS_MAX = 64,
    ERROR_FRAMES_MAX = 96,
    ERROR_CAUSES_MAX = 16,
    ERROR_DATA_MAX = 28 << 10,
    ERROR_MESSAGE_MAX = 8192, /* bytes of one text; more is cut */
};

struct error_cause {
    uint32_t type, message, module;
    bool has_code;
    int64_t code;
    uint32_t stack, stack_n; /* stack: offset of addresses, 8-byte aligned */
};

struct error_record {
    uint64_t sequence;
    sonde_error_ref ref;
    int64_t unix_ns;
    uint64_t ticks;
    int32_t level;
    uint32_t flags; /* enum sonde_error_flag */
    uint32_t type_id;
    uint32_t alike;        /* its place in error_alike.h's table, or ERROR_ALIKE_NONE */
    uint64_t alike_before; /* how many like it there were before it, in that entry */
    uint64_t left_out;     /* how many like it were, since the last one that was kept */
    sonde_context trace;
    pid_t tid;
    char thread[16];
    bool has_code, has_user, cut;
    int64_t code;
    uint32_t type, message, pattern, logger, module, mechanism, transaction, context;
    uint32_t user_id, user_email, user_name, user_ip;
    uint32_t tags, tags_n;               /* key, value, key, value.. */
    uint32_t extra, extra_n;             /* key, type (a byte), value (a text, or 8 bytes) */
    uint32_t fingerprint, fingerprint_n; /* texts */
    uint32_t causes_n, stack_n, stack_own_n;
    struct error_cause causes[ERROR_CAUSES_MAX]; /* of the error; the nearest first */
    uint64_t stack[ERROR_FRAMES_MAX];            /* of the thread; the innermost first */
    uint64_t stack_own[ERROR_FRAMES_MAX];        /* that the caller gave */
    uint32_t data_n;
    char data[ERROR_DATA_MAX];
};

struct error_record *error_record_take(void);  /* empty; NULL: all are in use */
void error_record_put(struct error_record *r); /* to the worker */
/* Writes those that were put since, the oldest first. */
size_t error_record_ready(struct error_record *ret[ERROR_RECORDS_MAX]);
void error_record_free(struct error_record *r);
void error_record_reset(void); /* no other thread is about: all are free */

/* Copies a text; its offset, 0 for NULL, "" and where no room is left (then cut is set). */
uint32_t error_record_text(struct error_record *r, const char *s);
uint32_t error_record_bytes(struct error_record *r, const void *bytes, size_t n, size_t align);

static inline const char *error_record_at(const struct error_record *r, uint32_t offset)
{
    return r->data + offset;
}

#endif
