/* daemon/respond_rules.h - custom alerts in the worker: state.db and sonde.toml -> rules.
 *
 * Threads: the worker's main thread.
 */
#ifndef DAEMON_RESPOND_RULES_H
#define DAEMON_RESPOND_RULES_H

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "rules/rules.h"
#include "store/state/state.h"
#include "threshold/threshold_list.h"

/* Puts custom alerts in force; before rules_start(). */
MUST_USE int respond_rules_open(struct state *state, struct rules *rules, const struct conf *conf,
                                const struct clock *clock, struct threshold_list **ret,
                                struct why *why);

void respond_rules_reload(struct threshold_list *custom, const struct conf *conf);

#endif
