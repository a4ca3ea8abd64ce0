#include "relabel/relabel_row.h"

struct relabel_rule relabel_row_rule(const struct relabel_row *row, struct arena *a)
{
    size_t n = row->source_labels.n;
    struct str *sources = arena_array(a, n + 1, sizeof *sources);
    for (size_t i = 0; i < n; i++)
        sources[i] = str_c(row->source_labels.v[i]);
    return (struct relabel_rule){
        .action = str_c(row->action),
        .source_labels = sources,
        .source_labels_n = n,
        .separator = str_c(row->separator),
        .regex = str_c(row->regex),
        .modulus = (uint64_t)row->modulus,
        .target_label = str_c(row->target_label),
        .replacement = str_c(row->replacement),
    };
}
