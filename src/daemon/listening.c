#include "daemon/listening.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"

bool listening_loopback(const struct options_server *server)
{
    struct address a;
    for (size_t i = 0; i < server->listen.n; i++)
        if (address_parse(str_c(server->listen.v[i]), &a, NULL) != 0 || !address_is_loopback(&a))
            return false;
    return true;
}

void listening_host(const struct options_server *server, char *ret, size_t n)
{
    const char *colon = strrchr(server->listen.v[0], ':');
    int len = colon == NULL ? 0 : (int)(colon - server->listen.v[0]);
    snprintf(ret, n, "%.*s", len, server->listen.v[0]);
}

void listening_url(const struct options_server *server, char *ret, size_t n)
{
    static const char *const ANYWHERE[] = {"", "*", "0.0.0.0", "[::]"};
    const char *first = server->listen.v[0], *colon = strrchr(first, ':');
    char host[256], name[256] = "localhost";
    listening_host(server, host, sizeof host);
    if (strncmp(first, "unix:", 5) == 0 || colon == NULL) {
        snprintf(ret, n, "http://localhost");
        return;
    }
    for (size_t i = 0; i < COUNTOF(ANYWHERE); i++)
        if (strcmp(host, ANYWHERE[i]) == 0) {
            if (gethostname(name, sizeof name - 1) != 0)
                snprintf(name, sizeof name, "localhost");
            snprintf(host, sizeof host, "%s", name);
        }
    snprintf(ret, n, "http://%s%s", host, colon);
}
