/* collect/dbus.h - a small D-Bus client: calls of methods on one connection, one after the other.
 *
 * Blocking, with a deadline for each call. Only what the collectors need: the types y b n q i u x t
 * d s o g, arrays, structs and variants of them; no signals, no file descriptors. The reader
 * believes nothing: lengths, nesting and texts are checked.
 *
 * Flow:    call -> socket -> reply -> struct dbus_reader
 * Source:  D-Bus specification 0.43 (message format, SASL profile).
 * Threads: one at a time.
 */
#ifndef COLLECT_DBUS_H
#define COLLECT_DBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    DBUS_MESSAGE_MAX = 16 << 20, /* bytes of a reply; more is -ERR_LIMIT */
    DBUS_PATIENCE_MS = 1000,     /* for one call */
};

struct dbus {
    int fd;
    uint32_t serial;
    struct buf reply;
};

/* Connects to the Unix socket at path; bus: it is a message bus, which wants to be greeted. */
MUST_USE int dbus_open(struct dbus *d, const char *path, bool bus, struct why *why);
/* Connects to the host below root: to systemd's own socket where that is wanted and allowed (root
 * only), else to the system bus. -ERR_NOENT where there is neither; else the first error. */
MUST_USE int dbus_open_host(struct dbus *d, const char *root, bool systemd, struct why *why);
void dbus_close(struct dbus *d);

/* A body that is read from front to back. */
struct dbus_reader {
    struct str body, signature; /* signature: of what is still to come */
    struct str element;         /* of an array: the signature of each element */
    size_t at;
    bool big; /* big-endian */
};

/* Calls a method with texts as its arguments (arguments_n of them). The reply is valid until the
 * next call. -ERR_NOENT where the other end answers with an error; after any other failure the
 * connection is closed and all further calls are -ERR_CLOSED. */
struct dbus_call {
    const char *destination, *path, *interface, *member;
    struct str arguments[2];
    size_t arguments_n;
};
MUST_USE int dbus_call(struct dbus *d, const struct dbus_call *call, struct dbus_reader *ret,
                       struct why *why);

/* A property, as the reader of its variant's content. */
MUST_USE int dbus_property(struct dbus *d, const char *destination, const char *path,
                           const char *interface, const char *name, struct dbus_reader *ret,
                           struct why *why);

/* The reader of a message (header and body) in bytes, whose reply serial is serial: 0, or
 * -ERR_END for a message that is no reply to it, -ERR_NOENT for an error. */
MUST_USE int dbus_parse(struct str bytes, uint32_t serial, struct dbus_reader *ret,
                        struct why *why);

/* How many bytes the message that begins with these 16 has in all; 0 where they are none. */
size_t dbus_size(const char bytes[16]);

/* The next value; false where it is of another type or cut off. */
bool dbus_text(struct dbus_reader *r, struct str *ret); /* s o g */
bool dbus_number(struct dbus_reader *r, double *ret);   /* y b n q i u x t d */
bool dbus_enter_variant(struct dbus_reader *r);         /* then its content */
bool dbus_skip(struct dbus_reader *r);                  /* any one value */
/* Enters an array: *ret reads its elements until dbus_more() is false; r stands behind it. */
bool dbus_array(struct dbus_reader *r, struct dbus_reader *ret);
bool dbus_more(struct dbus_reader *array);
/* Enters a struct: its members follow one after the other. */
bool dbus_enter_struct(struct dbus_reader *r);

#endif
