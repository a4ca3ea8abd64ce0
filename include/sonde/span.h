/* sonde/span.h - spans of traces: what a request went through, here and in other processes.
 *
 *     sonde_propagation *from = sonde_propagation_read(header_of, request);
 *     sonde_span_options options = SONDE_SPAN_OPTIONS_INIT;
 *     options.kind = SONDE_SPAN_SERVER;
 *     options.remote = from;
 *     sonde_span *span = sonde_span_start_with("GET /cart", &options);
 *     sonde_span_set_int(span, "http.response.status_code", 200);
 *     sonde_span_end(span);
 *     sonde_propagation_free(from);
 *
 * A span that is started is what the thread works in until it ends: spans that are started
 * meanwhile are its children, logs and errors carry its ids. It may be ended out of order and on
 * another thread; from end on its handle is dead, and using it does nothing. NULL is a span that
 * records nothing: everything takes it.
 *
 * Which traces are kept is decided at their root (setting trace.sample_rate, W3C flag 01, the
 * probability in tracestate's `ot=th:`); a child follows its parent.
 *
 * Limits:  setting trace.attributes_max, trace.events_max, trace.links_max, trace.value_bytes_max;
 *          what does not fit is counted in the span. Names 127 bytes, keys 255 bytes.
 * Threads: any; one span is used by one thread at a time. No locks and no allocation but at a
 *          thread's first span, for spans of more than about 700 bytes and for propagations.
 * Source:  W3C Trace Context level 2, W3C Baggage, OpenTelemetry's trace API and its consistent
 *          probability sampling
 */
#ifndef SONDE_SPAN_H
#define SONDE_SPAN_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_span sonde_span;
typedef struct sonde_propagation sonde_propagation;

enum sonde_span_kind {
    SONDE_SPAN_INTERNAL = 1,
    SONDE_SPAN_SERVER = 2,
    SONDE_SPAN_CLIENT = 3,
    SONDE_SPAN_PRODUCER = 4,
    SONDE_SPAN_CONSUMER = 5,
};
enum sonde_span_status { SONDE_SPAN_UNSET, SONDE_SPAN_OK, SONDE_SPAN_ERROR };

/* A span that this one has to do with, but not as its child. */
typedef struct sonde_link {
    sonde_context context;
    const sonde_attr *attrs; /* [attrs_n] */
    size_t attrs_n;
} sonde_link;

typedef struct sonde_span_options {
    size_t struct_size;
    int kind;                        /* enum sonde_span_kind; 0: internal */
    bool root;                       /* begins a trace, whatever the thread works in */
    bool detached;                   /* does not become what the thread works in */
    const sonde_context *parent;     /* NULL: remote's, then the thread's */
    const sonde_propagation *remote; /* what came from another process; NULL: nothing */
    const sonde_attr *attrs;         /* [attrs_n] */
    size_t attrs_n;
    const sonde_link *links; /* [links_n] */
    size_t links_n;
    int64_t start_unix_ns; /* 0: now */
} sonde_span_options;
#define SONDE_SPAN_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(sonde_span_options), 0, false, false, NULL, NULL, NULL, 0, NULL, 0, 0               \
    }

/* Is anything traced at all? Read by the functions below. */
extern SONDE_API unsigned char sonde_span_enabled;

/* What the functions below call once they know that there is something to do; of no use otherwise.
 */
SONDE_API sonde_span *sonde_span_begin(const char *name, size_t name_n, int kind);
SONDE_API sonde_span *sonde_span_begin_with(const char *name, const sonde_span_options *options);
SONDE_API void sonde_span_finish(sonde_span *span, int64_t end_unix_ns);
SONDE_API void sonde_span_put_string(sonde_span *span, const char *key, size_t key_n,
                                     const char *value, size_t value_n);
SONDE_API void sonde_span_put_word(sonde_span *span, const char *key, size_t key_n, int type,
                                   uint64_t word);

static inline bool sonde_span_tracing(void)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_expect(__atomic_load_n(&sonde_span_enabled, __ATOMIC_RELAXED) != 0, 1);
#else
    return *(volatile unsigned char *)&sonde_span_enabled != 0;
