#include "base/option.h"

#include <stdlib.h>
#include <string.h>

static void fill(const struct option *o, void *at)
{
    switch (o->type) {
    case OPTION_BOOL:
        *(bool *)at = strcmp(o->fallback, "true") == 0;
        break;
    case OPTION_INT:
        *(int64_t *)at = strtoll(o->fallback, NULL, 10);
        break;
    case OPTION_REAL:
        *(double *)at = strtod(o->fallback, NULL);
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        *(const char **)at = o->fallback;
        break;
    case OPTION_LIST:
        *(struct option_list *)at = (struct option_list){0};
        break;
    }
}

void option_defaults(const struct option_table *t, void *ret)
{
    for (size_t i = 0; i < t->n; i++)
        fill(&t->rows[i], (char *)ret + t->rows[i].offset);
}
