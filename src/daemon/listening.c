#include "daemon/listening.h"

#include <stdio.h>
#include <string.h>

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
