#include "client/send/limit.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const uint64_t SECOND = 1000000000; /* ns */

/* Digits, and a fraction that is ignored; false: none. */
static bool read_seconds(const char *s, size_t n, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
        value = value * 10 + (uint64_t)(s[i] - '0');
        value = value < LIMIT_SECONDS_MAX ? value : LIMIT_SECONDS_MAX;
    }
    size_t digits = i;
    if (i < n && s[i] == '.') {
        for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
        }
        value += value < LIMIT_SECONDS_MAX; /* not too early */
    }
    *ret = value;
    return digits > 0 && i == n;
}

static void trim(const char **s, size_t *n)
{
    while (*n && (**s == ' ' || **s == '\t')) {
        (*s)++;
        (*n)--;
    }
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t' || (*s)[*n - 1] == '\r' ||
                  (*s)[*n - 1] == '\n')) {
        (*n)--;
    }
}

static void grow(uint64_t *until, uint64_t to)
{
    *until = *until < to ? to : *until;
}

/* Where all places are taken, the limit that ends first gives way. */
static void limit_one(struct limit *l, const char *name, size_t n, uint64_t until_ns)
{
    size_t first = 0;
    n = n < SPOOL_CATEGORY_MAX ? n : SPOOL_CATEGORY_MAX - 1;
    for (size_t i = 0; i < LIMIT_CATEGORIES_MAX; i++) {
        if (strlen(l->of[i].name) == n && memcmp(l->of[i].name, name, n) == 0) {
            grow(&l->of[i].until_ns, until_ns);
            return;
        }
        first = l->of[i].until_ns < l->of[first].until_ns ? i : first;
    }
    memcpy(l->of[first].name, name, n);
    l->of[first].name[n] = 0;
    l->of[first].until_ns = until_ns;
}

/* SECONDS:CATEGORIES[:SCOPE..] */
static bool read_one(struct limit *l, const char *s, size_t n, uint64_t now_ns)
{
    const char *colon = memchr(s, ':', n);
    uint64_t seconds;
    size_t number_n = colon ? (size_t)(colon - s) : 0;
    const char *number = s;
    trim(&number, &number_n);
    if (!colon || !read_seconds(number, number_n, &seconds)) {
        return false;
    }
    const char *names = colon + 1;
    size_t names_n = n - (size_t)(names - s);
    const char *end = memchr(names, ':', names_n);
    names_n = end ? (size_t)(end - names) : names_n;
    trim(&names, &names_n);
    if (!names_n) {
        grow(&l->all_ns, now_ns + seconds * SECOND);
        return true;
    }
    for (size_t at = 0; at < names_n;) {
        const char *stop = memchr(names + at, ';', names_n - at);
        size_t len = stop ? (size_t)(stop - names) - at : names_n - at;
        const char *name = names + at;
        size_t name_n = len;
        trim(&name, &name_n);
        if (name_n) {
            limit_one(l, name, name_n, now_ns + seconds * SECOND);
        }
        at += len + 1;
    }
    return true;
}

bool limit_read(struct limit *l, const char *header, uint64_t now_ns)
{
    bool any = false;
    for (const char *p = header; *p;) {
        size_t n = strcspn(p, ",");
        any = read_one(l, p, n, now_ns) || any;
        p += n + (p[n] == ',');
    }
    return any;
}

void limit_all(struct limit *l, uint64_t until_ns)
{
    grow(&l->all_ns, until_ns);
}

static bool holds(const struct limit *l, const char *category, uint64_t now_ns)
{
    for (size_t i = 0; i < LIMIT_CATEGORIES_MAX; i++) {
        if (l->of[i].until_ns > now_ns && strcmp(l->of[i].name, category) == 0) {
            return true;
        }
    }
    return false;
}

bool limit_holds(const struct limit *l, const char *category, uint64_t now_ns)
{
    return l->all_ns > now_ns || holds(l, category, now_ns) ||
           (strcmp(category, "error") == 0 && holds(l, "default", now_ns));
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that is still to be sent. */
static bool read_date(const char *s, int64_t *ret)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4];
    int day, year, hour, minute, second, used = 0;
    if (strnlen(s, 40) >= 40 ||
        sscanf(s, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, name, &year, &hour,
               &minute, &second, &used) != 6 ||
        used == 0 || s[used]) {
        return false;
    }
    const char *found = strlen(name) == 3 ? strstr(months, name) : NULL;
    if (!found || (found - months) % 3 || day < 1 || day > 31 || year < 1970 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return false;
    }
    *ret = days_of(year, (int)(found - months) / 3 + 1, day) * 86400 + hour * 3600 + minute * 60 +
           second;
    return true;
}

bool limit_retry_after(const char *value, int64_t unix_s, uint64_t *ret_s)
{
    char text[64];
    const char *s = value;
    size_t n = strnlen(value, sizeof text);
    trim(&s, &n);
    if (n >= sizeof text) {
        return false;
    }
    if (read_seconds(s, n, ret_s)) {
        return true;
    }
    memcpy(text, s, n);
    text[n] = 0;
    int64_t date;
    if (!read_date(text, &date)) {
        return false;
    }
    uint64_t wait = date > unix_s ? (uint64_t)(date - unix_s) : 0;
    *ret_s = wait < LIMIT_SECONDS_MAX ? wait : LIMIT_SECONDS_MAX;
    return true;
}
