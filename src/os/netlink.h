/* os/netlink.h - asking the kernel for lists over a netlink socket.
 *
 * One question, all answers: the socket is opened and closed within the call. Attributes are found
 * by their number; what is malformed is passed over.
 *
 * Flow:    question -> kernel -> each message to a function
 * Source:  RFC 3549; netlink(7), sock_diag(7), rtnetlink(7).
 * Threads: any.
 */
#ifndef OS_NETLINK_H
#define OS_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    NETLINK_INTERFACES_MAX = 4096,
    NETLINK_MESSAGES_MAX = 4 << 20, /* of one list; a longer one is -ERR_LIMIT */
    NETLINK_PATIENCE_MS = 1000,     /* for one answer of the kernel */
};

/* Sends a question of type type with that body (a struct of the protocol) and calls f for each
 * message of the list: its type and body. -ERR_UNSUPPORTED where the kernel has no such protocol.
 */
MUST_USE int netlink_list(int protocol, uint16_t type, const void *body, size_t n,
                          void (*f)(void *context, uint16_t type, struct str body), void *context,
                          struct why *why);

/* The value of the first attribute of that number among attributes; p is NULL where there is none.
 */
struct str netlink_attribute(struct str attributes, uint16_t number);

/* Interfaces by their index. */
struct netlink_interface {
    int index;
    char name[16];
};

/* [*ret_n] into ret, which has room for NETLINK_INTERFACES_MAX. */
MUST_USE int netlink_interfaces(struct netlink_interface *ret, size_t *ret_n, struct why *why);

/* "" for an interface that is not there. */
const char *netlink_name(const struct netlink_interface *v, size_t n, int index);

#endif
