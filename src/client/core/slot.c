#include "client/core/slot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/core/module.h"

_Thread_local struct slot *slot_pointer __attribute__((tls_model("initial-exec")));

enum { SLOT_LINE = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;
static struct slot *_Atomic all; /* newest first; only ever grows */
static size_t made, used;
static slot_retire_f *retire_of[SLOT_PARTS];
static void (*_Atomic join_call)(struct slot *s);

/* Set while a thread's slot is given back: what destructors of the host record then is not kept. */
static _Thread_local bool ending __attribute__((tls_model("initial-exec")));

static void give_back(struct slot *s)
{
    for (size_t i = 0; i < SLOT_PARTS; i++) {
        if (s->part[i] && retire_of[i]) {
            retire_of[i](s->part[i]);
        }
    }
    __atomic_store_n(&s->tid, 0, __ATOMIC_RELAXED);
    s->used = false;
    used--;
}

static void thread_ends(void *pointer)
{
    slot_pointer = NULL;
    ending = true;
    pthread_mutex_lock(&lock);
    give_back(pointer);
    pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, thread_ends) == 0;
}

/* One that is free, or a new one; NULL where there are too many or no memory. Under the lock. */
static struct slot *take(void)
{
    if (used < made) {
        for (struct slot *s = all; s; s = s->next) {
            if (!s->used) {
                return s;
            }
        }
    }
    if (made >= SLOT_THREADS_MAX) {
        return NULL;
    }
    struct slot *s = NULL;
    size_t size = (sizeof *s + SLOT_LINE - 1) / SLOT_LINE * SLOT_LINE;
    s = aligned_alloc(SLOT_LINE, size);
    if (s) {
        memset(s, 0, size);
        s->next = all;
        made++;
        atomic_store_explicit(&all, s, memory_order_release);
    }
    return s;
}

struct slot *slot_join(void)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed) || ending) {
        return NULL;
    }
    module_wake();
    pthread_once(&once, make_key);
    if (!key_made) {
        return NULL;
    }
    pthread_mutex_lock(&lock);
    struct slot *s = take();
    if (s) {
        s->used = true;
        used++;
        __atomic_store_n(&s->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&lock);
    if (s && pthread_setspecific(key, s) != 0) {
        pthread_mutex_lock(&lock);
        give_back(s);
        pthread_mutex_unlock(&lock);
        return NULL;
    }
    slot_pointer = s;
    void (*join)(struct slot *) = atomic_load(&join_call);
    if (s && join) {
        join(s);
    }
    return s;
}

void slot_on_join(void (*join)(struct slot *s))
{
    atomic_store(&join_call, join);
}

void slot_on_retire(enum slot_part part, slot_retire_f *retire)
{
    pthread_mutex_lock(&lock);
    retire_of[part] = retire;
    pthread_mutex_unlock(&lock);
}

void slot_publish(struct slot *s, enum slot_part part, void *pointer)
{
    __atomic_store_n(&s->part[part], pointer, __ATOMIC_RELEASE);
}

void slot_each_raw(enum slot_part part,
                   void (*visit)(void *part, const struct slot *s, void *context), void *context)
{
    for (struct slot *s = atomic_load_explicit(&all, memory_order_acquire); s; s = s->next) {
        void *p = __atomic_load_n(&s->part[part], __ATOMIC_ACQUIRE);
        if (p) {
            visit(p, s, context);
        }
    }
}

void slot_each(enum slot_part part, void (*visit)(void *part, const struct slot *s, void *context),
               void *context)
{
    pthread_mutex_lock(&lock);
    slot_each_raw(part, visit, context);
    pthread_mutex_unlock(&lock);
}

size_t slot_count(void)
{
    pthread_mutex_lock(&lock);
    size_t n = used;
    pthread_mutex_unlock(&lock);
    return n;
}

void slot_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void slot_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

void slot_fork_child(void)
{
    for (struct slot *s = all; s; s = s->next) {
        if (s->used) {
            give_back(s);
        }
    }
    if (slot_pointer) {
        pthread_setspecific(key, NULL);
        slot_pointer = NULL;
    }
    pthread_mutex_unlock(&lock);
}
