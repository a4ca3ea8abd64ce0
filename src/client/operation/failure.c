#include "client/operation/failure.h"

#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"

size_t failure_cut(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    if (n > max) {
        n = max;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return n;
}

/* The list, made where there is none; NULL: no memory. */
static struct failure_list *list_of(struct failure *f)
{
    struct failure_list *list = atomic_load_explicit(&f->list, memory_order_acquire);
    if (list) {
        return list;
    }
    struct failure_list *made = calloc(1, sizeof *made);
    if (made && !atomic_compare_exchange_strong(&f->list, &list, made)) {
        free(made);
        return list;
    }
    return made;
}

/* The place of a message: its own, a free one, or that of the longest unseen. */
static struct failure_message *place_of(struct failure_list *list, uint64_t hash)
{
    struct failure_message *oldest = &list->message[0];
    for (unsigned i = 0; i < list->n; i++) {
        struct failure_message *m = &list->message[i];
        if (m->hash == hash) {
            return m;
        }
        if (m->last_ticks < oldest->last_ticks) {
            oldest = m;
        }
    }
    return list->n < FAILURE_MESSAGES ? &list->message[list->n++] : oldest;
}

void failure_add(struct failure *f, const char *message, uint64_t ticks)
{
    atomic_store_explicit(&f->last_ticks, ticks, memory_order_relaxed);
    struct failure_list *list = message && *message ? list_of(f) : NULL;
    if (!list) {
        return;
    }
    size_t n = failure_cut(message, SONDE_OPERATION_ERROR_MAX - 1);
    uint64_t hash = id_hash(message, n, 0);
    if (!latch_try(&f->latch)) {
        return;
    }
    struct failure_message *m = place_of(list, hash);
    if (m->hash != hash || m->count == 0) {
        memset(m, 0, sizeof *m);
        memcpy(m->text, message, n);
        m->hash = hash;
    }
    m->count++;
    m->last_ticks = ticks;
    latch_release(&f->latch);
}

static int by_last(const void *a, const void *b)
{
    const struct failure_message *x = a, *y = b;
    return (x->last_ticks < y->last_ticks) - (x->last_ticks > y->last_ticks);
}

size_t failure_read(struct failure *f, struct failure_message ret[FAILURE_MESSAGES])
{
    const struct failure_list *list = atomic_load_explicit(&f->list, memory_order_acquire);
    if (!list || !latch_wait(&f->latch)) {
        return 0;
    }
    size_t n = list->n;
    memcpy(ret, list->message, n * sizeof *ret);
    latch_release(&f->latch);
    qsort(ret, n, sizeof *ret, by_last);
    return n;
}

void failure_clear(struct failure *f)
{
    atomic_store_explicit(&f->last_ticks, 0, memory_order_relaxed);
    struct failure_list *list = atomic_load_explicit(&f->list, memory_order_acquire);
    if (list && latch_wait(&f->latch)) {
        memset(list, 0, sizeof *list);
        latch_release(&f->latch);
    }
}

void failure_fork_child(struct failure *f)
{
    latch_clear(&f->latch);
}
