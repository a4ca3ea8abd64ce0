/* discover/kubernetes_selector.h - are the texts of selectors what Kubernetes reads as such?
 *
 * Source:  Kubernetes, apimachinery: fields.ParseSelector, labels.Parse.
 * Threads: pure functions.
 */
#ifndef DISCOVER_KUBERNETES_SELECTOR_H
#define DISCOVER_KUBERNETES_SELECTOR_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

/* "a=b,c!=d". -ERR_FORMAT. */
MUST_USE int kubernetes_selector_field(struct str text, struct why *why);

/* "a,!b,c=d,e in (f,g),h notin (i),j>1". -ERR_FORMAT. */
MUST_USE int kubernetes_selector_label(struct str text, struct why *why);

#endif
