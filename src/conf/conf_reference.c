#include "conf/conf.h"

#include "base/arena.h"
#include "conf/member.h"

/* The default as it would be written in the file. */
static void put_default(const struct option_table *t, const struct option *o, struct buf *out)
{
    struct arena a;
    arena_init(&a);
    void *settings = arena_new(&a, t->size);
    member_defaults(t, &a, settings);
    struct option shown = *o;
    shown.flags &= ~(unsigned)OPTION_SECRET;
    member_print(&shown, settings, out);
    arena_done(&a);
}

void conf_reference(const struct option_table *table, struct buf *out)
{
    const char *open = table->repeated ? "[[" : "[", *close = table->repeated ? "]]" : "]";
    buf_printf(out, "# %s%s%s\n\n%s\n", open, table->section, close, table->prose);
    if (table->repeated)
        buf_put_str(out, STR("\nThe section may be repeated.\n"));
    for (size_t i = 0; i < table->n; i++) {
        const struct option *o = &table->rows[i];
        buf_printf(out, "\n## %s\n\n%s\n\n- Value: ", o->key, o->prose);
        member_expected(o, out);
        buf_put_str(out, STR("\n- Default: `"));
        put_default(table, o, out);
        buf_put_str(out, STR("`\n"));
        if (o->flags & OPTION_SECRET)
            buf_put_str(out, STR("- Secret: it is never shown or logged.\n"));
        buf_put_str(out, o->flags & OPTION_RELOAD
                             ? STR("- A change takes effect on reload (SIGHUP).\n")
                             : STR("- A change starts a new worker on reload (SIGHUP).\n"));
    }
}

void conf_help(const struct conf_tables *tables, struct buf *out)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct option_table *t = tables->v[i];
        buf_printf(out, "%s%s%s%s  %s\n", i ? "\n" : "", t->repeated ? "[[" : "[", t->section,
                   t->repeated ? "]]" : "]", t->prose);
        for (size_t k = 0; k < t->n; k++) {
            buf_printf(out, "  %s = ", t->rows[k].key);
            put_default(t, &t->rows[k], out);
            buf_put_str(out, STR("  ("));
            member_expected(&t->rows[k], out);
            buf_printf(out, ")\n      %s\n", t->rows[k].prose);
        }
    }
}
