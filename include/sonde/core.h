/* sonde/core.h - what all parts of libsonde share: start and end, errors, settings, attributes.
 *
 * libsonde makes a program observable: metrics, services and operations, spans, logs, errors and
 * crashes, health, and a debug socket. It talks to the local Sonde daemon over a Unix socket, and
 * without one to a Sentry DSN and to OTLP endpoints. It needs nothing in the process but libc,
 * starts one thread with every signal blocked, and never aborts, blocks or slows its host: every
 * function may be called before sonde_init(), after sonde_shutdown() and after a failed start, and
 * does nothing then.
 *
 * Threads: every function may be called from any thread unless its comment says otherwise.
 * Errors:  functions that can fail return 0 or a negative enum sonde_error; nothing is printed.
 * Strings: NUL-terminated UTF-8, copied before the call returns; functions with a suffix _n take a
 *          length instead.
 * ABI:     structs that a caller fills begin with `size_t struct_size`, set by their _INIT macro,
 * so that they can grow; handles are opaque and live until the process ends.
 */
#ifndef SONDE_CORE_H
#define SONDE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SONDE_API                   __attribute__((visibility("default")))
#define SONDE_PRINTF(at, first) __attribute__((__format__(__printf__, at, first)))
#else
#define SONDE_API
#define SONDE_PRINTF(at, first)
#endif

enum sonde_error {
    SONDE_OK = 0,
    SONDE_ERROR_ARGUMENT = -1, /* a NULL, a bad name, a value outside its limits */
    SONDE_ERROR_MEMORY = -2,   /* no memory */
    SONDE_ERROR_LIMIT = -3,    /* a bound of the library would be exceeded */
    SONDE_ERROR_STATE = -4,    /* not possible now: not started, already started */
    SONDE_ERROR_EXISTS = -5,   /* there is another one of that name, of another kind */
    SONDE_ERROR_NOT_FOUND = -6,
    SONDE_ERROR_SYSTEM = -7, /* the operating system refused; errno says why */
    SONDE_ERROR_TIMEOUT = -8,
    SONDE_ERROR_DENIED = -9,
    SONDE_ERROR_UNSUPPORTED = -10, /* not in this build, or not on this system */
};

/* What a code means: a static sentence. */
SONDE_API const char *sonde_error_text(int code);

/* "0.1.0" */
SONDE_API const char *sonde_version(void);

/* A setting of sonde_init(): what most programs say in the fields, all else in `settings` as
 * "key=value" lines of docs/manual/libsonde.md (for example "trace.sample_rate=0.1"). A setting
 * that neither names is taken from the environment (SONDE_TRACE_SAMPLE_RATE), then has its default.
 */
typedef struct sonde_options {
    size_t struct_size;
    const char *service;     /* name of the program in metrics, traces and errors; NULL: that of its
                                executable */
    const char *release;     /* version, for example "shop@1.4.2"; NULL: none */
    const char *environment; /* NULL: "production" */
    const char *instance;    /* which of several; NULL: "HOST:PID" */
    const char *const *settings; /* NULL at the end; NULL: none */
} sonde_options;
#define SONDE_OPTIONS_INIT                                                                         \
    {                                                                                              \
        sizeof(sonde_options), NULL, NULL, NULL, NULL, NULL                                        \
    }

/* Starts the library; options may be NULL. Once in the life of a process, or again after
 * sonde_shutdown(): SONDE_ERROR_STATE where it runs already. SONDE_ERROR_ARGUMENT for an unknown
 * setting or a bad value: sonde_last_problem() says which; nothing is started then. Takes about a
 * millisecond; does not wait for the daemon. */
SONDE_API int sonde_init(const sonde_options *options);

/* The reason of this thread's last failure of sonde_init() and of other functions that say so;
 * never NULL. */
SONDE_API const char *sonde_last_problem(void);

/* Sends what there is and stops the thread, within timeout_ms; what could not be delivered of what
 * was promised (errors, sessions) stays in the spool for the next start. Called at exit() too, with
 * the setting shutdown_ms. */
SONDE_API int sonde_shutdown(unsigned timeout_ms);

/* Waits until what was recorded before has been handed to the daemon (or the spool), for at most
 * timeout_ms: SONDE_ERROR_TIMEOUT. */
SONDE_API int sonde_flush(unsigned timeout_ms);

/* Is the library running? */
SONDE_API bool sonde_running(void);

/* Is there a connection to a daemon? */
SONDE_API bool sonde_connected(void);

/* How bad it is: of a log record, a breadcrumb, an error. */
enum sonde_level {
    SONDE_LEVEL_TRACE,
    SONDE_LEVEL_DEBUG,
    SONDE_LEVEL_INFO,
    SONDE_LEVEL_WARNING,
    SONDE_LEVEL_ERROR,
    SONDE_LEVEL_FATAL
};

/* A key and a value: of a span, a log record, an error, an event. */
enum sonde_attr_type { SONDE_ATTR_STRING, SONDE_ATTR_INT, SONDE_ATTR_DOUBLE, SONDE_ATTR_BOOL };
typedef struct sonde_attr {
    const char *key;
    int type;   /* enum sonde_attr_type */
    int length; /* of value.string in bytes; negative: NUL-terminated */
    union {
        const char *string;
        int64_t integer;
        double number;
        bool boolean;
    } value;
} sonde_attr;

static inline sonde_attr sonde_attr_string(const char *key, const char *value)
{
    sonde_attr a;
    a.key = key;
    a.type = SONDE_ATTR_STRING;
    a.length = -1;
    a.value.string = value;
    return a;
}

static inline sonde_attr sonde_attr_string_n(const char *key, const char *value, int length)
{
    sonde_attr a = sonde_attr_string(key, value);
    a.length = length < 0 ? 0 : length;
    return a;
}

static inline sonde_attr sonde_attr_int(const char *key, int64_t value)
{
    sonde_attr a;
    a.key = key;
    a.type = SONDE_ATTR_INT;
    a.length = 0;
    a.value.integer = value;
    return a;
}

static inline sonde_attr sonde_attr_double(const char *key, double value)
{
    sonde_attr a;
    a.key = key;
    a.type = SONDE_ATTR_DOUBLE;
    a.length = 0;
    a.value.number = value;
    return a;
}

static inline sonde_attr sonde_attr_bool(const char *key, bool value)
{
    sonde_attr a;
    a.key = key;
    a.type = SONDE_ATTR_BOOL;
    a.length = 0;
    a.value.boolean = value;
    return a;
}

/* A label of a metric. Lists of them end with {NULL, NULL}. */
typedef struct sonde_label {
    const char *name;
    const char *value;
} sonde_label;

/* Where in which trace something happens (W3C Trace Context). All zero: nowhere. */
typedef struct sonde_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags; /* SONDE_CONTEXT_SAMPLED.. */
    uint8_t spare[7];
} sonde_context;
enum { SONDE_CONTEXT_SAMPLED = 1, SONDE_CONTEXT_RANDOM = 2 };

/* A command line as the debug socket takes it ("operations slowest 5", "help"), answered as one
 * JSON document. Writes at most size bytes and a NUL; *ret_length is what all of it has (may be
 * NULL). SONDE_ERROR_NOT_FOUND: no such command; the JSON says more. */
SONDE_API int sonde_query(const char *command, char *ret, size_t size, size_t *ret_length);

#ifdef __cplusplus
}
#endif
#endif
