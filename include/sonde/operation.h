/* sonde/operation.h - services and their operations: how often, how fast, how well.
 *
 *     static sonde_operation *checkout; // sonde_operation_get("shop", "checkout")
 *
 *     int shop_checkout(struct cart *cart)
 *     {
 *         SONDE_OPERATION(t, checkout);
 *         if (!cart->n)
 *             return -1;                            // counts as abandoned
 *         int err = pay(cart);
 *         if (err)
 *             sonde_operation_fail(&t, "payment refused");
 *         else
 *             sonde_operation_complete(&t);
 *         return err;
 *     }
 *
 * A service is a part of the program that has a name ("shop"), an operation is what it does
 * ("checkout"). Both names are made up by the application, should be few and never hold data of
 * requests: at most operation.max operations exist (default 1000), all further ones share one, of
 * the service "other" and the name "other".
 *
 * Threads: all functions from any thread. A tracker belongs to one thread at a time; it may be
 * ended by another thread than the one that began it. Beginning and ending take no lock; a thread
 *          allocates at its first use of an operation.
 * Units:   durations are seconds, times are milliseconds since 1970.
 */
#ifndef SONDE_OPERATION_H
#define SONDE_OPERATION_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lives until the process ends. Every function takes NULL and does nothing then. */
typedef struct sonde_operation sonde_operation;

/* How an operation ended. */
enum sonde_operation_outcome {
    SONDE_OPERATION_COMPLETED,
    SONDE_OPERATION_FAILED,
    SONDE_OPERATION_ABANDONED, /* neither completed nor failed: its scope was left */
    SONDE_OPERATION_RECOVERED, /* something failed, and it was done all the same */
    SONDE_OPERATION_OUTCOMES
};

/* "completed", "failed", "abandoned", "recovered"; "unknown" for other numbers. */
SONDE_API const char *sonde_operation_outcome_name(int outcome);

enum {
    SONDE_OPERATION_NAME_MAX = 100,  /* bytes of a service's or an operation's name; cut there */
    SONDE_OPERATION_ERROR_MAX = 200, /* bytes of an error's message with its NUL; cut there */
};

enum sonde_operation_flags {
    SONDE_OPERATION_SPANS = 1, /* each call is a span too (sonde/span.h), named as the operation */
};

typedef struct sonde_operation_options {
    size_t struct_size;
    unsigned flags; /* enum sonde_operation_flags */
} sonde_operation_options;
#define SONDE_OPERATION_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(sonde_operation_options), 0                                                         \
    }

/* Gets or makes an operation; keep the handle where you can (a call of get costs about 30 ns).
 * Works before sonde_init() too, so that a handle may be kept in a static variable. NULL: a NULL or
 * empty name, or no memory. */
SONDE_API sonde_operation *sonde_operation_get(const char *service, const char *operation);
/* The same with options (NULL: none), which hold from now on. */
SONDE_API sonde_operation *sonde_operation_get_with(const char *service, const char *operation,
                                                    const sonde_operation_options *options);

/* An operation that is going on: a plain struct on the caller's stack, or wherever he likes. Its
 * fields are the library's. A copy may stand for the original; the first that is ended counts
 * (as long as a thread has at most 256 open). */
typedef struct sonde_tracker {
    sonde_operation *operation; /* NULL: ended, or never begun */
    uint64_t start;
    void *place;
    uint64_t number;
    void *span;
} sonde_tracker;
/* For a tracker that is begun later. */
#define SONDE_TRACKER_INIT                                                                         \
    {                                                                                              \
        NULL, 0, NULL, 0, NULL                                                                     \
    }

/* Begins one. The pair of begin and complete costs two clock reads and about 20 ns. */
SONDE_API sonde_tracker sonde_operation_begin(sonde_operation *operation);

/* Each of these ends it; whichever comes first counts, later ones do nothing. message may be NULL:
 * it is copied. */
SONDE_API void sonde_operation_complete(sonde_tracker *tracker);
SONDE_API void sonde_operation_fail(sonde_tracker *tracker, const char *message);
SONDE_API void sonde_operation_recover(sonde_tracker *tracker, const char *message);
SONDE_API void sonde_operation_abandon(sonde_tracker *tracker);

/* How long it has been going on, in seconds; 0 where it has ended. */
SONDE_API double sonde_operation_elapsed(const sonde_tracker *tracker);

