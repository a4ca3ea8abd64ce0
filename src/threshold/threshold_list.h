/* threshold/threshold_list.h - the custom alerts that there are: those of sonde.toml, which are
 * changed there, and those that the API made, which are kept in state.db.
 *
 * Flow:    [[alert.rule]], API -> list -> threshold_file() -> rules_own_set()
 * Threads: any; what changes something waits for the disk and for rules that are running.
 */
#ifndef THRESHOLD_THRESHOLD_LIST_H
#define THRESHOLD_THRESHOLD_LIST_H

#include "base/clock.h"
#include "rules/rules.h"
#include "store/state/state.h"
#include "threshold/threshold.h"

struct threshold_list;

struct threshold_list_config {
    struct state *state;
    struct rules *rules;
    const struct clock *clock;
    struct promql_options options;
    const struct option_rows *rows; /* of the configuration; until threshold_list_reload() */
    void (*warn)(void *context, const char *text); /* may be NULL */
    void *context;
};

/* Puts the rules in force. */
MUST_USE int threshold_list_open(const struct threshold_list_config *config,
                                 struct threshold_list **ret, struct why *why);
void threshold_list_free(struct threshold_list *l); /* NULL is fine */

/* Other rows of the configuration. */
void threshold_list_reload(struct threshold_list *l, const struct option_rows *rows);

struct threshold_list_row {
    const struct threshold_row *row;
    bool from_file;                 /* of sonde.toml */
    int64_t created_ms, updated_ms; /* of the API's */
};

/* Calls f for each in the order of names, under the lock; name "": all. How many there were. */
size_t threshold_list_each(struct threshold_list *l, struct str name,
                           void (*f)(void *context, const struct threshold_list_row *row),
                           void *context);

enum threshold_list_how { THRESHOLD_LIST_NEW, THRESHOLD_LIST_CHANGE };

/* Makes one, or puts another in the place of that with its name. Once 0 is returned it survives
 * kill -9. -ERR_EXISTS, -ERR_NOENT, -ERR_DENIED (it stands in sonde.toml), -ERR_FORMAT. */
MUST_USE int threshold_list_put(struct threshold_list *l, const struct threshold_row *row,
                                enum threshold_list_how how, struct why *why);
MUST_USE int threshold_list_drop(struct threshold_list *l, struct str name, struct why *why);

#endif
