#include "client/core/identity.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/core/intern.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"

static char nothing[] = "", unknown[] = "unknown";

struct identity identity = {
    .service = nothing, .instance = nothing, .host = nothing, .executable = nothing};

/* Cut at IDENTITY_MAX. Where it cannot be kept, it is "unknown". */
static char *keep(const char *value)
{
    char cut[IDENTITY_MAX];
    snprintf(cut, sizeof cut, "%s", value);
    char *text = intern_text(cut);
    return text ? text : unknown;
}

void identity_load(void)
{
    char host[IDENTITY_MAX] = "", executable[IDENTITY_MAX], instance[IDENTITY_MAX];
    const char *service = setting.service, *own = setting.instance;
    pid_t pid = getpid();
    identity.pid = pid;
    identity.started_unix_ns = ticks_unix_now_ns();
    bool named = gethostname(host, sizeof host - 1) == 0;
    identity.host = keep(named ? host : "localhost");
    ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[n > 0 ? n : 0] = 0;
    identity.executable = keep(executable);
    const char *name = strrchr(executable, '/');
    identity.service = keep(*service ? service : name ? name + 1 : unknown);
    snprintf(instance, sizeof instance, "%.200s:%ld", named ? host : "localhost", (long)pid);
    identity.instance = keep(*own ? own : instance);
}
