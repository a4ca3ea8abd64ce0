/* serve/fuzzy.h - how well a name fits what somebody has typed: from 0 (not at all) to 1.
 *
 * Source:  Prometheus's search API: subsequence scores as its page has them; W. E. Winkler, String
 *          Comparator Metrics, 1990, for Jaro-Winkler.
 * Threads: pure functions over their arguments.
 */
#ifndef SERVE_FUZZY_H
#define SERVE_FUZZY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { FUZZY_TEXT_MAX = 4096 /* characters that are compared; what is behind them is not seen */ };

/* A text as characters. */
struct fuzzy_text {
    uint32_t v[FUZZY_TEXT_MAX]; /* [n] */
    size_t n;
};

/* Reads UTF-8; fold: A to Z count as a to z. */
void fuzzy_read(struct str text, bool fold, struct fuzzy_text *ret);

bool fuzzy_starts(const struct fuzzy_text *text, const struct fuzzy_text *wanted);
bool fuzzy_contains(const struct fuzzy_text *text, const struct fuzzy_text *wanted);

/* 1 where both are the same or wanted is empty; 0 where wanted's characters do not all stand in
 * text in that order. Runs of neighbours count for more, gaps cost. */
double fuzzy_subsequence(const struct fuzzy_text *text, const struct fuzzy_text *wanted);

double fuzzy_jaro_winkler(const struct fuzzy_text *a, const struct fuzzy_text *b);

#endif
