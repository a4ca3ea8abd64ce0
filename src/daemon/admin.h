/* daemon/admin.h - what an operator asks of the stores by the API: flush, merge, snapshot.
 *
 * A snapshot is a data directory of its own, with the parts of the store and a copy of state.db.
 *
 * Threads: any.
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include "daemon/respond.h"
#include "serve/serve.h"
#include "store/series/store.h"

struct admin {
    struct store *store;
    struct disk *disk; /* the data directory */
    struct respond *respond;
};

/* For serve; a outlives it. */
struct serve_admin admin_serve(struct admin *a);

#endif
