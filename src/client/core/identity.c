#include "client/core/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/core/setting.h"
#include "client/core/ticks.h"

struct identity identity;

static void put(char *ret, const char *value)
{
    snprintf(ret, IDENTITY_MAX, "%s", value);
}

void identity_load(void)
{
    identity.pid = getpid();
    identity.started_unix_ns = ticks_unix_now_ns();
    if (gethostname(identity.host, sizeof identity.host) != 0) {
        put(identity.host, "localhost");
    }
    identity.host[IDENTITY_MAX - 1] = 0;
    ssize_t n = readlink("/proc/self/exe", identity.executable, IDENTITY_MAX - 1);
    identity.executable[n > 0 ? n : 0] = 0;
    const char *name = strrchr(identity.executable, '/');
    put(identity.service, *setting.service ? setting.service : name ? name + 1 : "unknown");
    if (*setting.instance) {
        put(identity.instance, setting.instance);
    } else {
        snprintf(identity.instance, IDENTITY_MAX, "%.200s:%ld", identity.host, (long)identity.pid);
    }
}
