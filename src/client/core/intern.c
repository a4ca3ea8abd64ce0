#include "client/core/intern.h"

#include <stdlib.h>
#include <string.h>

struct kept {
    struct kept *next;
    char text[];
};

static struct kept *all;
static size_t all_n;

char *intern_text(const char *s)
{
    for (struct kept *k = all; k; k = k->next) {
        if (strcmp(k->text, s) == 0) {
            return k->text;
        }
    }
    size_t n = strlen(s) + 1;
    struct kept *k = all_n < INTERN_MAX ? malloc(sizeof *k + n) : NULL;
    if (!k) {
        return NULL;
    }
    memcpy(k->text, s, n);
    k->next = all;
    all = k;
    all_n++;
    return k->text;
}
