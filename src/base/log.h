/* base/log.h - lines on standard error for the operator.
 *
 * One line an event: time, level, module, text ("2026-11-22T05:00:00.123Z warn store: ...").
 * Control characters are escaped, so that no stranger's text forges a line. Library folders
 * (codec, store, query, net) return errors and leave logging to who called them.
 *
 * Threads: any; one write() a line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/attr.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below level are not written; the default is LOG_INFO. */
void log_set_level(enum log_level level);

/* The level with that name ("debug", "info", "warn", "error"), or -ERR_NOENT. */
int log_level_of(const char *name);

void log_line(enum log_level level, const char *module, const char *format, ...) PRINTF(3, 4);

#define log_debug(module, ...) log_line(LOG_DEBUG, (module), __VA_ARGS__)
#define log_info(module, ...)  log_line(LOG_INFO, (module), __VA_ARGS__)
#define log_warn(module, ...)  log_line(LOG_WARN, (module), __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_ERROR, (module), __VA_ARGS__)

#endif
