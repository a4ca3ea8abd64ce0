#include "scrape/scrape_inside.h"

struct stat scrape_stats_scrapes = STAT_COUNTER("sonde_scrape_scrapes_total", "Scrapes made.");
struct stat scrape_stats_failed =
    STAT_COUNTER("sonde_scrape_failed_total", "Scrapes that failed: their targets were down.");
#define MISSED(reason)                                                                             \
    STAT_COUNTER_OF(                                                                               \
        "sonde_scrape_missed_total", "reason=\"" reason "\"",                                      \
        "Scrapes left out: the answer before had not come, commits had not ended, the "            \
        "thread was late by an interval.")
struct stat scrape_stats_missed[SCRAPE_STATS_REASONS] = {
    [SCRAPE_STATS_ANSWER] = MISSED("answer"),
    [SCRAPE_STATS_COMMIT] = MISSED("commit"),
    [SCRAPE_STATS_THREAD] = MISSED("thread"),
};
struct stat scrape_stats_late =
    STAT_COUNTER("sonde_scrape_late_total",
                 "Scrapes begun so late that they are dated by when they were, not by plan.");
struct stat scrape_stats_samples =
    STAT_COUNTER("sonde_scrape_samples_total", "Samples in the answers of targets.");
struct stat scrape_stats_misses = STAT_COUNTER(
    "sonde_scrape_lines_parsed_total",
    "Lines whose labels had to be parsed, because the target had not sent them before.");
struct stat scrape_stats_duplicates =
    STAT_COUNTER("sonde_scrape_duplicate_samples_total",
                 "Samples of a series that had one in the same answer: the first counts.");
struct stat scrape_stats_refused =
    STAT_COUNTER("sonde_scrape_refused_samples_total", "Samples that the store did not take.");
struct stat scrape_stats_commits_failed =
    STAT_COUNTER("sonde_scrape_commits_failed_total", "Scrapes that could not be made durable.");
struct stat scrape_stats_ended =
    STAT_COUNTER("sonde_scrape_series_ended_total", "Staleness markers written.");
struct stat scrape_stats_invalid = STAT_COUNTER(
    "sonde_scrape_invalid_targets_total",
    "Targets that were found and cannot be scraped (no address, bad interval), at each sync.");
struct stat scrape_stats_sync = STAT_HISTOGRAM(
    "sonde_scrape_pool_sync_seconds", "How long it took to make targets of what was found.");
struct stat scrape_stats_bytes =
    STAT_COUNTER("sonde_scrape_body_bytes_total", "Bytes of answers, unpacked.");
struct stat scrape_stats_wire_bytes =
    STAT_COUNTER("sonde_scrape_wire_bytes_total", "Bytes of answers, as sent.");

#define LIMIT(name)                                                                                \
    STAT_COUNTER_OF("sonde_scrape_limit_exceeded_total", "limit=\"" name "\"",                     \
                    "Scrapes that failed by a limit of their scrape_config.")
struct stat scrape_stats_limits[SCRAPE_STATS_LIMITS] = {
    [SCRAPE_STATS_BODY] = LIMIT("body_size"),  [SCRAPE_STATS_SAMPLES] = LIMIT("samples"),
    [SCRAPE_STATS_LABELS] = LIMIT("labels"),   [SCRAPE_STATS_BUCKETS] = LIMIT("histogram_buckets"),
    [SCRAPE_STATS_TARGETS] = LIMIT("targets"),
};

#define TARGETS(state)                                                                             \
    STAT_GAUGE_OF("sonde_scrape_targets", "state=\"" state "\"", "Targets by state.")
static struct stat up = TARGETS("up"), down = TARGETS("down"), unknown = TARGETS("unknown"),
                   dropped = TARGETS("dropped");
static struct stat pools = STAT_GAUGE("sonde_scrape_pools", "Scrape configurations in force.");
static struct stat series =
    STAT_GAUGE("sonde_scrape_series", "Series that the targets' last answers had.");
static struct stat memory =
    STAT_GAUGE("sonde_scrape_memory_bytes", "What is remembered of the targets' last answers.");

void scrape_stats_open(void)
{
    struct stat *const all[] = {
        &scrape_stats_scrapes,
        &scrape_stats_failed,

        &scrape_stats_late,
        &scrape_stats_samples,
        &scrape_stats_misses,
        &scrape_stats_duplicates,
        &scrape_stats_refused,
        &scrape_stats_commits_failed,
        &scrape_stats_ended,
        &scrape_stats_invalid,
        &scrape_stats_sync,
        &scrape_stats_bytes,
        &scrape_stats_wire_bytes,
        &up,
        &down,
        &unknown,
        &dropped,
        &pools,
        &series,
        &memory,
    };
    for (size_t i = 0; i < COUNTOF(all); i++)
        stat_register(all[i]);
    for (size_t i = 0; i < SCRAPE_STATS_REASONS; i++)
        stat_register(&scrape_stats_missed[i]);
    for (size_t i = 0; i < SCRAPE_STATS_LIMITS; i++)
        stat_register(&scrape_stats_limits[i]);
}

void scrape_stats_count(struct scrape *s)
{
    size_t by[3] = {0}, dropped_n = 0, series_n = 0, bytes = 0;
    thread_lock(&s->lock);
    for (size_t i = 0; i < s->pools.n; i++)
        dropped_n += s->pools.v[i]->dropped_total;
    for (size_t i = 0; i < s->threads_n; i++) {
        struct scrape_thread *thread = &s->threads[i];
        thread_lock(&thread->lock);
        for (const struct scrape_target *t = thread->targets; t; t = t->next) {
            by[t->health]++;
            series_n += t->recall.live_n;
            bytes += recall_bytes(&t->recall);
        }
        thread_unlock(&thread->lock);
    }
    stat_set(&pools, (double)s->pools.n);
    thread_unlock(&s->lock);
    stat_set(&up, (double)by[SCRAPE_UP]);
    stat_set(&down, (double)by[SCRAPE_DOWN]);
    stat_set(&unknown, (double)by[SCRAPE_UNKNOWN]);
    stat_set(&dropped, (double)dropped_n);
    stat_set(&series, (double)series_n);
    stat_set(&memory, (double)bytes);
}
