#include "client/metric/writer.h"

#include <string.h>

/* Units that the end of a name tells. */
static const char *unit_of(const char *name, size_t n)
{
    static const char *const units[] = {"seconds", "bytes",  "ratio", "celsius", "volts", "amperes",
                                        "joules",  "meters", "grams", "hertz",   "watts", NULL};
    for (size_t i = 0; units[i]; i++) {
        size_t u = strlen(units[i]);
        if (n > u + 1 && name[n - u - 1] == '_' && memcmp(name + n - u, units[i], u) == 0) {
            return units[i];
        }
    }
    return "";
}

size_t writer_base(const char *name, enum source_type type)
{
    size_t n = strlen(name);
    if (type == SOURCE_COUNTER && n > 6 && memcmp(name + n - 6, "_total", 6) == 0) {
        n -= 6;
    }
    return n;
}

void writer_family_begin(struct source_writer *w, const char *name, enum source_type type,
                         const char *help, const char *unit, bool new_to_daemon)
{
    size_t n = writer_base(name, type);
    w->muted = false;
    w->now = (struct writer_family){
        .name = name,
        .name_n = n,
        .type = type,
        .help = help ? help : "",
        .unit = unit ? unit : unit_of(name, n),
        .new_to_daemon = new_to_daemon,
    };
    w->family(w);
}

const char *writer_suffix(const struct source_writer *w, const char *suffix)
{
    return w->now.type == SOURCE_COUNTER ? "_total" : suffix;
}