/* An operation that is open when the thread that began it ends counts as abandoned, for nobody may
 * ever end it. This takes it from its thread, so that others may go on with it for as long as they
 * like: SONDE_ERROR_LIMIT where 1024 are so already. */
SONDE_API int sonde_operation_detach(sonde_tracker *tracker);

#if defined(__GNUC__) || defined(__clang__)
/* Declares the tracker `name` and begins: where the scope is left (return, goto, break; in C++ and
 * with -fexceptions also unwinding) without an end, it counts as abandoned. Leaving by longjmp()
 * runs no cleanup: such an operation stays active until its thread ends. */
#define SONDE_OPERATION(name, handle)                                                              \
    __attribute__((cleanup(sonde_operation_abandon))) sonde_tracker name =                         \
        sonde_operation_begin(handle)
#endif

/* An operation that was timed by other means and ends now. SONDE_ERROR_ARGUMENT: not finite,
 * negative, or an outcome that there is not. */
SONDE_API int sonde_operation_record(sonde_operation *operation, double seconds, int outcome,
                                     const char *message);

/* What is known of an operation, or of a service as the sum of its operations. Since the start, or
 * the last reset. */
typedef struct sonde_operation_info {
    size_t struct_size;
    const char *service;
    const char *operation; /* NULL: a service */
    uint64_t operations;   /* of the service; 1 for an operation */
    uint64_t count;        /* those that ended, and how: */
    uint64_t completed, failed, abandoned, recovered;
    uint64_t active;                      /* begun and not ended */
    double total, minimum, maximum, mean; /* seconds; NaN (but total) where count is 0 */
    double p50, p90, p95, p99;            /* seconds, within 4.5 %; NaN where count is 0 */
    double rate_1s, rate_10s, rate_60s;   /* ended a second, over the last .. seconds */
    double error_rate;                    /* failed / count; 0 where count is 0 */
    double error_rate_60s;                /* over the last 60 seconds */
    double uptime; /* seconds since its first begin or record; of a service: of its first */
    int64_t first_ms, last_ms; /* times of the first and the last begin; 0: never */
    int64_t last_error_ms;     /* 0: none */
    char last_error[SONDE_OPERATION_ERROR_MAX]; /* as the application gave it; "" where it gave none
                                                 */
} sonde_operation_info;

/* Fills *ret, whose struct_size the caller sets. SONDE_ERROR_ARGUMENT. Costs microseconds. */
SONDE_API int sonde_operation_read(sonde_operation *operation, sonde_operation_info *ret);

/* Calls visit for each operation of the service (NULL: of all), in the order of names; for each
 * service. Returns how many. The struct is the library's, for the time of the call. */
SONDE_API size_t sonde_operation_each(const char *service,
                                      void (*visit)(const sonde_operation_info *info, void *user),
                                      void *user);
SONDE_API size_t sonde_operation_each_service(void (*visit)(const sonde_operation_info *info,
                                                            void *user),
                                              void *user);

/* One call of an operation. */
typedef struct sonde_operation_call {
    size_t struct_size;
    const char *service, *operation;
    int64_t start_ms;
    double seconds; /* its duration; of one that goes on: its age */
    int outcome;    /* enum sonde_operation_outcome; -1: goes on */
    int thread;     /* of the one that began it; 0: not kept (recent ones) */
} sonde_operation_call;

/* Calls visit for calls of the service and the operation (NULL: of all), at most max of them;
 * returns how many. Recent: those that ended last, the newest first; operation.history are kept for
 * each operation in each thread. Slowest: since the start or reset, the slowest first;
 * operation.slowest are kept for each operation. Active: the oldest first. */
SONDE_API size_t sonde_operation_recent(const char *service, const char *operation, size_t max,
                                        void (*visit)(const sonde_operation_call *call, void *user),
                                        void *user);
SONDE_API size_t sonde_operation_slowest(const char *service, const char *operation, size_t max,
                                         void (*visit)(const sonde_operation_call *call,
                                                       void *user),
                                         void *user);
SONDE_API size_t sonde_operation_active(const char *service, const char *operation, size_t max,
                                        void (*visit)(const sonde_operation_call *call, void *user),
                                        void *user);

/* Forgets what was counted of the service (NULL: of all); what is active stays so. Returns how many
 * operations there were. */
SONDE_API size_t sonde_operation_reset(const char *service);

#ifdef __cplusplus
}
#endif
#endif
