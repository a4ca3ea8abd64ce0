#include "conf/conf.h"

#include "base/must.h"
#include "conf/face.h"
#include "conf/member.h"

struct diff {
    void (*f)(void *context, const struct conf_change *change);
    void *context;
    size_t n;
};

static void tell(struct diff *d, const struct option_table *t, const struct option *o, bool reload)
{
    struct conf_change change = {.table = t, .option = o, .reload = reload};
    d->n++;
    if (d->f != NULL)
        d->f(d->context, &change);
}

static bool all_reload(const struct option_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!(t->rows[i].flags & OPTION_RELOAD))
            return false;
    return true;
}

static void diff_rows(struct diff *d, const struct option_table *t, const struct option_rows *x,
                      const struct option_rows *y)
{
    if (x->n != y->n) {
        tell(d, t, NULL, all_reload(t));
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        bool equal = true;
        for (size_t k = 0; k < x->n && equal; k++)
            equal = member_equal(&t->rows[i], (const char *)x->v + k * t->size,
                                 (const char *)y->v + k * t->size);
        if (!equal)
            tell(d, t, &t->rows[i], t->rows[i].flags & OPTION_RELOAD);
    }
}

size_t conf_diff(const struct conf *before, const struct conf *after,
                 void (*f)(void *context, const struct conf_change *change), void *context)
{
    must(before->tables.v == after->tables.v && before->tables.n == after->tables.n);
    struct diff d = {.f = f, .context = context};
    for (size_t i = 0; i < before->tables.n; i++) {
        const struct option_table *t = before->tables.v[i];
        if (t->repeated) {
            diff_rows(&d, t, &before->rows[i], &after->rows[i]);
            continue;
        }
        for (size_t k = 0; k < t->n; k++)
            if (!member_equal(&t->rows[k], before->settings[i], after->settings[i]))
                tell(&d, t, &t->rows[k], t->rows[k].flags & OPTION_RELOAD);
    }
    return d.n;
}
