/* conf/member.h - one setting: its value in a settings struct, as TOML node and as text.
 *
 * Threads: pure functions; memory is the arena's.
 */
#ifndef CONF_MEMBER_H
#define CONF_MEMBER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"
#include "text/toml.h"

/* Checks node against o and puts it into settings. On -ERR_FORMAT or -ERR_RANGE why says what was
 * expected ("expected a whole number from 1 to 64"). */
MUST_USE int member_set(const struct option *o, const struct toml_node *node, struct arena *a,
                        void *settings, struct why *why);

/* The same from text, as defaults and the command line have it. */
MUST_USE int member_set_text(const struct option *o, struct str text, struct arena *a,
                             void *settings, struct why *why);

/* Fills settings with the defaults of t; one that its own row refuses is a bug. */
void member_defaults(const struct option_table *t, struct arena *a, void *settings);

bool member_equal(const struct option *o, const void *x, const void *y);

/* The value as TOML; a secret that is not empty as "(hidden)". */
void member_print(const struct option *o, const void *settings, struct buf *out);

/* "whole number from 1 to 64", "true or false", "one of a, b". */
void member_expected(const struct option *o, struct buf *out);

#endif
