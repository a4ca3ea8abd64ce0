/* text/cases_json_test.h - members of the lines of published tables, which are JSON objects.
 * Included by tests only.
 *
 * Threads: one.
 */
#ifndef TEXT_CASES_JSON_TEST_H
#define TEXT_CASES_JSON_TEST_H

#include "base/cases_test.h"
#include "text/json.h"

/* The text of the member of a flat object; the test fails where the line has none. It lives until
 * the next line. */
static inline struct str cases_json_text(struct cases *c, const char *member)
{
    struct json_reader r;
    struct json_event e;
    bool here = false;
    json_reader_init(&r, c->line, &c->arena);
    while (json_next(&r, &e, NULL) > 0) {
        if (e.type == JSON_TEXT && here)
            return e.text;
        here = e.type == JSON_KEY && str_eq(e.text, str_c(member));
    }
    fail_msg("no %s in " STR_FMT, member, STR_ARG(c->line));
    return STR("");
}

#endif
