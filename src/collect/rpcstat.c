#include "collect/rpcstat.h"

#include "collect/pseudo.h"

bool rpcstat_next(struct str *rest, struct rpcstat_row *ret)
{
    struct str line, word;
    do {
        if (!pseudo_line(rest, &line))
            return false;
    } while (!str_word(&line, &ret->name));
    if (str_ends(ret->name, STR(":")))
        ret->name = str_sub(ret->name, 0, ret->name.n - 1);
    ret->n = 0;
    while (ret->n < RPCSTAT_NUMBERS_MAX && str_word(&line, &word) &&
           pseudo_parse(word, &ret->v[ret->n]))
        ret->n++;
    return true;
}

void rpcstat_methods(struct emit *e, const struct family *f, struct str proto,
                     const struct rpcstat_row *row, size_t first, const char *const *names,
                     size_t names_n)
{
    for (size_t i = 0; i < names_n && first + i < row->n; i++)
        if (names[i])
            emit(e, f, row->v[first + i], proto, str_c(names[i]));
}
