#include "client/crash/altstack.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/core/slot.h"

enum { GUARD_BYTES = 4096 };

struct altstack {
    void *memory; /* [ALTSTACK_BYTES]; NULL: none now */
};

static pid_t at_home; /* the process that knows whose stacks these are */

static void *map(void)
{
    char *at =
        mmap(NULL, GUARD_BYTES + ALTSTACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(at + GUARD_BYTES, ALTSTACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        munmap(at, GUARD_BYTES + ALTSTACK_BYTES);
        return NULL;
    }
    return at + GUARD_BYTES;
}

/* Does the thread have one that is big enough? */
static bool has_one(void)
{
    stack_t now;
    return sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_ONSTACK) ||
           (!(now.ss_flags & SS_DISABLE) && now.ss_size >= ALTSTACK_NEEDED_BYTES);
}

static bool use(void *memory)
{
    stack_t ours = {.ss_sp = memory, .ss_size = ALTSTACK_BYTES};
    return memory && sigaltstack(&ours, NULL) == 0;
}

static void join(struct slot *s)
{
    if (has_one()) {
        return;
    }
    struct altstack *a = s->part[SLOT_CRASH];
    a = a ? a : calloc(1, sizeof *a);
    if (a) {
        a->memory = a->memory ? a->memory : map();
        slot_publish(s, SLOT_CRASH, a);
        (void)use(a->memory); /* without it an overflow of the stack ends the program unseen */
    }
}

/* A thread ends: the next one of its slot takes the memory. In a forked child the thread that
 * lives goes on with its stack, which leaves the slot for ever. */
static void retire(void *part)
{
    struct altstack *a = part;
    stack_t now, none = {.ss_flags = SS_DISABLE};
    if (sigaltstack(NULL, &now) != 0 || now.ss_sp != a->memory || (now.ss_flags & SS_DISABLE)) {
        return;
    }
    if (getpid() != at_home) {
        a->memory = NULL;
    } else {
        sigaltstack(&none, NULL);
    }
}

bool altstack_take(void)
{
    struct slot *s = slot_mine();
    if (s) {
        join(s);
    }
    return has_one();
}

void altstack_worker(void)
{
    static void *memory; /* there is one such thread at a time */
    if (!has_one()) {
        memory = memory ? memory : map();
        (void)use(memory);
    }
}

void altstack_start(void)
{
    at_home = getpid();
    slot_on_retire(SLOT_CRASH, retire);
    slot_on_join(join);
    if (!has_one()) {
        (void)use(map()); /* stays with the thread */
    }
}

void altstack_stop(void)
{
    slot_on_join(NULL);
}

void altstack_fork_child(void)
{
    at_home = getpid();
}
