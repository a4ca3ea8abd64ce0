#include "daemon/sockets.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/app_door.h"
#include "net/address.h"
#include "os/channel.h"

static struct sockets_address *find(struct sockets *s, enum door door, const char *wanted)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].door == door && strcmp(s->v[i].wanted, wanted) == 0)
            return &s->v[i];
    return NULL;
}

static void close_address(struct sockets_address *a)
{
    for (size_t i = 0; i < a->fds_n; i++)
        channel_close(a->fds[i]);
    mem_free(a->fds);
}

static int open_address(const struct conf *c, enum door door, const char *wanted, size_t loops,
                        bool first, struct sockets_address *ret, struct why *why)
{
    const struct door_kind *kind = &door_kinds[door];
    struct address a;
    int err =
        kind->local ? app_door_address(c, wanted, &a, why) : address_parse(str_c(wanted), &a, why);
    if (err != 0)
        return err;
    size_t n = kind->each_loop ? loops : 1;
    struct sockets_address made = {.door = door, .fds = mem_array(n, sizeof *made.fds), .fds_n = n};
    err = kind->local      ? app_door_listen(&a, first, made.fds, why)
          : kind->datagram ? address_receive(&a, n, made.fds, why)
                           : address_listen(&a, n, made.fds, why);
    if (err == 0 && kind->local)
        app_door_open(c, &a);
    if (err != 0) {
        mem_free(made.fds);
        return err;
    }
    snprintf(made.wanted, sizeof made.wanted, "%s", wanted);
    snprintf(made.bound, sizeof made.bound, "%s", a.text);
    *ret = made;
    return 0;
}

/* What is being made of an old set. */
struct opening {
    struct sockets *old, next;
    bool fresh[SOCKETS_ADDRESSES_MAX]; /* of next: not the old set's */
    size_t loops;
};

static int add(struct opening *o, const struct conf *c, enum door door, const char *wanted,
               struct why *why)
{
    const struct door_kind *kind = &door_kinds[door];
    struct sockets_address *old = find(o->old, door, wanted);
    size_t at = o->next.n;
    if (at == SOCKETS_ADDRESSES_MAX)
        return why_set(why, ERR_LIMIT, "more than %d addresses to listen on",
                       SOCKETS_ADDRESSES_MAX);
    if (find(&o->next, door, wanted) != NULL)
        return why_set(why, ERR_EXISTS, "%s.listen has %s twice",
                       kind->needed ? "server" : kind->key, wanted);
    if (old != NULL) {
        o->next.v[o->next.n++] = *old;
        return 0;
    }
    struct why own = {0};
    int err = open_address(c, door, wanted, o->loops, o->old->n == 0, &o->next.v[at], &own);
    if (err == 0) {
        o->fresh[o->next.n++] = true;
        return 0;
    }
    if (kind->needed) {
        *why = own;
        return err;
    }
    log_warn("sockets", "%s is not received: %s", kind->key, own.text);
    return 0;
}

int sockets_open(struct sockets *s, const struct conf *c, size_t loops, struct why *why)
{
    struct opening *o = mem_new(sizeof *o);
    int err = 0;
    o->old = s;
    o->loops = loops;
    for (enum door door = 0; door < DOORS_N; door++) {
        const struct option_list *addresses = door_addresses(c, door);
        for (size_t i = 0; i < addresses->n && err == 0; i++)
            err = add(o, c, door, addresses->v[i], why);
    }
    for (size_t i = 0; i < o->next.n && err != 0; i++)
        if (o->fresh[i])
            close_address(&o->next.v[i]);
    if (err == 0) {
        for (size_t i = 0; i < s->n; i++)
            if (find(&o->next, s->v[i].door, s->v[i].wanted) == NULL)
                close_address(&s->v[i]);
        *s = o->next;
    }
    mem_free(o);
    return err;
}

void sockets_close(struct sockets *s)
{
    for (size_t i = 0; i < s->n; i++)
        close_address(&s->v[i]);
    s->n = 0;
}

size_t sockets_fds(const struct sockets *s, int *ret, char *ret_kinds, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->v[i].fds_n && n < max; k++) {
            ret_kinds[n] = (char)('a' + (int)s->v[i].door);
            ret[n++] = s->v[i].fds[k];
        }
    ret_kinds[n] = '\0';
    return n;
}

const char *sockets_bound(const struct sockets *s)
{
    return s->v[0].bound; /* the first door is HTTP, and has an address */
}
