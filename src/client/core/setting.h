/* client/core/setting.h - every setting of the library: one table, one struct.
 *
 * A row of setting.tbl.h is a key of sonde_options.settings, a variable of the environment
 * (SONDE_ + the key in capitals, '.' as '_'), a field of struct setting and a line of the manual.
 *
 * Threads: written by sonde_init(), read by any thread at any time, also while the library is
 * started again: texts live for ever (client/core/intern.h). Numbers and flags may be changed while
 * running (setting_set).
 */
#ifndef CLIENT_CORE_SETTING_H
#define CLIENT_CORE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sonde/core.h"

enum { SETTING_PROBLEM_MAX = 300, SETTING_VALUE_MAX = 1024 };

#define SETTING_TYPE_text   char *_Atomic
#define SETTING_TYPE_flag   _Atomic bool
#define SETTING_TYPE_count  _Atomic uint64_t
#define SETTING_TYPE_number _Atomic double

struct setting {
#define SETTING(type, key, field, value, least, most, help) SETTING_TYPE_##type field;
#include "client/core/setting.tbl.h"
#undef SETTING
};

/* All settings as in force; defaults before sonde_init(). */
extern struct setting setting;

/* Fills `setting` from options, the environment and the defaults; on an error (argument, memory)
 * leaves it as it was and writes a sentence into problem. */
int setting_load(const sonde_options *options, char problem[SETTING_PROBLEM_MAX]);

/* A number or a flag while running (the debug interface), by its key: has an effect where its
 * module reads it on every use. SONDE_ERROR_NOT_FOUND, SONDE_ERROR_ARGUMENT. */
int setting_set(const char *key, const char *value, char problem[SETTING_PROBLEM_MAX]);

/* Each row: for the manual and the debug interface. */
struct setting_row {
    const char *key, *type, *standard, *help;
};
size_t setting_rows(const struct setting_row **ret);
/* The value of a row as text. */
void setting_value(size_t row, char *ret, size_t size);

#endif
