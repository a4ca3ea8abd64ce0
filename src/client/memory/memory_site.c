/* Call sites: a table from (subsystem, return address) to a small number, and what lives by number.
 * Sampled backtraces are entries of the same table whose parent is the call site. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/memory/memory.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"
#include "client/stack/unwind.h"

enum {
    TABLE = 2 * MEMORY_SITES_MAX, /* entries; a power of two */
    TABLE_LOG2 = 14,
    PROBES_MAX = 64,
    OWN = MEMORY_MAX + 2, /* 0: none; 1..256: what of a subsystem has no number of its own */
    ADDRESS_BITS = 48,
    REPORT_MAX = 50,
};
_Static_assert(1 << TABLE_LOG2 == TABLE, "the hash takes that many bits");

struct site {
    uintptr_t address;          /* 0: of no call site */
    uint16_t subsystem, parent; /* parent 0: a call site; otherwise a stack of that one */
    uint32_t frames_n;
    uintptr_t frames[]; /* of a stack */
};

struct entry {
    _Atomic uint64_t key; /* 0: free */
    _Atomic uint32_t number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* additions; the start of `leaks` */
static struct entry *_Atomic table;                      /* [TABLE] */
static struct site *_Atomic sites[MEMORY_SITES_MAX];
static _Atomic uint32_t sites_n = OWN;
static struct memory_site_cell shared[MEMORY_SITES_MAX]; /* of threads without a part, or ended */
static sonde_memory_sites *begun;                        /* of the command `leaks start` */
static int64_t begun_unix_ns;

static struct entry *find(struct entry *t, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15ull >> (64 - TABLE_LOG2));
    for (int i = 0; i < PROBES_MAX; i++) {
        struct entry *e = &t[(at + (size_t)i) % TABLE];
        uint64_t k = atomic_load_explicit(&e->key, memory_order_acquire);
        if (k == key || !k) {
            return e;
        }
    }
    return NULL;
}

/* Makes a number for the key, or gives the one that another thread has made; 0: there is no room.
 */
static uint32_t add(uint64_t key, const struct site *like)
{
    uint32_t number = 0;
    pthread_mutex_lock(&lock);
    struct entry *t = atomic_load(&table);
    if (!t) {
        t = calloc(TABLE, sizeof *t);
        atomic_store_explicit(&table, t, memory_order_release);
    }
    struct entry *e = t ? find(t, key) : NULL;
    uint32_t n = atomic_load(&sites_n);
    if (e && atomic_load(&e->key) == key) {
        number = atomic_load(&e->number);
    } else if (e && n < MEMORY_SITES_MAX) {
        size_t size = sizeof *like + like->frames_n * sizeof *like->frames;
        struct site *s = malloc(size);
        if (s) {
            memcpy(s, like, size);
            atomic_store_explicit(&sites[n], s, memory_order_release);
            atomic_store_explicit(&sites_n, n + 1, memory_order_release);
            atomic_store_explicit(&e->number, n, memory_order_relaxed);
            atomic_store_explicit(&e->key, key, memory_order_release);
            number = n;
        }
    }
    pthread_mutex_unlock(&lock);
    if (!number) {
        lost_add(LOST_METRIC, LOST_QUEUE_FULL, 1);
    }
    return number;
}

static inline uint32_t known(uint64_t key)
{
    struct entry *t = atomic_load_explicit(&table, memory_order_acquire);
    struct entry *e = t ? find(t, key) : NULL;
    return e && atomic_load_explicit(&e->key, memory_order_relaxed) == key
               ? atomic_load_explicit(&e->number, memory_order_relaxed)
               : 0;
}

/* The number of this thread's call stack at that site; the site's own where there is none. */
static __attribute__((noinline)) uint32_t stack_site(uint32_t subsystem, uint32_t parent,
                                                     uintptr_t address)
{
    struct {
        struct site head;
        uintptr_t frames[SONDE_MEMORY_FRAMES_MAX];
    } like = {.head = {address, (uint16_t)subsystem, (uint16_t)parent, 0}};
    uintptr_t frames[UNWIND_FRAMES_MAX];
    size_t n = unwind_here(frames, SONDE_MEMORY_FRAMES_MAX + 8, 0), from = 0;
    while (from < n && frames[from] != address) { /* what lies before it is ours */
        from++;
    }
    if (from == n) {
        return parent;
    }
    n = n - from < SONDE_MEMORY_FRAMES_MAX ? n - from : SONDE_MEMORY_FRAMES_MAX;
    uint64_t hash = subsystem + 1;
    for (size_t i = 0; i < n; i++) {
        like.head.frames[i] = frames[from + i];
        hash = (hash ^ frames[from + i]) * 0xd6e8feb86659fd93ull;
        hash ^= hash >> 32;
    }
    like.head.frames_n = (uint32_t)n;
    uint64_t key = hash | 1ull << 63; /* call sites have less than 256 in their upper 16 bits */
    uint32_t number = known(key);
    number = number ? number : add(key, &like.head);
    return number ? number : parent;
}

