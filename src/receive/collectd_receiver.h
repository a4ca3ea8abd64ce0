/* receive/collectd_receiver.h - takes collectd's binary network protocol and writes its values.
 *
 * Values are written at the times that they bear. Packets that are signed are checked and those
 * that are encrypted are opened where a file of users is configured; else they are refused.
 *
 * Flow:    sockets of the parent -> datagram_thread -> codec/collectd.h -> sink
 * Threads: made, started and freed by one; collectd_receiver_take() by one at a time.
 */
#ifndef RECEIVE_COLLECTD_RECEIVER_H
#define RECEIVE_COLLECTD_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/option.h"
#include "base/str.h"
#include "model/sink.h"

enum { COLLECTD_TYPES_FILES_MAX = 64 };

struct collectd_settings {
    struct option_list listen, types_db;
    const char *tenant, *auth_file, *security;
};

extern const struct option_table collectd_options;

/* What option rows cannot check. */
MUST_USE int collectd_settings_check(const struct collectd_settings *s, struct why *why);

struct collectd_identity; /* codec/collectd.h */

struct collectd_plan {
    const struct collectd_settings *settings; /* outlives the receiver */
    struct sink *sink;
    size_t lane;
    const struct clock *clock;
    /* Is told of each notification; NULL where they are only counted. Texts live for the call. */
    void (*notification)(void *context, const struct collectd_identity *id, struct str message,
                         unsigned severity);
    void *context;
};

struct collectd_receiver;

/* Reads the files of types and users. */
MUST_USE int collectd_receiver_new(const struct collectd_plan *plan, struct collectd_receiver **ret,
                                   struct why *why);

/* Reads these datagram sockets from now on; none are fine. */
MUST_USE int collectd_receiver_start(struct collectd_receiver *r, const int *fds, size_t n,
                                     struct why *why);

/* Writes what has come and ends; NULL is fine. */
void collectd_receiver_free(struct collectd_receiver *r);

/* Takes a packet; then writes what was taken: for who has no sockets (tests). */
void collectd_receiver_take(struct collectd_receiver *r, struct str packet);
void collectd_receiver_write(struct collectd_receiver *r);

#endif
