#include "daemon/runner_rows.h"

struct row_relay {
    void (*f)(void *context, const struct serve_row *row);
    void *context;
};

static void relay_row(void *context, const struct runner_row *row)
{
    struct row_relay *relay = context;
    struct serve_row out = {.family = row->family,
                            .help = row->help,
                            .type = row->type,
                            .text = row->text,
                            .value = row->value};
    relay->f(relay->context, &out);
}

void runner_rows_each(void *runner, void (*f)(void *f_context, const struct serve_row *row),
                      void *f_context)
{
    struct row_relay relay = {f, f_context};
    runner_each(runner, relay_row, &relay);
}
