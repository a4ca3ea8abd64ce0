/* daemon/part_list.h - the parts of a store, as serve lists them.
 *
 * Threads: any.
 */
#ifndef DAEMON_PART_LIST_H
#define DAEMON_PART_LIST_H

#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "serve/serve.h"
#include "store/series/store.h"

/* Those of a tenant; memory from a. */
void part_list(struct store *store, struct str tenant, struct arena *a, struct serve_block **ret,
               size_t *ret_n);

#endif
