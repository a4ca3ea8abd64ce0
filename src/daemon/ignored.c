#include "daemon/ignored.h"

#include "base/log.h"

/* Sentences of a file; none where it is not named. */
struct list {
    const struct str *v; /* [n] */
    size_t n;
};

static struct list of_prometheus(const struct config *c)
{
    return c == NULL || c->promfile == NULL
               ? (struct list){0}
               : (struct list){c->promfile->ignored, c->promfile->ignored_n};
}

static struct list of_alertmanager(const struct config *c)
{
    return c == NULL || c->plan == NULL ? (struct list){0}
                                        : (struct list){c->plan->ignored, c->plan->ignored_n};
}

static bool has(struct list l, struct str text)
{
    for (size_t i = 0; i < l.n; i++)
        if (str_eq(l.v[i], text))
            return true;
    return false;
}

static void tell(const char *module, struct list next, struct list before)
{
    for (size_t i = 0; i < next.n; i++)
        if (!has(before, next.v[i]))
            log_warn(module, STR_FMT, STR_ARG(next.v[i]));
}

void ignored_tell(const struct config *next, const struct config *before)
{
    tell("prometheus", of_prometheus(next), of_prometheus(before));
    tell("alertmanager", of_alertmanager(next), of_alertmanager(before));
}
