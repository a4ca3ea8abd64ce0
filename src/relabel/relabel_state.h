/* relabel/relabel_state.h - compiled rules, shared by the files of this folder.
 *
 * Flow:    relabel_rule.c checks, relabel.c compiles and applies.
 * Threads: never changed once it is made.
 */
#ifndef RELABEL_RELABEL_STATE_H
#define RELABEL_RELABEL_STATE_H

#include "relabel/relabel.h"
#include "text/regex.h"

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
    RELABEL_ACTIONS,
};

/* The action of that name (in any case); false where there is none. */
bool relabel_rule_action(struct str name, enum relabel_action *ret);

/* Is s a name that a label may have? */
bool relabel_rule_label(const struct relabel_rule *rule, struct str s);

/* Does s have a $1, ${1}, $name or ${name}? */
bool relabel_rule_template(struct str s);

#endif
