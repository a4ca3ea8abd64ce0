/* client/error/set.h - what the application has set for all events: tags, user, contexts.
 *
 * Kept as it was given; masked when it is written.
 *
 * Threads: any; one lock.
 */
#ifndef CLIENT_ERROR_SET_H
#define CLIENT_ERROR_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/jot.h"
#include "client/error/error_thread.h"

enum {
    SET_TAGS_MAX = 50,
    SET_CONTEXTS_MAX = 20,
    SET_CONTEXTS_BYTES_MAX = 65536,
    SET_USER_MAX = 192
};

/* Copies the process's tags. */
size_t set_tags(struct error_tag ret[SET_TAGS_MAX]);
/* The contexts as members of the open object, but for the one called `but`. */
void set_contexts(struct jot *j, const char *but);
/* "user" of the process; nothing where nobody is set. */
void set_user(struct jot *j);
/* "user" of what is given; "": not known. Without the setting send_pii only the id says something.
 */
void set_user_write(struct jot *j, const char *id, const char *email, const char *name,
                    const char *ip);
/* The transaction; "" for none. */
void set_transaction(char *ret, size_t size);
void set_reset(void);
void set_fork_child(void); /* what was set holds in the child too */

#endif
