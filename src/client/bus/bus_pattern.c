/* Patterns of types of events: words between dots. */
#include <string.h>

#include "client/bus/bus.h"

static size_t word(const char *s)
{
    return strcspn(s, ".");
}

/* A word against a word of a pattern, in which a star stands for any part. */
static bool word_matches(const char *pattern, size_t pattern_n, const char *s, size_t n)
{
    size_t p = 0, i = 0, star = pattern_n, from = 0;
    if (pattern_n == 1 && *pattern == '+') {
        return true;
    }
    while (i < n) {
        if (p < pattern_n && pattern[p] == '*') {
            star = p++;
            from = i;
        } else if (p < pattern_n && pattern[p] == s[i]) {
            p++;
            i++;
        } else if (star < pattern_n) {
            p = star + 1;
            i = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern_n && pattern[p] == '*') {
        p++;
    }
    return p == pattern_n;
}

static const char *behind(const char *s, size_t n)
{
    return s[n] ? s + n + 1 : NULL; /* the last word has nothing behind it */
}

bool sonde_bus_matches(const char *pattern, const char *type)
{
    const char *star = NULL, *from = NULL;
    if (!pattern || !type) {
        return false;
    }
    for (;;) {
        size_t n = pattern ? word(pattern) : 0;
        if (pattern && n == 2 && memcmp(pattern, "**", 2) == 0) {
            star = behind(pattern, n); /* takes as few words as will do, first none */
            from = type;
            if (!star) {
                return true;
            }
            pattern = star;
        } else if (pattern && type && word_matches(pattern, n, type, word(type))) {
            pattern = behind(pattern, n);
            type = behind(type, word(type));
            if (!pattern && !type) {
                return true;
            }
        } else if (star && from) { /* the last "**" takes one word more */
            from = behind(from, word(from));
            type = from;
            pattern = star;
        } else {
            return false;
        }
    }
}
