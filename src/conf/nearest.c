#include "conf/nearest.h"

#include "base/attr.h"

enum { WORD_MAX = 64 }; /* letters; longer words are never near */

static size_t distance(struct str a, struct str b)
{
    size_t rows[3][WORD_MAX + 1]; /* this row of the matrix and the two before, by i % 3 */
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            row[j] = MIN(change, MIN(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
            if (swapped)
                row[j] = MIN(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

void nearest_init(struct nearest *n, struct str word)
{
    *n = (struct nearest){.word = word, .distance = MAX(word.n / 3, (size_t)2) + 1};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    struct str c = str_c(candidate);
    if (c.n > WORD_MAX || n->word.n > WORD_MAX)
        return;
    size_t d = distance(n->word, c);
    if (d < n->distance && d < MAX(c.n, n->word.n)) {
        n->distance = d;
        n->best = candidate;
    }
}
