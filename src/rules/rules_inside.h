/* rules/rules_inside.h - what the rules*.c files share.
 *
 * Threads: everything that lives in struct rules is under its lock; a group's states are its own
 * business (group.h), and belong to whoever has set entry.running.
 */
#ifndef RULES_RULES_INSIDE_H
#define RULES_RULES_INSIDE_H

#include "base/stat.h"
#include "rules/group.h"

enum {
    RULES_PROBLEMS_MAX = 1 << 16, /* bytes */
    RULES_FILES_MAX = 10000,
    RULES_RESTORE_RUN = 2, /* the run behind which states are taken up again */
    RULES_THREADS_MAX = 64,
    RULES_STATS_MAX = 2000, /* groups with metrics of their own */
};

/* A rule file that groups borrow their rules from. */
struct rules_file {
    struct rule_file *file;
    size_t refs;
};

/* What a group counts; they live as long as the process. */
struct rules_stats {
    struct stat iterations, missed, evaluations, failures;
    struct stat interval, duration, at, samples, rules;
};

struct rules_entry {
    struct group *group;
    struct rules_file *from;
    struct rules_stats *stats; /* NULL past RULES_STATS_MAX */
    int64_t next_ms;
    unsigned runs; /* up to RULES_RESTORE_RUN */
    bool running, gone;
    atomic_bool canceled;
};

struct rules_entries {
    struct rules_entry **v;
    size_t n, capacity;
};

/* The settings in force, as the evaluation needs them. */
struct rules_plan {
    struct arena arena;
    struct rules_settings settings; /* texts are the arena's */
    struct group_world world;
    size_t refs;
};

/* Series of a group that vanished, to be ended unless another group has taken them up. */
struct rules_leaving {
    struct arena arena;
    struct str *keys;
    size_t n;
    int64_t at_ms, due_ms;
};

struct rules {
    struct rules_config config;
    struct tenant *tenant;
    pthread_mutex_t lock, lane_lock;
    pthread_mutex_t reload_lock; /* one reload at a time; taken before lock */
    pthread_cond_t wake, idle;
    struct rules_plan *plan;
    struct rules_entries entries; /* owned */
    struct {
        struct rules_leaving **v;
        size_t n, capacity;
    } leaving;
    struct thread threads[RULES_THREADS_MAX];
    size_t threads_n;
    bool stop;
    bool restore; /* no rule files have been in force yet */
    struct buf problem;
    struct rules_file *own; /* of rules_own_set(); may be NULL */
    struct keeper keeper;   /* where config.state is */
};

/* Takes a copy. */
MUST_USE int rules_plan_new(struct rules *r, const struct rules_settings *settings,
                            struct rules_plan **ret, struct why *why);
void rules_plan_drop(struct rules_plan *p); /* under the lock, or alone */

/* ---- rules_load.c */

struct rules_files {
    struct rules_file **v; /* one reference each */
    size_t n, capacity;
};

/* Reads all files that settings name, sorted by path; what is wrong goes to problems and the good
 * ones are there. */
void rules_files_read(const struct rules_settings *settings, const struct promql_options *options,
                      struct rules_files *ret, struct buf *problems);
void rules_file_drop(struct rules_file *f);
void rules_files_drop(struct rules_files *f);

/* Puts the groups of files in force, in place of those there were. */
void rules_files_apply(struct rules *r, const struct rules_files *files, struct rules_plan *plan);

void rules_entry_free(struct rules_entry *e);

/* ---- rules_stats.c */

struct rules_stats *rules_stats_of(const struct group *g);
void rules_stats_hide(struct rules_stats *s); /* NULL is fine */
void rules_stats_missed(struct rules_stats *s, uint64_t n);
void rules_stats_ran(struct rules_stats *s, const struct group_outcome *outcome, int64_t t_ms,
                     int64_t took_ns);

#endif
