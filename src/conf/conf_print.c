#include "conf/conf.h"

#include "conf/face.h"
#include "conf/member.h"

static void print_settings(const struct option_table *t, const void *settings, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        buf_printf(out, "%s = ", t->rows[i].key);
        member_print(&t->rows[i], settings, out);
        buf_put_c(out, '\n');
    }
}

void conf_print(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; i < c->tables.n; i++) {
        const struct option_table *t = c->tables.v[i];
        if (!t->repeated) {
            buf_printf(out, "%s[%s]\n", out->n ? "\n" : "", t->section);
            print_settings(t, c->settings[i], out);
        }
        for (size_t k = 0; t->repeated && k < c->rows[i].n; k++) {
            buf_printf(out, "%s[[%s]]\n", out->n ? "\n" : "", t->section);
            print_settings(t, (const char *)c->rows[i].v + k * t->size, out);
        }
    }
}
