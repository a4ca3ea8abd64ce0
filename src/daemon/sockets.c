#include "daemon/sockets.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"
#include "os/channel.h"

static struct sockets_address *find(struct sockets *s, const char *wanted)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].wanted, wanted) == 0)
            return &s->v[i];
    return NULL;
}

static void close_address(struct sockets_address *a)
{
    for (size_t i = 0; i < a->fds_n; i++)
        channel_close(a->fds[i]);
    mem_free(a->fds);
}

static int open_address(const char *wanted, size_t loops, struct sockets_address *ret,
                        struct why *why)
{
    struct address a;
    int err = address_parse(str_c(wanted), &a, why);
    if (err != 0)
        return err;
    struct sockets_address made = {.fds = mem_array(loops, sizeof *made.fds), .fds_n = loops};
    err = address_listen(&a, loops, made.fds, why);
    if (err != 0) {
        mem_free(made.fds);
        return err;
    }
    snprintf(made.wanted, sizeof made.wanted, "%s", wanted);
    snprintf(made.bound, sizeof made.bound, "%s", a.text);
    *ret = made;
    return 0;
}

int sockets_open(struct sockets *s, const struct option_list *addresses, size_t loops,
                 struct why *why)
{
    if (addresses->n > SOCKETS_ADDRESSES_MAX)
        return why_set(why, ERR_LIMIT, "server.listen has %zu addresses, at most %d", addresses->n,
                       SOCKETS_ADDRESSES_MAX);
    struct sockets next = {0};
    bool fresh[SOCKETS_ADDRESSES_MAX] = {false};
    for (size_t i = 0; i < addresses->n; i++) {
        struct sockets_address *old = find(s, addresses->v[i]);
        int err = 0;
        if (find(&next, addresses->v[i]) != NULL)
            err = why_set(why, ERR_EXISTS, "server.listen has %s twice", addresses->v[i]);
        else if (old != NULL)
            next.v[next.n] = *old;
        else
            err = open_address(addresses->v[i], loops, &next.v[next.n], why);
        if (err != 0) {
            for (size_t k = 0; k < next.n; k++)
                if (fresh[k])
                    close_address(&next.v[k]);
            return err;
        }
        fresh[next.n++] = old == NULL;
    }
    for (size_t i = 0; i < s->n; i++)
        if (find(&next, s->v[i].wanted) == NULL)
            close_address(&s->v[i]);
    *s = next;
    return 0;
}

void sockets_close(struct sockets *s)
{
    for (size_t i = 0; i < s->n; i++)
        close_address(&s->v[i]);
    s->n = 0;
}

size_t sockets_fds(const struct sockets *s, int *ret, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->v[i].fds_n && n < max; k++)
            ret[n++] = s->v[i].fds[k];
    return n;
}
