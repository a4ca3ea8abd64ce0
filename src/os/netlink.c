#include "os/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"

enum { ROOM = 64 << 10, BODY_MAX = 256 };

static int failed(struct why *why, const char *what)
{
    int err = err_of_errno(errno);
    return why_set(why, (enum err)err, "netlink: %s: %s", what, strerror(errno));
}

static int question(int fd, uint16_t type, const void *body, size_t n, struct why *why)
{
    struct {
        struct nlmsghdr head;
        char body[BODY_MAX];
    } message = {.head = {.nlmsg_len = (uint32_t)(sizeof message.head + n),
                          .nlmsg_type = type,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                          .nlmsg_seq = 1}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    memcpy(message.body, body, n);
    if (sendto(fd, &message, message.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) <
        0)
        return failed(why, "the question is refused");
    return 0;
}

/* 1 at the end of the list, 0 before it. */
static int answer(const char *bytes, size_t n, void (*f)(void *, uint16_t, struct str),
                  void *context, size_t *messages, struct why *why)
{
    while (n >= sizeof(struct nlmsghdr)) {
        struct nlmsghdr head;
        memcpy(&head, bytes, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > n)
            return why_set(why, ERR_FORMAT, "netlink: a message of %u bytes in %zu", head.nlmsg_len,
                           n);
        struct str body = str_of(bytes + sizeof head, head.nlmsg_len - sizeof head);
        if (head.nlmsg_type == NLMSG_DONE)
            return 1;
        if (head.nlmsg_type == NLMSG_ERROR) {
            int code = 0;
            if (body.n >= sizeof code)
                memcpy(&code, body.p, sizeof code);
            errno = -code;
            return code == -ENOENT || code == -EOPNOTSUPP || code == -EINVAL
                       ? why_set(why, ERR_UNSUPPORTED, "netlink: this kernel has no such list")
                       : failed(why, "the kernel refuses");
        }
        if (++*messages > NETLINK_MESSAGES_MAX)
            return why_set(why, ERR_LIMIT, "netlink: more than %d messages", NETLINK_MESSAGES_MAX);
        f(context, head.nlmsg_type, body);
        size_t step = MIN(NLMSG_ALIGN((size_t)head.nlmsg_len), n);
        bytes += step;
        n -= step;
    }
    return 0;
}

int netlink_list(int protocol, uint16_t type, const void *body, size_t n,
                 void (*f)(void *context, uint16_t type, struct str body), void *context,
                 struct why *why)
{
    if (n > BODY_MAX)
        return why_set(why, ERR_RANGE, "netlink: a question of %zu bytes", n);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        return errno == EPROTONOSUPPORT
                   ? why_set(why, ERR_UNSUPPORTED, "netlink: this kernel has no protocol %d",
                             protocol)
                   : failed(why, "no socket");
    }
    struct timeval patience = {.tv_sec = NETLINK_PATIENCE_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience); /* else it waits */
    char *room = mem_array(ROOM, 1);
    size_t messages = 0;
    int err = question(fd, type, body, n, why);
    while (err == 0) {
        ssize_t got = recv(fd, room, ROOM, 0);
        if (got < 0 && errno == EINTR)
            continue;
        err = got < 0 ? failed(why, "no answer")
                      : answer(room, (size_t)got, f, context, &messages, why);
    }
    mem_free(room);
    close(fd);
    return err < 0 ? err : 0;
}

struct str netlink_attribute(struct str attributes, uint16_t number)
{
    struct rtattr head;
    while (attributes.n >= sizeof head) {
        memcpy(&head, attributes.p, sizeof head);
        if (head.rta_len < sizeof head || head.rta_len > attributes.n)
            break;
        if ((head.rta_type & NLA_TYPE_MASK) == number)
            return str_sub(attributes, sizeof head, head.rta_len);
        attributes = str_sub(attributes, RTA_ALIGN((size_t)head.rta_len), attributes.n);
    }
    return (struct str){NULL, 0};
}

struct links {
    struct netlink_interface *v; /* [n] */
    size_t n;
};

static void take_link(void *context, uint16_t type, struct str body)
{
    struct links *all = context;
    struct ifinfomsg head;
    if (type != RTM_NEWLINK || body.n < sizeof head || all->n == NETLINK_INTERFACES_MAX)
        return;
    memcpy(&head, body.p, sizeof head);
    struct str name =
        netlink_attribute(str_sub(body, NLMSG_ALIGN(sizeof head), body.n), IFLA_IFNAME);
    struct netlink_interface *one = &all->v[all->n++];
    *one = (struct netlink_interface){.index = head.ifi_index};
    memcpy(one->name, name.p ? name.p : "", MIN(name.n, sizeof one->name - 1));
}

int netlink_interfaces(struct netlink_interface *ret, size_t *ret_n, struct why *why)
{
    struct links all = {ret, 0};
    struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    int err = netlink_list(NETLINK_ROUTE, RTM_GETLINK, &body, sizeof body, take_link, &all, why);
    if (!err)
        *ret_n = all.n;
    return err;
}

const char *netlink_name(const struct netlink_interface *v, size_t n, int index)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].index == index)
            return v[i].name;
    return "";
}