uint32_t memory_site(uint32_t subsystem, uintptr_t address, struct memory_part *part)
{
    uint64_t key = (address & ((1ull << ADDRESS_BITS) - 1)) | (uint64_t)(subsystem + 1)
                                                                  << ADDRESS_BITS;
    uint32_t number = known(key);
    if (__builtin_expect(!number, 0)) {
        struct site like = {.address = address, .subsystem = (uint16_t)subsystem};
        number = add(key, &like);
        number = number ? number : subsystem + 1;
    }
    uint64_t every = atomic_load_explicit(&setting.memory_backtrace_every, memory_order_relaxed);
    if (__builtin_expect(every && part && !part->unwinding, 0)) {
        if (part->until_sample == 0 || part->until_sample > every) {
            part->until_sample = every;
        }
        if (--part->until_sample == 0) {
            part->unwinding = true; /* what the unwinder allocates is not looked into */
            number = stack_site(subsystem, number, address);
            part->unwinding = false;
        }
    }
    return number;
}

void memory_site_count(struct memory_part *part, uint32_t site, size_t size, bool freed)
{
    struct memory_site_cell *chunk = NULL, *cell;
    if (!site) {
        return;
    }
    if (__builtin_expect(part != NULL, 1)) {
        chunk = atomic_load_explicit(&part->site[site / MEMORY_SITE_CHUNK], memory_order_relaxed);
        if (__builtin_expect(!chunk, 0)) {
            chunk = calloc(MEMORY_SITE_CHUNK, sizeof *chunk);
            atomic_store_explicit(&part->site[site / MEMORY_SITE_CHUNK], chunk,
                                  memory_order_release);
        }
    }
    if (__builtin_expect(chunk != NULL, 1)) {
        cell = &chunk[site % MEMORY_SITE_CHUNK];
        slot_add_u64(freed ? &cell->frees : &cell->allocations, 1);
        slot_add_u64(freed ? &cell->freed : &cell->allocated, size);
    } else {
        cell = &shared[site];
        atomic_fetch_add_explicit(freed ? &cell->frees : &cell->allocations, 1,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(freed ? &cell->freed : &cell->allocated, size,
                                  memory_order_relaxed);
    }
}

void memory_site_retire(struct memory_part *part)
{
    for (size_t i = 0; i < MEMORY_SITE_CHUNKS; i++) {
        struct memory_site_cell *chunk = part->site[i];
        for (size_t k = 0; chunk && k < MEMORY_SITE_CHUNK; k++) {
            struct memory_site_cell *c = &chunk[k], *to = &shared[i * MEMORY_SITE_CHUNK + k];
            if (c->allocations | c->frees) {
                atomic_fetch_add(&to->allocations, atomic_exchange(&c->allocations, 0));
                atomic_fetch_add(&to->frees, atomic_exchange(&c->frees, 0));
                atomic_fetch_add(&to->allocated, atomic_exchange(&c->allocated, 0));
                atomic_fetch_add(&to->freed, atomic_exchange(&c->freed, 0));
            }
        }
    }
}

void memory_site_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
}

/* What lived at each site, as of one moment. */
struct sonde_memory_sites {
    uint32_t n;
    bool begun; /* while it is taken: the shared cells are in it */
    struct {
        int64_t bytes, blocks;
    } live[];
};

static void add_cell(const struct memory_site_cell *c, uint32_t site, sonde_memory_sites *to)
{
    uint64_t freed = atomic_load_explicit(&c->freed, memory_order_relaxed);
    uint64_t frees = atomic_load_explicit(&c->frees, memory_order_relaxed);
    uint64_t allocated = atomic_load_explicit(&c->allocated, memory_order_relaxed);
    uint64_t allocations = atomic_load_explicit(&c->allocations, memory_order_relaxed);
    to->live[site].bytes += (int64_t)(allocated - freed);
    to->live[site].blocks += (int64_t)(allocations - frees);
}

