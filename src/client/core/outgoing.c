#include "client/core/outgoing.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "client/core/lost.h"

static const struct outgoing_ops *_Atomic way;

void outgoing_set(const struct outgoing_ops *ops)
{
    atomic_store_explicit(&way, ops, memory_order_release);
}

static enum lost_category category_of(const struct outgoing *what)
{
    if (what->kind == FRAME_SPANS) {
        return LOST_SPAN;
    }
    if (what->kind == FRAME_LOGS) {
        return LOST_LOG;
    }
    bool session = what->category && strncmp(what->category, "session", 7) == 0;
    return session ? LOST_SESSION : LOST_ERROR;
}

void outgoing_put(const struct outgoing *what, const struct text *payload)
{
    const struct outgoing_ops *ops = atomic_load_explicit(&way, memory_order_acquire);
    if (payload->cut) {
        lost_add(category_of(what), LOST_TOO_BIG, what->items);
    } else if (!ops) {
        lost_add(category_of(what), LOST_QUEUE_FULL, what->items);
    } else {
        ops->put(what, payload);
    }
}

bool outgoing_idle(void)
{
    const struct outgoing_ops *ops = atomic_load_explicit(&way, memory_order_acquire);
    return !ops || ops->idle();
}

bool outgoing_connected(void)
{
    const struct outgoing_ops *ops = atomic_load_explicit(&way, memory_order_acquire);
    return ops && ops->connected();
}
