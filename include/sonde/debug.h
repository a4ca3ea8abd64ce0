/* sonde/debug.h - the debug interface: what of the application can be looked at and steered while
 * it runs, through `sonde debug SOCKET`, the daemon, D-Bus, or sonde_query().
 *
 * Off by default; the setting debug.socket opens it: a Unix socket of mode 0600 whose callers must
 * be the same user or root. A line in, a line of JSON out.
 *
 * Callbacks run on libsonde's thread (on the caller's in sonde_query()): they must not wait for
 * long, and take the application's own locks as any other thread does.
 */
#ifndef SONDE_DEBUG_H
#define SONDE_DEBUG_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes JSON; a key is NULL inside an array. What is opened is closed at the end of the callback;
 * values under keys that name secrets, and personal data in texts, are replaced (setting redact).
 */
typedef struct sonde_writer sonde_writer;
SONDE_API void sonde_writer_object(sonde_writer *w, const char *key);
SONDE_API void sonde_writer_array(sonde_writer *w, const char *key);
SONDE_API void sonde_writer_end(sonde_writer *w);
SONDE_API void sonde_writer_string(sonde_writer *w, const char *key, const char *value);
SONDE_API void sonde_writer_printf(sonde_writer *w, const char *key, const char *format, ...)
    SONDE_PRINTF(3, 4);
SONDE_API void sonde_writer_int(sonde_writer *w, const char *key, int64_t value);
SONDE_API void sonde_writer_double(sonde_writer *w, const char *key, double value);
SONDE_API void sonde_writer_bool(sonde_writer *w, const char *key, bool value);

/* Writes members of an object that shows the state of a part of the application. detail: what the
 * caller asked for besides ("" for nothing), for example the id of one connection. */
typedef void sonde_dump_callback(sonde_writer *w, const char *detail, void *user);
/* Answers `state NAME [DETAIL]`, and is part of `dump`. name: letters, digits, '-', '_', '.'.
 * SONDE_ERROR_EXISTS, SONDE_ERROR_LIMIT (256). May be called before sonde_init(). */
SONDE_API int sonde_dump_register(const char *name, const char *help, sonde_dump_callback *callback,
                                  void *user);
/* After it returns the callback is not running and will not be called. Not from the callback. */
SONDE_API int sonde_dump_unregister(const char *name);

enum sonde_access { SONDE_ACCESS_VIEWER, SONDE_ACCESS_OPERATOR, SONDE_ACCESS_ADMIN };
/* argv[0] is the command's name. Writes members of the answer; 0, or a negative enum sonde_error:
 * then the answer is an error whose message is what was written under "message". */
typedef int sonde_command_callback(int argc, const char *const *argv, sonde_writer *w, void *user);
/* Adds a command for callers of that level or above. SONDE_ERROR_EXISTS where the library or the
 * application has one of that name. */
SONDE_API int sonde_command_register(const char *name, const char *usage, const char *help,
                                     enum sonde_access least, sonde_command_callback *callback,
                                     void *user);
SONDE_API int sonde_command_unregister(const char *name);

/* The path of the debug socket, or "" where there is none. */
SONDE_API const char *sonde_debug_path(void);

/* CPU profiling by the library's own sampler: hz samples a second of processor time (1 to 1000),
 * for at most seconds (0: until it is stopped). SONDE_ERROR_STATE where one runs. */
SONDE_API int sonde_profile_start(unsigned hz, unsigned seconds);
/* Ends it and writes folded stacks ("main;work;hash 42" lines) to path. */
SONDE_API int sonde_profile_stop(const char *path);

#ifdef __cplusplus
}
#endif
#endif
