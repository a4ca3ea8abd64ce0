/* notify/wording.h - the texts of notifications: Go's templates over Alertmanager's data.
 *
 * A set of templates begins with the default ones, which have Alertmanager's names, so that files
 * of users' templates that call or replace them work as they are; files that are added later
 * replace what they define again. Fields of receivers are templates over the same data, and so are
 * Alertmanager's functions. Besides its data there are .Context (what changed around it) and
 * .NotificationReason.
 *
 * Flow:    default texts + files -> template_set; + message -> wording -> wording_text()
 * Source:  Alertmanager's notification template reference.
 * Threads: a set may be used by any number of threads once nothing is added; a wording by one.
 */
#ifndef NOTIFY_WORDING_H
#define NOTIFY_WORDING_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "notify/message.h"
#include "text/template.h"

enum { WORDING_TEXT_MAX = 1 << 20 /* bytes of one expanded text */ };

/* The default templates, in a new set. */
MUST_USE struct template_set *wording_set_new(struct arena *a);

/* Adds a file of templates; name is the file's, for messages. */
MUST_USE int wording_add(struct template_set *set, struct str text, struct str name,
                         struct why *why);

struct wording;

/* templates NULL: the default ones alone. All of it lives as long as a. */
MUST_USE struct wording *wording_new(const struct template_set *templates, const struct message *m,
                                     int64_t now_ms, struct arena *a);

/* The expansion of a text that people read. Where it cannot be expanded, it is what can be said
 * without it, as an alert must not get lost for a slip in a template; wording_fault() tells. */
struct str wording_text(struct wording *w, struct str text);
struct str wording_html(struct wording *w, struct str text);

/* The expansion of what is no text for people: a channel, a URL, a color; "" where it cannot be
 * expanded. */
struct str wording_plain(struct wording *w, struct str text);

/* The first fault, or NULL. */
const char *wording_fault(const struct wording *w);

/* s with at most max runes; what is longer ends in an ellipsis. */
struct str wording_cut(struct str s, size_t max, struct arena *a);

/* The same in bytes, on a border of UTF-8. */
struct str wording_cut_bytes(struct str s, size_t max, struct arena *a);

#endif
