#include "codec/perfdata.h"

#include <string.h>

#include "text/number.h"

enum { UNITS_MAX = 8 /* bytes of a unit */ };

/* The label: bare, or in quotes with '' for one. */
static bool take_label(struct str *rest, struct buf *label)
{
    struct str s = str_trim(*rest);
    size_t at = 0;
    buf_clear(label);
    if (s.n > 0 && s.p[0] == '\'') {
        for (at = 1; at < s.n; at++) {
            if (s.p[at] != '\'')
                buf_put_c(label, s.p[at]);
            else if (at + 1 < s.n && s.p[at + 1] == '\'')
                buf_put_c(label, s.p[at++]);
            else
                break;
        }
        at++;
    } else {
        at = str_find(s, '=');
        buf_put_str(label, str_sub(s, 0, at));
    }
    bool found = at < s.n && s.p[at] == '=' && label->n > 0;
    *rest = found ? str_sub(s, at + 1, s.n) : STR("");
    return found;
}

/* Its value and unit, up to the first of ; and blank; what follows is passed over. */
static bool take_value(struct str *rest, double *ret, struct str *ret_unit)
{
    size_t end = 0;
    while (end < rest->n && memchr(" \t\n;", rest->p[end], 4) == NULL)
        end++;
    struct str word = str_sub(*rest, 0, end);
    while (end < rest->n && memchr(" \t\n", rest->p[end], 3) == NULL)
        end++;
    *rest = str_sub(*rest, end, rest->n);
    for (size_t n = word.n; n > 0 && n + UNITS_MAX >= word.n; n--) {
        if (number_parse(str_sub(word, 0, n), ret) == 0) {
            *ret_unit = str_sub(word, n, word.n);
            return true;
        }
    }
    return false;
}

void perfdata_init(struct perfdata *p, struct str data, size_t label_max)
{
    p->rest = data;
    buf_init(&p->label, label_max);
}

void perfdata_done(struct perfdata *p)
{
    buf_done(&p->label);
}

bool perfdata_next(struct perfdata *p, struct perfdata_value *ret)
{
    if (!take_label(&p->rest, &p->label))
        return false;
    *ret = (struct perfdata_value){.label = buf_str(&p->label), .unit = STR("")};
    ret->number = take_value(&p->rest, &ret->value, &ret->unit);
    return true;
}

struct str perfdata_first(struct str output)
{
    struct str first = str_sub(output, 0, str_find(output, '\n'));
    return str_sub(first, str_find(first, '|') + 1, first.n);
}

struct str perfdata_more(struct str output)
{
    struct str rest = str_sub(output, str_find(output, '\n') + 1, output.n);
    return str_sub(rest, str_find(rest, '|') + 1, rest.n);
}
