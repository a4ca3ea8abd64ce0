#include "daemon/programs.h"

#include <string.h>
#include <unistd.h>

#include "base/vec.h"

enum { PATH_BYTES = 4096 };

/* Where `ninja install` puts what people do not start themselves. */
static const char LIBEXEC[] = "/usr/libexec/sonde";

void programs_add(struct programs *p, struct launch_program row)
{
    vec_push(p, row);
}

const char *programs_helper(struct programs *p, const char *name)
{
    char own[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    while (n > 0 && own[n - 1] != '/')
        n--;
    struct str beside =
        arena_printf(&p->arena, "%.*ssonde-helper-%s", (int)MAX(n, (ssize_t)0), own, name);
    if (n > 0 && access(beside.p, X_OK) == 0)
        return beside.p;
    return arena_printf(&p->arena, "%s/sonde-helper-%s", LIBEXEC, name).p;
}

void programs_draw(struct programs *p, const struct conf *c)
{
    (void)c;
    *p = (struct programs){0};
    arena_init(&p->arena);
}

void programs_done(struct programs *p)
{
    vec_free(p);
    arena_done(&p->arena);
}
