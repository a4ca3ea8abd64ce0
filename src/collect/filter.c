#include "collect/filter.h"

#include "text/regex.h"

int filter_init(struct filter *f, const char *pattern, struct why *why)
{
    struct regex *re = NULL;
    if (pattern[0]) {
        int err = regex_new(str_c(pattern), &re, why);
        if (err)
            return err;
    }
    f->regex = re;
    map_init(&f->verdicts, 1);
    return 0;
}

void filter_done(struct filter *f)
{
    regex_free(f->regex);
    map_done(&f->verdicts);
}

bool filter_match(struct filter *f, struct str name)
{
    if (!f->regex)
        return false;
    union map_value *known = map_get(&f->verdicts, name);
    if (known)
        return known->u;
    bool verdict = regex_match(f->regex, name);
    if (f->verdicts.n < FILTER_NAMES_MAX)
        map_put(&f->verdicts, name, NULL)->u = verdict;
    return verdict;
}
