/* apps/error_list.h - the newest errors, ready to be shown, and the ids of those that were stored.
 *
 * Flow:    spool -> error_list_add() -> error_list_recent() -> serve
 * Threads: any; a lock of its own.
 */
#ifndef APPS_ERROR_LIST_H
#define APPS_ERROR_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "apps/envelope.h"
#include "base/buf.h"
#include "model/signal_sink.h"

enum {
    ERROR_LIST_MAX = 1000,      /* errors */
    ERROR_LIST_IDS = 65536,     /* that are known */
    ERROR_LIST_TEXT = 16 << 10, /* bytes of one as JSON */
};

struct error_list;

struct error_list *error_list_new(void);
void error_list_free(struct error_list *l); /* NULL is fine */

/* Has an envelope of that id been stored (among the last ERROR_LIST_IDS)? "" is no id. */
bool error_list_knows(struct error_list *l, struct str event_id);

/* It is stored; an event is listed from now on. */
void error_list_add(struct error_list *l, const struct signal *s, const struct envelope *e);

/* Appends the newest as a JSON array, the newest first; service "": of all. */
void error_list_recent(struct error_list *l, size_t limit, struct str service, struct buf *out);

#endif
