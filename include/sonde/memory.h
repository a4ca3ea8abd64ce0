/* sonde/memory.h - which part of an application holds how much memory, and where it grows.
 *
 * A subsystem ("textures", "index") says itself what it holds (sonde_memory_record, _add, _sub), or
 * allocates through counted allocators, or both: what it holds is the sum.
 *
 *     sonde_memory *index = sonde_memory_get("index");
 *     char *p = sonde_memory_alloc(index, 1000);
 *     sonde_memory_free(index, p);
 *
 * Exported as the metrics sonde_memory_...{subsystem="index"}; asked for by the commands `memory`
 * and `leaks`. Garbage collectors of a host report by sonde_gc_record().
 *
 * Threads: any; a block may be freed on another thread than it was allocated on. An allocation
 * costs some ten nanoseconds more than malloc()'s; 16 bytes stand before each block.
 */
#ifndef SONDE_MEMORY_H
#define SONDE_MEMORY_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_memory sonde_memory;

/* The subsystem of that name (1..63 bytes), made at its first use; lives until the process ends.
 * NULL for a bad name, without memory, and while the library does not run. After 255 of them all
 * further names give the one called "other". */
SONDE_API sonde_memory *sonde_memory_get(const char *subsystem);

/* What the subsystem counts itself: set, or changed. */
SONDE_API void sonde_memory_record(sonde_memory *memory, int64_t bytes);
SONDE_API void sonde_memory_add(sonde_memory *memory, int64_t bytes);
SONDE_API void sonde_memory_sub(sonde_memory *memory, int64_t bytes);
/* Bytes that the subsystem's own allocator has from the system: fragmentation is 1 - held /
 * reserved. 0: not known. */
SONDE_API void sonde_memory_reserved(sonde_memory *memory, int64_t bytes);

/* Counted allocators, as those of <stdlib.h>: they give memory whether the library runs or not and
 * with memory == NULL too (not counted then). A block is given back by sonde_memory_free() alone,
 * also after sonde_shutdown(). A pointer that is none of theirs, or was freed before, is left alone
 * and counted (metric sonde_memory_mismatches_total{kind="foreign"}); one that belongs to another
 * subsystem is freed and counted (kind="subsystem"). What is freed twice is known as long as
 * its memory is there: that of a big block goes back to the system at once. aligned: alignment is a power of two up to
 * 1 MiB, and realloc keeps it. */
SONDE_API void *sonde_memory_alloc(sonde_memory *memory, size_t size);
SONDE_API void *sonde_memory_calloc(sonde_memory *memory, size_t n, size_t size);
SONDE_API void *sonde_memory_realloc(sonde_memory *memory, void *block, size_t size);
SONDE_API void *sonde_memory_aligned(sonde_memory *memory, size_t alignment, size_t size);
SONDE_API void sonde_memory_free(sonde_memory *memory, void *block);
/* The bytes that were asked for; 0 for NULL and for what is no block of ours. */
SONDE_API size_t sonde_memory_size(const void *block);

/* The same as a table of functions, for libraries that take an allocator: each gets `user` first.
 */
typedef struct sonde_allocator {
    size_t struct_size;
    void *user;
    void *(*alloc)(void *user, size_t size);
    void *(*calloc)(void *user, size_t n, size_t size);
    void *(*realloc)(void *user, void *block, size_t size);
    void *(*aligned)(void *user, size_t alignment, size_t size);
    void (*free)(void *user, void *block);
} sonde_allocator;
#define SONDE_ALLOCATOR_INIT                                                                       \
    {                                                                                              \
        sizeof(sonde_allocator), NULL, NULL, NULL, NULL, NULL, NULL                                \
    }
SONDE_API int sonde_memory_allocator(sonde_memory *memory, sonde_allocator *ret);

/* The alarm memory_bytes is raised while the subsystem holds more than bytes_max for for_ms; 0
 * takes it away. With memory == NULL: of the resident memory of the process (alarm memory_rss; also
 * by the setting memory.rss_max_bytes). */
SONDE_API int sonde_memory_limit(sonde_memory *memory, uint64_t bytes_max, unsigned for_ms);

typedef struct sonde_memory_stats {
    size_t struct_size;
    int64_t bytes;      /* held now */
    int64_t bytes_peak; /* exact with one thread; otherwise within 16 KiB for each thread */
    uint64_t allocations, frees, failures; /* of counted allocators, of add and of sub */
    uint64_t allocated_bytes, freed_bytes; /* ever */
    double allocated_bytes_per_second_10s, allocations_per_second_10s;
    double allocated_bytes_per_second_60s, allocations_per_second_60s;
    int64_t reserved;
    double fragmentation; /* NaN: reserved is not known */
} sonde_memory_stats;
#define SONDE_MEMORY_STATS_INIT                                                                    \
    {                                                                                              \
        sizeof(sonde_memory_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                          \
    }
/* Fills what fits into stats->struct_size bytes. */
SONDE_API int sonde_memory_snapshot(sonde_memory *memory, sonde_memory_stats *stats);

/* Where memory grows: the live blocks of the counted allocators by call site, as of two moments. */
typedef struct sonde_memory_sites sonde_memory_sites;
enum { SONDE_MEMORY_FRAMES_MAX = 16 };
typedef struct sonde_memory_leak {
    char subsystem[64];
    char function[128]; /* that allocated; "" where no symbol is known */
    char module[128];   /* the file that it is in */
    uint64_t address;   /* of the call's return */
    uint64_t offset;    /* behind the function's begin */
    int64_t grown_bytes, grown_blocks;
    int64_t live_bytes, live_blocks; /* as of the later moment */
    /* The call stack that has grown most of those sampled (setting memory.backtrace_every). */
    uint64_t frames[SONDE_MEMORY_FRAMES_MAX];
    size_t frames_n;
} sonde_memory_leak;
/* As it stands now; NULL without memory and while the library does not run. */
SONDE_API sonde_memory_sites *sonde_memory_sites_take(void);
SONDE_API void sonde_memory_sites_free(sonde_memory_sites *sites); /* NULL is fine */
/* What has grown from a to b, the most bytes first; a NULL: from nothing; b NULL: until now.
 * Returns how many have grown, of which at most n are written; or a negative enum sonde_error. */
SONDE_API int sonde_memory_leaks(const sonde_memory_sites *a, const sonde_memory_sites *b,
                                 sonde_memory_leak *ret, size_t n);

/* A run of a garbage collector ("young", "full"): how long the program stood still (or worked for
 * it), what was freed, what the heap holds now. Takes a lock for some ten nanoseconds. After 32
 * names all further ones count as "other". */
SONDE_API void sonde_gc_record(const char *collector, double pause_seconds, uint64_t freed_bytes,
                               uint64_t heap_bytes);
typedef struct sonde_gc_stats {
    size_t struct_size;
    uint64_t runs, freed_bytes, heap_bytes;
    double pause_total, pause_max, pause_last, pause_p50, pause_p95, pause_p99; /* seconds */
    double pause_share_minute; /* of the last 60 s of wall clock time, 0..1 */
} sonde_gc_stats;
#define SONDE_GC_STATS_INIT                                                                        \
    {                                                                                              \
        sizeof(sonde_gc_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                       \
    }
SONDE_API int sonde_gc_snapshot(const char *collector, sonde_gc_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
