/* client/log/log.h - log records: from the call to the ring of the thread, from there to OTLP.
 *
 * Flow:    sonde_log.. -> level, rate limit -> ring (SLOT_LOG), breadcrumb, the application's
 *          callback; the worker: ring -> ExportLogsServiceRequest -> client/core/outgoing.h
 * Source:  opentelemetry-proto logs.v1; severity numbers of OpenTelemetry's data model of logs
 * Threads: log_put(): any; log_export(): the worker, or who flushes.
 */
#ifndef CLIENT_LOG_LOG_H
#define CLIENT_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/core/text.h"
#include "sonde/log.h"

enum {
    LOG_MESSAGE_MAX = 1023,
    LOG_CATEGORY_MAX = 31,
    LOG_FILE_MAX = 127, /* of the end of a path */
    LOG_FUNCTION_MAX = 127,
    LOG_ATTRS_MAX = 32,
    LOG_VALUE_MAX = 1024, /* bytes of an attribute's string */
    LOG_RECENT = 100,     /* records that the command `logs` knows */
};

/* In a ring: this, then words of the category, the message, the file, the function, the items. */
struct log_record {
    int64_t unix_ns;
    sonde_context context;
    uint32_t items, line; /* items: words */
    uint32_t suppressed;  /* records of this call site that the rate limit kept back before */
    uint16_t category_n, message_n, file_n, function_n;
    uint16_t attributes_lost;
    uint8_t level, pad;
};

/* log_level.c */
extern const char *const log_level_names[];
/* "warn" and "warning", "info"..; SONDE_LOG_NONE for "none"; -1: none of them. */
int log_level_of(const char *name, size_t n);
bool log_level_lets(int level, const char *category);
int log_level_start(char *problem);
void log_level_stop(void);
/* The categories with a level of their own, as members of the open object. */
void log_level_json(struct jot *j);
void log_level_forget(const char *category);   /* it has none of its own any more */
uint32_t log_level_hash(const char *category); /* what tells categories apart; never 0 */

/* log_export.c */
void log_export(void);
void log_export_record(struct text *t, unsigned field, const struct log_record *r);
void log_export_forget(void);
void log_export_now(void); /* a ring is half full */
/* The newest n of those that were exported, the oldest of them first, in an open array. */
void log_export_recent(struct jot *j, size_t n);

/* log.c */
uint64_t log_recorded(void);
extern _Atomic uint8_t log_breadcrumb_least; /* records from this level on become breadcrumbs */

/* log_command.c */
void log_command_start(void);
void log_command_stop(void);

#endif
