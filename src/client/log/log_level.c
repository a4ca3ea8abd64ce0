#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/log/log.h"

enum { CATEGORIES_MAX = 64, OFF = 255, NO_LEVEL = 255 };

/* A category with a level of its own; the name is written before the hash is. */
struct category {
    _Atomic uint32_t hash; /* 0: free */
    _Atomic uint8_t level; /* NO_LEVEL: none of its own any more */
    char name[LOG_CATEGORY_MAX + 1];
};

unsigned char sonde_log_least = OFF;
const char *const log_level_names[] = {"trace", "debug", "info", "warn", "error", "fatal", "none"};

static struct category categories[CATEGORIES_MAX];
static _Atomic uint32_t categories_n;
static _Atomic uint8_t standard = SONDE_LEVEL_INFO;
static _Atomic bool started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who sets levels */

int log_level_of(const char *name, size_t n)
{
    for (int i = SONDE_LEVEL_TRACE; i <= SONDE_LOG_NONE; i++) {
        if (strlen(log_level_names[i]) == n && strncasecmp(name, log_level_names[i], n) == 0) {
            return i;
        }
    }
    return n == 7 && strncasecmp(name, "warning", n) == 0 ? SONDE_LEVEL_WARNING : -1;
}

uint32_t log_level_hash(const char *category)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; category[i] && i < LOG_CATEGORY_MAX; i++) {
        h = (h ^ (uint8_t)category[i]) * 16777619u;
    }
    return h ? h : 1;
}

static struct category *find(const char *category)
{
    uint32_t n = atomic_load_explicit(&categories_n, memory_order_acquire);
    uint32_t hash = n ? log_level_hash(category) : 0;
    for (uint32_t i = 0; i < n; i++) {
        struct category *c = &categories[i];
        if (atomic_load_explicit(&c->hash, memory_order_relaxed) == hash &&
            strncmp(c->name, category, LOG_CATEGORY_MAX) == 0) {
            return c;
        }
    }
    return NULL;
}

static uint8_t level_of(const char *category)
{
    const struct category *c = category ? find(category) : NULL;
    uint8_t own = c ? atomic_load_explicit(&c->level, memory_order_relaxed) : NO_LEVEL;
    return own != NO_LEVEL ? own : atomic_load_explicit(&standard, memory_order_relaxed);
}

bool log_level_lets(int level, const char *category)
{
    return level >= level_of(category);
}

/* What the macros look at: the least of all. */
static void settle(void)
{
    uint8_t least = atomic_load_explicit(&standard, memory_order_relaxed);
    uint32_t n = atomic_load_explicit(&categories_n, memory_order_relaxed);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t level = atomic_load_explicit(&categories[i].level, memory_order_relaxed);
        least = level < least ? level : least;
    }
    least = atomic_load_explicit(&started, memory_order_relaxed) ? least : OFF;
    __atomic_store_n(&sonde_log_least, least, __ATOMIC_RELAXED);
}

/* The entry of a category, made where it is new; NULL: there are too many. Under the lock. */
static struct category *entry_of(const char *category)
{
    struct category *c = find(category);
    uint32_t n = atomic_load_explicit(&categories_n, memory_order_relaxed);
    if (c || n == CATEGORIES_MAX) {
        return c;
    }
    c = &categories[n];
    snprintf(c->name, sizeof c->name, "%s", category);
    atomic_store_explicit(&c->level, NO_LEVEL, memory_order_relaxed);
    atomic_store_explicit(&c->hash, log_level_hash(category), memory_order_relaxed);
    atomic_store_explicit(&categories_n, n + 1, memory_order_release);
    return c;
}

int sonde_log_set_level(const char *category, int level)
{
    if (level < SONDE_LEVEL_TRACE || level > SONDE_LOG_NONE) {
        return SONDE_ERROR_ARGUMENT;
    }
    int err = 0;
    pthread_mutex_lock(&lock);
    if (!category || !*category) {
        atomic_store_explicit(&standard, (uint8_t)level, memory_order_relaxed);
    } else {
        struct category *c = entry_of(category);
        err = c ? 0 : SONDE_ERROR_LIMIT;
        if (c) {
            atomic_store_explicit(&c->level, (uint8_t)level, memory_order_relaxed);
        }
    }
    settle();
    pthread_mutex_unlock(&lock);
    return err;
}

void log_level_forget(const char *category)
{
    pthread_mutex_lock(&lock);
    struct category *c = find(category);
    if (c) {
        atomic_store_explicit(&c->level, NO_LEVEL, memory_order_relaxed);
    }
    settle();
    pthread_mutex_unlock(&lock);
}

int sonde_log_level(const char *category)
{
    return level_of(category && *category ? category : NULL);
}

int log_level_start(char *problem)
{
    int level = log_level_of(setting.log_level, strlen(setting.log_level));
    int crumbs = log_level_of(setting.log_breadcrumb_level, strlen(setting.log_breadcrumb_level));
    if (level < 0 || crumbs < 0) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "%s = \"%.40s\": one of trace, debug, info, warn, error, fatal, none",
                 level < 0 ? "log.level" : "log.breadcrumb_level",
                 level < 0 ? setting.log_level : setting.log_breadcrumb_level);
        return SONDE_ERROR_ARGUMENT;
    }
    atomic_store_explicit(&log_breadcrumb_least, (uint8_t)crumbs, memory_order_relaxed);
    atomic_store_explicit(&started, true, memory_order_relaxed);
    return sonde_log_set_level(NULL, level);
}

void log_level_stop(void)
{
    pthread_mutex_lock(&lock);
    atomic_store_explicit(&started, false, memory_order_relaxed);
    settle();
    pthread_mutex_unlock(&lock);
}

void log_level_json(struct jot *j)
{
    uint32_t n = atomic_load_explicit(&categories_n, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t level = atomic_load_explicit(&categories[i].level, memory_order_relaxed);
        if (level != NO_LEVEL) {
            jot_string(j, categories[i].name, log_level_names[level]);
        }
    }
}