#endif
}

/* Does the span keep what is said about it? False for NULL and for those of traces that are not
 * kept: what is costly to find out need not be found out then. */
static inline bool sonde_span_recording(const sonde_span *span)
{
    return ((uintptr_t)span & 1) != 0;
}

static inline size_t sonde_span_length(const char *s)
{
#if defined(__GNUC__) || defined(__clang__)
    return s ? __builtin_strlen(s) : 0;
#else
    size_t n = 0;
    while (s && s[n]) {
        n++;
    }
    return n;
#endif
}

/* Starts a child of what the thread works in (without that: a trace), and the thread works in it
 * until it ends. NULL while nothing is traced, within a trace that is not kept, and where a bound
 * is reached (counted). */
static inline sonde_span *sonde_span_start(const char *name, int kind)
{
    return sonde_span_tracing() ? sonde_span_begin(name, sonde_span_length(name), kind) : NULL;
}
/* The same with all that can be said. */
static inline sonde_span *sonde_span_start_with(const char *name, const sonde_span_options *options)
{
    return sonde_span_tracing() ? sonde_span_begin_with(name, options) : NULL;
}

/* Ends it, on any thread; the handle is dead then. */
static inline void sonde_span_end(sonde_span *span)
{
    if (span) {
        sonde_span_finish(span, 0);
    }
}
/* As of a moment in nanoseconds since 1970. */
static inline void sonde_span_end_at(sonde_span *span, int64_t unix_ns)
{
    if (span) {
        sonde_span_finish(span, unix_ns);
    }
}

/* Attributes; the last value of a key counts. */
static inline void sonde_span_set_string(sonde_span *span, const char *key, const char *value)
{
    if (sonde_span_recording(span)) {
        sonde_span_put_string(span, key, sonde_span_length(key), value, sonde_span_length(value));
    }
}
static inline void sonde_span_set_string_n(sonde_span *span, const char *key, const char *value,
                                           size_t n)
{
    if (sonde_span_recording(span)) {
        sonde_span_put_string(span, key, sonde_span_length(key), value, n);
    }
}
static inline void sonde_span_set_int(sonde_span *span, const char *key, int64_t value)
{
    if (sonde_span_recording(span)) {
        sonde_span_put_word(span, key, sonde_span_length(key), SONDE_ATTR_INT, (uint64_t)value);
    }
}
static inline void sonde_span_set_double(sonde_span *span, const char *key, double value)
{
    if (sonde_span_recording(span)) {
        union {
            double number;
            uint64_t word;
        } both;
        both.number = value;
        sonde_span_put_word(span, key, sonde_span_length(key), SONDE_ATTR_DOUBLE, both.word);
    }
}
static inline void sonde_span_set_bool(sonde_span *span, const char *key, bool value)
{
    if (sonde_span_recording(span)) {
        sonde_span_put_word(span, key, sonde_span_length(key), SONDE_ATTR_BOOL, value ? 1 : 0);
    }
}
SONDE_API void sonde_span_set_attrs(sonde_span *span, const sonde_attr *attrs, size_t n);

/* Something that happened at this moment. */
SONDE_API void sonde_span_event(sonde_span *span, const char *name, const sonde_attr *attrs,
                                size_t n);
SONDE_API void sonde_span_link(sonde_span *span, const sonde_link *link);
/* message is kept for SONDE_SPAN_ERROR alone; may be NULL. */
SONDE_API void sonde_span_set_status(sonde_span *span, enum sonde_span_status status,
                                     const char *message);
/* The event "exception" with exception.type and exception.message, and the status error. */
SONDE_API void sonde_span_set_error(sonde_span *span, const char *type, const char *message);
SONDE_API void sonde_span_rename(sonde_span *span, const char *name);

/* The ids of a span; for NULL: what the thread works in, so that they can be handed on in any case.
 */
SONDE_API sonde_context sonde_span_context(const sonde_span *span);