static void add_shared(sonde_memory_sites *to)
{
    for (uint32_t i = 0; !to->begun && i < to->n; i++) {
        add_cell(&shared[i], i, to);
    }
    to->begun = true;
}

static void add_part(void *pointer, const struct slot *slot, void *context)
{
    sonde_memory_sites *to = context;
    struct memory_part *part = pointer;
    add_shared(to); /* here, since threads retire under the mutex that is held now */
    for (uint32_t i = 0; i < to->n; i++) {
        const struct memory_site_cell *chunk =
            atomic_load_explicit(&part->site[i / MEMORY_SITE_CHUNK], memory_order_acquire);
        if (chunk) {
            add_cell(&chunk[i % MEMORY_SITE_CHUNK], i, to);
        } else {
            i |= MEMORY_SITE_CHUNK - 1;
        }
    }
}

static sonde_memory_sites *take(void)
{
    uint32_t n = atomic_load_explicit(&sites_n, memory_order_acquire);
    sonde_memory_sites *s = calloc(1, sizeof *s + n * sizeof s->live[0]);
    if (s) {
        s->n = n;
        slot_each(SLOT_MEMORY, add_part, s);
        add_shared(s);
    }
    return s;
}

sonde_memory_sites *sonde_memory_sites_take(void)
{
    if (!module_on) {
        return NULL;
    }
    module_wake();
    return take();
}

void sonde_memory_sites_free(sonde_memory_sites *taken)
{
    free(taken);
}

static int64_t grown_bytes(const sonde_memory_sites *a, const sonde_memory_sites *b, uint32_t i)
{
    return b->live[i].bytes - (a && i < a->n ? a->live[i].bytes : 0);
}

static int64_t grown_blocks(const sonde_memory_sites *a, const sonde_memory_sites *b, uint32_t i)
{
    return b->live[i].blocks - (a && i < a->n ? a->live[i].blocks : 0);
}

/* The growth of a call site with its stacks. */
struct growth {
    int64_t bytes, blocks, live_bytes, live_blocks, stack_bytes;
    uint32_t site, stack; /* stack: the one that has grown most; 0: none */
};

static int by_bytes(const void *x, const void *y)
{
    const struct growth *a = x, *b = y;
    return a->bytes < b->bytes   ? 1
           : a->bytes > b->bytes ? -1
                                 : (a->site > b->site) - (a->site < b->site);
}

/* Fills g [b->n] and gives how many sites have grown, these first. */
static size_t grow(const sonde_memory_sites *a, const sonde_memory_sites *b, struct growth *g)
{
    for (uint32_t i = 1; i < b->n; i++) {
        const struct site *s = atomic_load_explicit(&sites[i], memory_order_acquire);
        uint32_t to = s && s->parent ? s->parent : i;
        int64_t bytes = grown_bytes(a, b, i);
        g[to].bytes += bytes;
        g[to].blocks += grown_blocks(a, b, i);
        g[to].live_bytes += b->live[i].bytes;
        g[to].live_blocks += b->live[i].blocks;
        g[i].site = i;
        if (to != i && bytes > g[to].stack_bytes) {
            g[to].stack = i;
            g[to].stack_bytes = bytes;
        }
    }
    qsort(g, b->n, sizeof *g, by_bytes);
    size_t n = 0;
    while (n < b->n && g[n].bytes > 0) {
        n++;
    }
    return n;
}

static void copy_text(char *ret, size_t size, const char *s)
{
    size_t n = strnlen(s, size - 1);
    memcpy(ret, s, n);
    ret[n] = 0;
}

static void describe(const struct growth *g, sonde_memory_leak *ret)
{
    const struct site *s = atomic_load_explicit(&sites[g->site], memory_order_acquire);
    const struct site *stack =
        g->stack ? atomic_load_explicit(&sites[g->stack], memory_order_acquire) : NULL;
    uint32_t subsystem = s ? s->subsystem : g->site - 1;
    *ret = (sonde_memory_leak){.grown_bytes = g->bytes,
                               .grown_blocks = g->blocks,
                               .live_bytes = g->live_bytes,
                               .live_blocks = g->live_blocks,
                               .address = s ? s->address : 0};
    copy_text(ret->subsystem, sizeof ret->subsystem, memory_at(subsystem)->name);
    struct symbol symbol;
    if (s && symbol_of(s->address, true, &symbol)) {
        copy_text(ret->function, sizeof ret->function, symbol.name);
        copy_text(ret->module, sizeof ret->module, symbol.module ? symbol.module : "");
        ret->offset = *symbol.name ? s->address - symbol.address : 0;
    }
    for (uint32_t i = 0; stack && i < stack->frames_n; i++) {
        ret->frames[ret->frames_n++] = stack->frames[i];
    }
}

