#include "alert/config/plan_reader.h"

#include <stdlib.h>

#include "text/duration.h"

enum { STEPS_MAX = 100 };

static int compare(const void *a, const void *b)
{
    const struct plan_step *x = a, *y = b;
    return (x->after_ms > y->after_ms) - (x->after_ms < y->after_ms);
}

/* "15m RECEIVER" */
static int read_step(struct plan_reader *r, const char *text, struct plan_step *ret)
{
    struct str s = str_trim(str_c(text)), rest = s, word;
    if (!str_word(&rest, &word) || str_trim(rest).n == 0)
        return why_set(r->why, ERR_FORMAT,
                       "step \"" STR_FMT
                       "\": write how long it waits and who is told: \"15m NAME\"",
                       STR_ARG(s));
    int err = duration_read(word, &ret->after_ms, r->why);
    if (err != 0)
        return err;
    struct str name = str_trim(rest);
    if (map_get(&r->receivers, name) == NULL)
        return why_set(r->why, ERR_FORMAT, "undefined receiver \"" STR_FMT "\" used in step",
                       STR_ARG(name));
    ret->receiver = arena_str(r->a, name);
    return 0;
}

static int read_row(struct plan_reader *r, const struct plan_escalation_row *row,
                    struct plan_escalation *ret)
{
    struct plan_step *steps = arena_array(r->a, row->steps.n + 1, sizeof *steps);
    int err = 0;
    if (row->name[0] == '\0')
        return why_set(r->why, ERR_FORMAT, "name is missing");
    if (row->steps.n == 0 || row->steps.n > STEPS_MAX)
        return why_set(r->why, ERR_FORMAT, "steps has to have 1 to %d texts such as \"15m NAME\"",
                       STEPS_MAX);
    for (size_t i = 0; i < row->steps.n && err == 0; i++)
        err = read_step(r, row->steps.v[i], &steps[i]);
    if (err == 0)
        err = plan_reader_list(r, &row->match, &ret->match);
    if (err != 0)
        return err;
    qsort(steps, row->steps.n, sizeof *steps, compare);
    ret->name = arena_str(r->a, str_c(row->name));
    ret->steps = steps;
    ret->n = row->steps.n;
    ret->repeat = row->repeat;
    return 0;
}

int plan_escalation_read(struct plan_reader *r)
{
    const struct option_rows *rows = r->source->escalations;
    size_t n = rows == NULL ? 0 : rows->n;
    struct plan_escalation *all = arena_array(r->a, n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        const struct plan_escalation_row *row = &((const struct plan_escalation_row *)rows->v)[i];
        int err = read_row(r, row, &all[i]);
        for (size_t k = 0; k < i && err == 0; k++)
            if (str_eq(all[k].name, all[i].name))
                err = why_set(r->why, ERR_FORMAT, "there are two of that name");
        if (err != 0) {
            why_prefix(r->why, "[[alert.escalation]] %s", row->name);
            return err;
        }
    }
    r->whole->p.escalations = all;
    r->whole->p.escalations_n = n;
    return 0;
}
