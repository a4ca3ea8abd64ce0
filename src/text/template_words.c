#include "text/template_words.h"

#include "text/letter.h"
#include "text/regex.h"

#define ARGUMENTS TEMPLATE_WORDS_ARGUMENTS

enum { PATTERN_STEPS = 500 /* that making a regular expression counts for */ };

int template_words_give(struct template_call *c, struct buf *b, struct template_value *ret,
                        struct why *why)
{
    bool failed = buf_failed(b);
    if (!failed)
        *ret = template_text(arena_str(c->arena, buf_str(b)));
    buf_done(b);
    return failed ? why_set(why, ERR_LIMIT, "a text of more than %d bytes", TEMPLATE_TEXT_MAX) : 0;
}

int template_words_re_replace_all(ARGUMENTS)
{
    struct regex *re;
    struct why reason;
    struct buf b;
    (void)n;
    c->cost = PATTERN_STEPS;
    if (regex_new_search(args[0].text, &re, &reason) != 0)
        return why_set(why, ERR_FORMAT, "regexp: Compile(`" STR_FMT "`): %s", STR_ARG(args[0].text),
                       reason.text);
    buf_init(&b, TEMPLATE_TEXT_MAX);
    regex_replace(re, args[2].text, args[1].text, &b);
    regex_free(re);
    return template_words_give(c, &b, ret, why);
}

int template_words_match(ARGUMENTS)
{
    struct regex *re;
    struct str all;
    (void)n;
    c->cost = PATTERN_STEPS;
    int err = regex_new_search(args[0].text, &re, why);
    if (err)
        return err;
    *ret = template_bool(regex_find(re, args[1].text, 0, &all, 1));
    regex_free(re);
    return 0;
}

/* A letter behind what is no letter, digit or underscore becomes a capital. */
int template_words_title(ARGUMENTS)
{
    struct buf b;
    struct str rest = args[0].text;
    bool inside = false;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    for (size_t used; rest.n > 0; rest = str_sub(rest, used, rest.n)) {
        uint32_t letter = letter_next(rest, &used);
        letter_put(inside ? letter : letter_upper(letter), &b);
        inside = letter == '_' || (letter >= '0' && letter <= '9') ||
                 (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                 (letter >= 0x80 && letter != 0x85 && letter != 0xa0);
    }
    return template_words_give(c, &b, ret, why);
}

int template_words_to_upper(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    letter_put_upper(args[0].text, &b);
    return template_words_give(c, &b, ret, why);
}

int template_words_to_lower(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    letter_put_lower(args[0].text, &b);
    return template_words_give(c, &b, ret, why);
}

int template_words_safe_html(ARGUMENTS)
{
    (void)c;
    (void)n;
    (void)why;
    *ret = args[0];
    ret->safe = true;
    return 0;
}

int template_words_escape_query(ARGUMENTS)
{
    struct buf b;
    (void)n;
    buf_init(&b, TEMPLATE_TEXT_MAX);
    template_escape_query(args[0].text, &b);
    return template_words_give(c, &b, ret, why);
}
