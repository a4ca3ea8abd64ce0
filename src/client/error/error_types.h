/* client/error/error_types.h - errors by type, level and outcome: the metrics about errors.
 *
 *     sonde_errors_total{type,level,outcome}
 *     sonde_error_recovery_seconds{type}       (native histogram)
 *
 * At most ERROR_TYPES_MAX types have a name of their own; all others are "other".
 *
 * Threads: error_types_of(), error_types_count(): any; without locks but for a type's first time.
 *          error_types_recovered(): the worker.
 */
#ifndef CLIENT_ERROR_ERROR_TYPES_H
#define CLIENT_ERROR_ERROR_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum { ERROR_TYPES_MAX = 64, ERROR_TYPE_NAME_MAX = 64 };

uint32_t error_types_of(const char *type); /* 0: "other" */
const char *error_types_name(uint32_t type);
void error_types_count(uint32_t type, int level, int outcome);
void error_types_recovered(uint32_t type, double seconds);

const char *error_types_outcome(int outcome); /* "recovered" */

void error_types_start(void); /* registers the metrics */
void error_types_stop(void);
void error_types_reset(void);

#endif
