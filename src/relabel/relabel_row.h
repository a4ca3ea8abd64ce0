/* relabel/relabel_row.h - a rule of relabelling as a row of our own configuration: the members of a
 * settings struct, their options, and the rule that they make.
 *
 * Threads: constant data; pure functions.
 */
#ifndef RELABEL_RELABEL_ROW_H
#define RELABEL_RELABEL_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/option.h"
#include "relabel/relabel.h"

struct relabel_row {
    const char *action, *separator, *regex, *target_label, *replacement;
    struct option_list source_labels;
    int64_t modulus;
};

/* The options of a struct relabel_row that lies at `at` in the settings struct of a table. */
#define RELABEL_ROW_OPTIONS(at)                                                                    \
    {"source_labels",                                                                              \
     OPTION_LIST,                                                                                  \
     (at) + offsetof(struct relabel_row, source_labels),                                           \
     "",                                                                                           \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     OPTION_RELOAD,                                                                                \
     "The labels whose values, joined by the separator, are looked at."},                          \
        {"separator", OPTION_TEXT,   (at) + offsetof(struct relabel_row, separator),    ";", 0, 0, \
         NULL,        OPTION_RELOAD, "What stands between the values of source_labels."},          \
        {"regex",                                                                                  \
         OPTION_TEXT,                                                                              \
         (at) + offsetof(struct relabel_row, regex),                                               \
         "(.*)",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "The regular expression (RE2, of the whole text) that the joined values must match; for " \
         "labelmap, labeldrop and labelkeep the name of a label."},                                \
        {"modulus",                                                                                \
         OPTION_INT,                                                                               \
         (at) + offsetof(struct relabel_row, modulus),                                             \
         "0",                                                                                      \
         0,                                                                                        \
         9e15,                                                                                     \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "For hashmod: the hash of the joined values is taken modulo this."},                      \
        {"target_label",                                                                           \
         OPTION_TEXT,                                                                              \
         (at) + offsetof(struct relabel_row, target_label),                                        \
         "",                                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "The label that is written or compared; with $1 or ${name} of the match for replace."},   \
        {"replacement",                                                                            \
         OPTION_TEXT,                                                                              \
         (at) + offsetof(struct relabel_row, replacement),                                         \
         "$1",                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         OPTION_RELOAD,                                                                            \
         "What replace writes into target_label, or the name that labelmap copies a label to; $1 " \
         "and "                                                                                    \
         "${name} stand for groups of the match, $$ for a dollar. An empty value removes the "     \
         "label."},                                                                                \
    {                                                                                              \
        "action", OPTION_CHOICE, (at) + offsetof(struct relabel_row, action), "replace", 0, 0,     \
            "replace|keep|drop|keepequal|dropequal|hashmod|labelmap|labeldrop|labelkeep|"          \
            "lowercase|"                                                                           \
            "uppercase",                                                                           \
            OPTION_RELOAD, "What is done, as Prometheus's relabelling does it."                    \
    }

/* The rule; its texts are the row's, its list is from a. */
struct relabel_rule relabel_row_rule(const struct relabel_row *row, struct arena *a);

#endif
