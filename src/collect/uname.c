/* Kernel, machine and host name. */
#include "collect/collector.h"

#include <sys/utsname.h>

static const struct family INFO = {
    "node_uname_info",
    METRIC_GAUGE,
    "What uname(2) says; always 1.",
    {"sysname", "release", "version", "machine", "nodename", "domainname"}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    (void)host;
    struct utsname u;
    if (uname(&u) != 0)
        return why_set(why, ERR_IO, "uname failed");
    emit(e, &INFO, 1, str_c(u.sysname), str_c(u.release), str_c(u.version), str_c(u.machine),
         str_c(u.nodename), str_c(u.domainname));
    return 0;
}

const struct collector_ops uname_collector = {.open = NULL, .run = run, .close = NULL};
