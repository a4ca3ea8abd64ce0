/* sonde/log.h - structured log records with trace ids, and breadcrumbs: the last things that
 * happened before an error.
 *
 *     sonde_log(SONDE_LEVEL_WARNING, "storage", "%d blocks are left", left);
 *     sonde_attr attrs[] = {sonde_attr_int("left", left)};
 *     sonde_log_attrs(SONDE_LEVEL_WARNING, "storage", "few blocks", attrs, 1);
 *     sonde_breadcrumb(SONDE_LEVEL_INFO, "ui", "opened the cart", NULL, 0);
 *
 * Records go to the daemon (or OTLP) in the background; nothing is printed. Those from the level
 * log.breadcrumb_level on become breadcrumbs too.
 *
 * Limits:  messages 1023 bytes, categories 31 bytes, 32 attributes, log.rate_max records a second
 *          from each call site (of those without one: from each category), log.ring_bytes waiting
 *          in a thread; what is too much is dropped and counted.
 * Threads: any; no locks, no allocation but at a thread's first record.
 */
#ifndef SONDE_LOG_H
#define SONDE_LOG_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As a minimum: nothing is let through. */
enum { SONDE_LOG_NONE = SONDE_LEVEL_FATAL + 1 };

/* The least level that any category lets through; read by the macros below. */
extern SONDE_API unsigned char sonde_log_least;

static inline bool sonde_log_enabled(int level)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_expect(level >= __atomic_load_n(&sonde_log_least, __ATOMIC_RELAXED), 0);
#else
    return level >= *(volatile unsigned char *)&sonde_log_least;
#endif
}

/* Where a record was written: the rate limit counts by it. The macros below make one each. */
typedef struct sonde_log_site {
    const char *file;
    int line;
    unsigned count;  /* the library's */
    uint64_t second; /* the library's */
} sonde_log_site;

SONDE_API void sonde_log_at(sonde_log_site *site, const char *function, int level,
                            const char *category, const char *format, ...) SONDE_PRINTF(5, 6);
SONDE_API void sonde_log_attrs_at(sonde_log_site *site, const char *function, int level,
                                  const char *category, const char *message,
                                  const sonde_attr *attrs, size_t n);

/* sonde_log(level, category, format, ...): like printf. Below the minimum nothing is evaluated. */
#define sonde_log(level, category, ...)                                                            \
    do {                                                                                           \
        if (sonde_log_enabled(level)) {                                                            \
            static sonde_log_site sonde_log_here = {__FILE__, __LINE__, 0, 0};                     \
            sonde_log_at(&sonde_log_here, __func__, (level), (category), __VA_ARGS__);             \
        }                                                                                          \
    } while (0)

/* sonde_log_attrs(level, category, message, attrs, n): a message that is taken as it is, and typed
 * attributes. */
#define sonde_log_attrs(level, category, message, attrs, n)                                        \
    do {                                                                                           \
        if (sonde_log_enabled(level)) {                                                            \
            static sonde_log_site sonde_log_here = {__FILE__, __LINE__, 0, 0};                     \
            sonde_log_attrs_at(&sonde_log_here, __func__, (level), (category), (message), (attrs), \
                               (n));                                                               \
        }                                                                                          \
    } while (0)

/* A function for other languages: no call site. */
SONDE_API void sonde_log_write(int level, const char *category, const char *message,
                               const sonde_attr *attrs, size_t n);

/* The minimum of a category (NULL: of all that have none of their own; SONDE_ERROR_LIMIT after 64
 * of them). Before: the setting log.level. */
SONDE_API int sonde_log_set_level(const char *category, int level);
SONDE_API int sonde_log_level(const char *category);

/* A record of the application's own logger, handed on to us. */
typedef struct sonde_log_record {
    size_t struct_size;
    int level;
    const char *category;
    const char *message;
    int64_t unix_ns;  /* 0: now */
    const char *file; /* NULL: not known, as line 0 and function NULL */
    int line;
    const char *function;
    sonde_context context;   /* what it was written in */
    const sonde_attr *attrs; /* [attrs_n] */
    size_t attrs_n;
} sonde_log_record;
#define SONDE_LOG_RECORD_INIT                                                                      \
    {                                                                                              \
        sizeof(sonde_log_record), SONDE_LEVEL_INFO, NULL, NULL, 0, NULL, 0, NULL,                  \
            {{0}, {0}, 0, {0}}, NULL, 0                                                            \
    }
/* Takes it as if it had been written by sonde_log_write(); a context that is all zero is that of
 * the thread. Ignored within a callback of sonde_log_on_record(), so that two loggers may feed each
 * other. */
SONDE_API void sonde_log_forward(const sonde_log_record *record);

/* Hands every record that is let through to the application's logger, on the thread that wrote it;
 * NULL stops it. One callback for the process. What is written within the callback is ignored. */
typedef void sonde_log_callback(const sonde_log_record *record, void *user);
SONDE_API int sonde_log_on_record(sonde_log_callback *callback, void *user);

/* A breadcrumb: category "http", "ui", "query".., at most 32, 180 and 256 bytes of category,
 * message and attributes as JSON. The newest breadcrumbs.max of the process are kept. */
SONDE_API void sonde_breadcrumb(int level, const char *category, const char *message,
                                const sonde_attr *attrs, size_t n);
/* Forgets them all: a new user, a new test. */
SONDE_API void sonde_breadcrumb_clear(void);

#ifdef __cplusplus
}
#endif
#endif
