#include "serve/fuzzy.h"

#include <string.h>

#include "base/attr.h"

void fuzzy_read(struct str text, bool fold, struct fuzzy_text *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < text.n && ret->n < FUZZY_TEXT_MAX;) {
        unsigned char c = (unsigned char)text.p[i++];
        uint32_t value = c;
        if (c >= 0xc0) {
            unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
            value = c & (0x3fU >> more);
            for (; more > 0 && i < text.n; more--)
                value = value << 6 | ((unsigned char)text.p[i++] & 0x3fU);
        }
        bool capital = fold && value >= 'A' && value <= 'Z';
        ret->v[ret->n++] = capital ? value | 0x20 : value;
    }
}

static bool stands_at(const struct fuzzy_text *text, size_t at, const struct fuzzy_text *wanted)
{
    return wanted->n <= text->n - at &&
           memcmp(text->v + at, wanted->v, wanted->n * sizeof *wanted->v) == 0;
}

bool fuzzy_starts(const struct fuzzy_text *text, const struct fuzzy_text *wanted)
{
    return stands_at(text, 0, wanted);
}

bool fuzzy_contains(const struct fuzzy_text *text, const struct fuzzy_text *wanted)
{
    for (size_t at = 0; at + wanted->n <= text->n; at++)
        if (stands_at(text, at, wanted))
            return true;
    return false;
}

/* The score of the match that begins at from, greedily; false where wanted does not end. */
static bool score_from(const struct fuzzy_text *text, const struct fuzzy_text *wanted, size_t from,
                       double *ret)
{
    double score = 0, share = 1 / (double)text->n;
    size_t used = 0, behind = 0; /* behind the last run */
    for (size_t at = from; used < wanted->n;) {
        while (at < text->n && text->v[at] != wanted->v[used])
            at++;
        if (at == text->n)
            return false;
        size_t begin = at;
        while (used < wanted->n && at < text->n && text->v[at] == wanted->v[used]) {
            at++;
            used++;
        }
        size_t run = at - begin;
        score += (double)(run * run) - (double)(begin - behind) * share;
        behind = at;
    }
    *ret = score - (double)(text->n - behind) * share / 2;
    return true;
}

double fuzzy_subsequence(const struct fuzzy_text *text, const struct fuzzy_text *wanted)
{
    double best = -1, score;
    if (wanted->n == 0 || (text->n == wanted->n && stands_at(text, 0, wanted)))
        return 1;
    for (size_t at = 0; at + wanted->n <= text->n; at++) {
        if (text->v[at] != wanted->v[0])
            continue;
        if (!score_from(text, wanted, at, &score))
            break; /* nor from any later one */
        best = MAX(best, score);
    }
    return best < 0 ? 0 : best / (double)(wanted->n * wanted->n);
}

/* Marks characters of both that are the same and near each other; how many. */
static size_t match(const struct fuzzy_text *a, const struct fuzzy_text *b, bool *in_a, bool *in_b)
{
    size_t reach = b->n / 2 > 1 ? b->n / 2 - 1 : 0, n = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t end = MIN(i + reach + 1, b->n);
        for (size_t k = i > reach ? i - reach : 0; k < end && !in_a[i]; k++) {
            if (in_b[k] || a->v[i] != b->v[k])
                continue;
            in_a[i] = in_b[k] = true;
            n++;
        }
    }
    return n;
}

double fuzzy_jaro_winkler(const struct fuzzy_text *a, const struct fuzzy_text *b)
{
    enum { PREFIX_MAX = 4 };
    static const double PREFIX_WEIGHT = 0.1;
    bool in_a[FUZZY_TEXT_MAX] = {0}, in_b[FUZZY_TEXT_MAX] = {0};
    size_t swapped = 0, prefix = 0;
    if (a->n == b->n && stands_at(a, 0, b))
        return 1;
    if (a->n > b->n)
        return fuzzy_jaro_winkler(b, a);
    size_t n = match(a, b, in_a, in_b);
    if (n == 0)
        return 0;
    for (size_t i = 0, k = 0; i < a->n; i++) {
        if (!in_a[i])
            continue;
        while (!in_b[k])
            k++;
        swapped += a->v[i] != b->v[k++];
    }
    double m = (double)n;
    double jaro = (m / (double)a->n + m / (double)b->n + (m - (double)swapped / 2) / m) / 3;
    while (prefix < PREFIX_MAX && prefix < a->n && a->v[prefix] == b->v[prefix])
        prefix++;
    return jaro + (double)prefix * PREFIX_WEIGHT * (1 - jaro);
}