int sonde_memory_leaks(const sonde_memory_sites *a, const sonde_memory_sites *b,
                       sonde_memory_leak *ret, size_t n)
{
    if (!ret && n) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!module_on) {
        return SONDE_ERROR_STATE;
    }
    module_wake();
    sonde_memory_sites *now = b ? NULL : take();
    const sonde_memory_sites *later = b ? b : now;
    struct growth *g = later ? calloc(later->n, sizeof *g) : NULL;
    int found = SONDE_ERROR_MEMORY;
    if (g) {
        size_t grown = grow(a, later, g);
        for (size_t i = 0; i < grown && i < n; i++) {
            describe(&g[i], &ret[i]);
        }
        found = (int)grown;
    }
    free(g);
    free(now);
    return found;
}

static void answer_frames(const sonde_memory_leak *l, struct jot *j)
{
    jot_array(j, "stack");
    for (size_t i = 0; i < l->frames_n; i++) {
        struct symbol symbol;
        jot_object(j, NULL);
        jot_address(j, "address", l->frames[i]);
        if (symbol_of(l->frames[i], true, &symbol)) {
            jot_string(j, "function", symbol.name);
            jot_string(j, "module", symbol.module);
        }
        jot_end(j);
    }
    jot_end(j);
}

static void answer_leak(const sonde_memory_leak *l, struct jot *j)
{
    jot_object(j, NULL);
    jot_string(j, "subsystem", l->subsystem);
    jot_string(j, "function", l->function);
    jot_u64(j, "offset", l->offset);
    jot_string(j, "module", l->module);
    jot_address(j, "address", l->address);
    jot_i64(j, "grown_bytes", l->grown_bytes);
    jot_i64(j, "grown_blocks", l->grown_blocks);
    jot_i64(j, "live_bytes", l->live_bytes);
    jot_i64(j, "live_blocks", l->live_blocks);
    if (l->frames_n) {
        answer_frames(l, j);
    }
    jot_end(j);
}

static int answer_report(size_t most, struct jot *j, char *problem)
{
    sonde_memory_leak *leaks = calloc(most, sizeof *leaks);
    if (!leaks) {
        return SONDE_ERROR_MEMORY;
    }
    pthread_mutex_lock(&lock); /* keeps `begun` */
    sonde_memory_sites *from = begun;
    int64_t since = begun_unix_ns;
    begun = NULL;
    pthread_mutex_unlock(&lock);
    int n = from ? sonde_memory_leaks(from, NULL, leaks, most) : SONDE_ERROR_STATE;
    if (n < 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s",
                 from ? sonde_error_text(n)
                      : "`leaks start` comes first (or another asks just now)");
    } else {
        jot_time(j, "since", since);
        jot_i64(j, "grown", n);
        jot_array(j, "leaks");
        for (int i = 0; i < n && (size_t)i < most; i++) {
            answer_leak(&leaks[i], j);
        }
        jot_end(j);
    }
    pthread_mutex_lock(&lock);
    if (from && !begun) {
        begun = from;
        from = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(from); /* another has begun anew meanwhile */
    free(leaks);
    return n < 0 ? n : 0;
}

int memory_site_answer(const struct command_call *call, struct jot *j, char *problem)
{
    if (call->n > 1 && strcmp(call->words[1], "report") == 0) {
        unsigned long most = call->n > 2 ? strtoul(call->words[2], NULL, 10) : REPORT_MAX;
        return answer_report(most < 1 ? 1 : most > 1000 ? 1000 : most, j, problem);
    }
    if (call->n != 2 || strcmp(call->words[1], "start") != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "leaks start, or leaks report [N]");
        return SONDE_ERROR_ARGUMENT;
    }
    sonde_memory_sites *s = sonde_memory_sites_take();
    if (!s) {
        return SONDE_ERROR_MEMORY;
    }
    pthread_mutex_lock(&lock);
    sonde_memory_sites *old = begun;
    begun = s;
    begun_unix_ns = ticks_unix_now_ns();
    pthread_mutex_unlock(&lock);
    free(old);
    jot_u64(j, "sites", s->n - OWN);
    return 0;
}