/* The thread stops working in the span, which stays open: another thread takes it over with
 * sonde_span_attach(), or ends it. */
SONDE_API void sonde_span_detach(sonde_span *span);

/* The calling thread works in the span, the context, the propagation, until
 * sonde_context_detach(); in any order of nesting. NULL where that cannot be had. */
typedef struct sonde_scope sonde_scope;
SONDE_API sonde_scope *sonde_span_attach(const sonde_span *span);
SONDE_API sonde_scope *sonde_context_attach(const sonde_context *context);
SONDE_API sonde_scope *sonde_propagation_attach(const sonde_propagation *propagation);
/* On the thread that attached it. */
SONDE_API void sonde_context_detach(sonde_scope *scope);

/* What the calling thread works in; all zero: nothing. */
SONDE_API sonde_context sonde_context_current(void);
static inline bool sonde_context_valid(const sonde_context *context)
{
    unsigned trace = 0, span = 0;
    int i;
    for (i = 0; i < 16; i++) {
        trace |= context->trace_id[i];
    }
    for (i = 0; i < 8; i++) {
        span |= context->span_id[i];
    }
    return trace != 0 && span != 0;
}

/* A traceparent header: 55 characters and a NUL. */
enum { SONDE_TRACEPARENT_SIZE = 56 };
SONDE_API void sonde_context_format(const sonde_context *context, char *ret);
/* Reads one; SONDE_ERROR_ARGUMENT and ret untouched where it breaks W3C's rules. */
SONDE_API int sonde_context_parse(const char *traceparent, sonde_context *ret);

/* What travels between processes: ids, tracestate and baggage; does not change.
 *
 * Reads the headers traceparent, tracestate, baggage; without a good traceparent b3, X-B3-TraceId
 * and its like, uber-trace-id, sentry-trace. `get` gives the value of a header (names are lower
 * case, compare without case) or NULL; a value need only live until the next call. NULL where there
 * was nothing to read, or no memory. */
typedef const char *sonde_header_get(void *user, const char *name);
SONDE_API sonde_propagation *sonde_propagation_read(sonde_header_get *get, void *user);
/* The same of three headers; each may be NULL. */
SONDE_API sonde_propagation *sonde_propagation_of(const char *traceparent, const char *tracestate,
                                                  const char *baggage);
/* What the calling thread works in, to be taken to another one. */
SONDE_API sonde_propagation *sonde_propagation_current(void);
SONDE_API void sonde_propagation_free(sonde_propagation *propagation); /* NULL is fine */
SONDE_API sonde_context sonde_propagation_context(const sonde_propagation *propagation);

/* Headers for a request that is made within span (NULL: what the thread works in): calls `set` for
 * traceparent, and for tracestate and baggage where there are some. Returns how many. */
typedef void sonde_header_set(void *user, const char *name, const char *value);
SONDE_API int sonde_propagation_write(const sonde_span *span, sonde_header_set *set, void *user);

/* Baggage of what the thread works in: small facts that go along to all processes behind. The value
 * is decoded; at most size bytes with its NUL are written. Returns its whole length, or
 * SONDE_ERROR_NOT_FOUND. */
SONDE_API int sonde_baggage_get(const char *key, char *ret, size_t size);
/* Sets it (NULL: takes it away) in what the thread works in; later children inherit it.
 * SONDE_ERROR_STATE where it works in nothing; SONDE_ERROR_LIMIT for more than 64 members or 8192
 * bytes; SONDE_ERROR_ARGUMENT for a key that is no token of HTTP. Allocates. */
SONDE_API int sonde_baggage_set(const char *key, const char *value);

#if defined(__GNUC__) || defined(__clang__)
static inline void sonde_span_cleanup(sonde_span **span)
{
    sonde_span_end(*span);
}
/* A span that ends with the scope that it is declared in. */
#define SONDE_SPAN_SCOPE(variable, name, kind)                                                     \
    __attribute__((cleanup(sonde_span_cleanup))) sonde_span *variable = sonde_span_start(name, kind)
#endif

#ifdef __cplusplus
}
#endif
#endif
