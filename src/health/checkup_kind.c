#include "health/checkup_kind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct checkup_kind *const KINDS[] = {
#define KIND(name) &checkup_##name##_kind,
#include "health/checkup_kinds.tbl.h"
#undef KIND
};

const struct checkup_kind *checkup_kind_of(const char *name)
{
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        if (strcmp(KINDS[i]->name, name) == 0)
            return KINDS[i];
    return NULL;
}

void checkup_result_say(struct checkup_result *r, enum health_state state, const char *format, ...)
{
    va_list args;
    r->state = state;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    for (char *p = r->message; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
}

static void copy_text(char *ret, size_t size, struct str s)
{
    size_t n = MIN(s.n, size - 1);
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    if (n > 0)
        memcpy(ret, s.p, n);
    ret[n] = '\0';
}

void checkup_result_figure(struct checkup_result *r, struct str label, struct str unit,
                           double value)
{
    if (r->figures_n == CHECKUP_FIGURES_MAX)
        return;
    r->figures = mem_resize(r->figures, (r->figures_n + 1) * sizeof *r->figures);
    struct checkup_figure *f = &r->figures[r->figures_n++];
    copy_text(f->label, sizeof f->label, label);
    copy_text(f->unit, sizeof f->unit, unit);
    f->value = value;
}
