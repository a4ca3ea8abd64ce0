#include "receive/receiver.h"

#include "base/mem.h"

#define RECEIVER(name) extern const struct receiver_ops name##_receiver;
#include "receive/receivers.tbl.h"
#undef RECEIVER

static const struct receiver_ops *const ALL[] = {
#define RECEIVER(name) &name##_receiver,
#include "receive/receivers.tbl.h"
#undef RECEIVER
};

enum { RECEIVERS_N = COUNTOF(ALL) };

struct receivers {
    void *state[RECEIVERS_N];
    size_t n; /* that are open */
};

int receivers_open(const struct receiver_host *host, struct receivers **ret, struct why *why)
{
    struct receivers *r = mem_new(sizeof *r);
    for (size_t i = 0; i < RECEIVERS_N; i++) {
        int err = ALL[i]->open(host, &r->state[i], why);
        if (err != 0) {
            receivers_close(r);
            return err;
        }
        r->n++;
    }
    *ret = r;
    return 0;
}

void receivers_close(struct receivers *r)
{
    if (r == NULL)
        return;
    for (size_t i = r->n; i-- > 0;)
        ALL[i]->close(r->state[i]);
    mem_free(r);
}

void *receivers_state(const struct receivers *r, const struct receiver_ops *ops)
{
    for (size_t i = 0; i < RECEIVERS_N; i++)
        if (ALL[i] == ops)
            return r->state[i];
    return NULL;
}

size_t receivers_routes_n(void)
{
    size_t n = 0;
    for (size_t i = 0; i < RECEIVERS_N; i++)
        n += ALL[i]->routes_n;
    return n;
}

void receivers_routes(const struct receivers *r, struct http_route *ret)
{
    for (size_t i = 0; i < RECEIVERS_N; i++)
        for (size_t k = 0; k < ALL[i]->routes_n; k++) {
            const struct receiver_route *route = &ALL[i]->routes[k];
            *ret++ = (struct http_route){route->methods, route->path, route->body_max,
                                         route->handler, r->state[i]};
        }
}
