/* sonde/error.h - errors that a program meets: captured with their stack, causes and surroundings,
 * followed until it is known how they ended, and sent as Sentry envelopes.
 *
 *     if (open_store(path) != 0) {
 *         sonde_error_capture(SONDE_LEVEL_ERROR, "StoreError", "the store cannot be opened");
 *     }
 *
 * Errors that are alike (type, message but for its numbers, place in the program) within the
 * setting error.dedup_ms are one event; how many there were is counted. error.per_second_max and
 * error.alike_per_minute_max bound the rest. Everything that is left out is counted:
 * sonde_client_lost_total, Sentry's client reports. Texts are masked (setting redact) before they
 * leave the process, also what before_send() writes.
 *
 * Threads: any. Nothing here is safe in signal handlers.
 * Cost:    on the calling thread a copy and a walk of the stack, some microseconds; of one that is
 *          left out, a fraction of one.
 */
#ifndef SONDE_ERROR_H
#define SONDE_ERROR_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- capture ---- */

/* A captured error: 0 where none was (left out, or the library does not run). */
typedef uint64_t sonde_error_ref;

/* Captures a handled error. type is a short name from a small set ("IOError"): errors are counted
 * by it; NULL: a message alone. message may be NULL. */
SONDE_API sonde_error_ref sonde_error_capture(int level, const char *type, const char *message);
/* The same with a formatted message; errors are alike by their format. */
SONDE_API sonde_error_ref sonde_error_capture_f(int level, const char *type, const char *format,
                                                ...) SONDE_PRINTF(3, 4);
/* An errno: "open /etc/x: Permission denied", with number and name. what may be NULL. */
SONDE_API sonde_error_ref sonde_error_errno(int level, int number, const char *what);

/* What an error came from; causes of causes by `cause`. */
typedef struct sonde_error_cause {
    size_t struct_size;
    const char *type, *message;
    const char *module; /* of the program, or of a library; NULL: none */
    bool has_code;
    int64_t code;
    const void *const *stack; /* [stack_n] return addresses, the innermost first; NULL: none */
    size_t stack_n;
    const struct sonde_error_cause *cause;
} sonde_error_cause;
#define SONDE_ERROR_CAUSE_INIT                                                                     \
    {                                                                                              \
        sizeof(sonde_error_cause), NULL, NULL, NULL, false, 0, NULL, 0, NULL                       \
    }

/* Who it happened to. Without the setting send_pii only the id leaves the process. */
typedef struct sonde_user {
    size_t struct_size;
    const char *id, *email, *name, *ip; /* NULL: not known */
} sonde_user;
#define SONDE_USER_INIT                                                                            \
    {                                                                                              \
        sizeof(sonde_user), NULL, NULL, NULL, NULL                                                 \
    }

enum sonde_error_flag {
    SONDE_ERROR_UNHANDLED = 1,  /* nobody caught it */
    SONDE_ERROR_NO_STACK = 2,   /* do not walk the calling thread's stack */
    SONDE_ERROR_OPEN = 4,       /* sonde_error_end() will say how it ended */
    SONDE_ERROR_STACK_HERE = 8, /* walk it although `stack` is given: it becomes the thread's */
};

typedef struct sonde_error_info {
    size_t struct_size;
    int level;      /* enum sonde_level */
    unsigned flags; /* enum sonde_error_flag */
    const char *type, *message;
    const char *pattern; /* what makes messages alike (the format); NULL: message but its numbers */
    const char *logger;  /* "db.pool"; NULL: none */
    const char *module;
    const char *mechanism; /* how it was caught: NULL: "generic" */
    bool has_code;
    int64_t code;
    const sonde_error_cause *cause;
    const void *const *stack; /* [stack_n] return addresses, the innermost first; NULL: from here */
    size_t stack_n;
    const char *context;     /* a JSON object: its members are shown as contexts; what is no valid
                                JSON is kept as a text, with a note */
    const sonde_label *tags; /* {NULL, NULL} at the end; NULL: none */
    const sonde_attr *extra; /* [extra_n] */
    size_t extra_n;
    const sonde_user *user;         /* NULL: that of sonde_set_user() */
    const char *const *fingerprint; /* [fingerprint_n] own grouping; "{{ default }}" stands for the
                                       usual one */
    size_t fingerprint_n;
    const char *transaction;               /* the operation; NULL: none */
    const sonde_context *context_of_trace; /* NULL: the thread's */
} sonde_error_info;
#define SONDE_ERROR_INFO_INIT                                                                      \
    {                                                                                              \
        sizeof(sonde_error_info), SONDE_LEVEL_ERROR, 0, NULL, NULL, NULL, NULL, NULL, NULL, false, \
            0, NULL, NULL, 0, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, NULL                       \
    }

/* Copies all that it needs before it returns (together at most 28 KiB; more is cut). */
SONDE_API sonde_error_ref sonde_error_capture_info(const sonde_error_info *info);

/* The id of its event as Sentry shows it: 32 hexadecimal digits and a NUL. */
SONDE_API int sonde_error_event_id(sonde_error_ref error, char ret[33]);

/* ---- chains: an error on its way up ---- */

/* Made where something failed, wrapped by each caller that knows more, captured (and freed) at the
 * top. Needs memory; NULL where there is none, which every function takes. */
typedef struct sonde_error_chain sonde_error_chain;
SONDE_API sonde_error_chain *sonde_error_chain_new(const char *type, int64_t code,
                                                   const char *format, ...) SONDE_PRINTF(3, 4);
SONDE_API sonde_error_chain *sonde_error_chain_wrap(sonde_error_chain *chain, const char *type,
                                                    int64_t code, const char *format, ...)
    SONDE_PRINTF(4, 5);
SONDE_API sonde_error_ref sonde_error_chain_capture(sonde_error_chain *chain, int level);
/* "outer: inner: innermost"; returns the length of all of it. */
SONDE_API size_t sonde_error_chain_text(const sonde_error_chain *chain, char *ret, size_t size);
SONDE_API int64_t sonde_error_chain_code(const sonde_error_chain *chain); /* of the outermost */
SONDE_API void sonde_error_chain_free(sonde_error_chain *chain);

/* ---- surroundings: in every event from now on ---- */

/* Tags are searched by: short names and values. value NULL removes. At most 50 for the process and
 * 16 for a thread; SONDE_ERROR_LIMIT beyond. */
SONDE_API int sonde_set_tag(const char *key, const char *value);
SONDE_API int sonde_set_thread_tag(const char *key,
                                   const char *value); /* the calling thread's own */
/* user NULL: nobody. */
SONDE_API int sonde_set_user(const sonde_user *user);
/* A named block of facts: a JSON object; NULL removes. At most 20, together 64 KiB.
 * SONDE_ERROR_ARGUMENT: no JSON object. */
SONDE_API int sonde_set_context(const char *name, const char *json);
SONDE_API int sonde_set_transaction(const char *name); /* what the program does just now */

/* ---- before_send ---- */

/* An event on its way out; belongs to the library, lives until the callback returns. */
typedef struct sonde_error_event sonde_error_event;

/* Called on libsonde's thread for every event before it is sent: false leaves it out (counted). One
 * for the process; NULL stops it. */
SONDE_API int sonde_error_before_send(bool (*callback)(sonde_error_event *event, void *user),
                                      void *user);
SONDE_API int sonde_error_event_level(const sonde_error_event *event);
SONDE_API const char *sonde_error_event_type(const sonde_error_event *event); /* "": none */
SONDE_API const char *sonde_error_event_message(const sonde_error_event *event);
SONDE_API const char *sonde_error_event_tag(const sonde_error_event *event, const char *key);
/* The whole event as it would be sent: JSON, or "" without memory. Belongs to the event; a later
 * call writes it again. */
SONDE_API const char *sonde_error_event_json(sonde_error_event *event);
SONDE_API int sonde_error_event_set_level(sonde_error_event *event, int level);
SONDE_API int sonde_error_event_set_type(sonde_error_event *event, const char *type);
SONDE_API int sonde_error_event_set_message(sonde_error_event *event, const char *message);
SONDE_API int sonde_error_event_set_tag(sonde_error_event *event, const char *key,
                                        const char *value);
SONDE_API int sonde_error_event_set_fingerprint(sonde_error_event *event,
                                                const char *const *fingerprint, size_t n);

/* ---- how it ended ---- */

enum sonde_outcome {
    SONDE_OUTCOME_UNKNOWN,   /* nobody said */
    SONDE_OUTCOME_HANDLED,   /* it was dealt with where it arose */
    SONDE_OUTCOME_RETRIED,   /* what failed was tried again, and went well */
    SONDE_OUTCOME_RECOVERED, /* after something was repaired, all is as before */
    SONDE_OUTCOME_DEGRADED,  /* the program goes on with less */
    SONDE_OUTCOME_FATAL,     /* what was asked for failed for good */
};

/* Captures an error that is being dealt with: sonde_error_end() says how that ended. If it does so
 * within the setting error.recovery_wait_ms, the event says it; later, a second event does. Errors
 * that are left out as alike are followed too. */
SONDE_API sonde_error_ref sonde_error_scope_begin(const char *type, const char *message);
/* One more try. */
SONDE_API void sonde_error_scope_retry(sonde_error_ref error);
/* The end of an open error; SONDE_ERROR_NOT_FOUND: it is not open (any more). */
SONDE_API int sonde_error_end(sonde_error_ref error, int outcome);
/* For SONDE_ERROR_SCOPE: ends as SONDE_OUTCOME_UNKNOWN what is still open. */
SONDE_API void sonde_error_scope_leave(sonde_error_ref *error);

#if defined(__GNUC__) || defined(__clang__)
/* A variable that ends its error when its scope is left. */
#define SONDE_ERROR_SCOPE(name, type, message)                                                     \
    sonde_error_ref name __attribute__((cleanup(sonde_error_scope_leave))) =                       \
        sonde_error_scope_begin((type), (message))
#endif

/* Tries with growing pauses, and an error that is followed from the first failure on:
 *
 *     sonde_retry retry = SONDE_RETRY_INIT;
 *     retry.type = "ConnectError";
 *     while (sonde_retry_next(&retry)) {
 *         if (connect_to(host) == 0) {
 *             sonde_retry_done(&retry);
 *             break;
 *         }
 *         sonde_retry_failed(&retry, strerror(errno));
 *     }
 *
 * sonde_retry_next() sleeps between tries (this is the one function that waits, on purpose), and is
 * false when there are no more: the error has then ended as `given_up`. Works without the library
 * running too. Belongs to one thread. */
typedef struct sonde_retry {
    size_t struct_size;
    const char *type;      /* of the error */
    unsigned attempts_max; /* of tries, with the first; 0: without end */
    unsigned pause_ms;     /* before the second try */
    unsigned pause_ms_max;
    double factor;         /* each pause against the one before */
    double jitter;         /* 0.2: up to a fifth shorter or longer */
    int given_up;          /* enum sonde_outcome */
    unsigned attempts;     /* so far */
    sonde_error_ref error; /* open since the first failure */
} sonde_retry;
#define SONDE_RETRY_INIT                                                                           \
    {                                                                                              \
        sizeof(sonde_retry), "RetryError", 5, 100, 10000, 2.0, 0.2, SONDE_OUTCOME_FATAL, 0, 0      \
    }
SONDE_API bool sonde_retry_next(sonde_retry *retry);
SONDE_API void sonde_retry_failed(sonde_retry *retry, const char *message);
SONDE_API void sonde_retry_done(sonde_retry *retry);

/* ---- what was captured lately ---- */

typedef struct sonde_error_recent {
    char event_id[33];
    char type[64], message[192];
    int level, outcome;
    int64_t unix_ns;
    uint64_t count;          /* of errors like it since it was first captured, itself among them */
    double recovery_seconds; /* negative: not known */
    unsigned retries;
} sonde_error_recent;
/* The newest first; returns how many there are, of which at most cap are written. struct_size is
 * sizeof(sonde_error_recent). */
SONDE_API size_t sonde_error_recent_list(sonde_error_recent *ret, size_t cap, size_t struct_size);

/* ---- sessions: release health ---- */

enum sonde_session_status {
    SONDE_SESSION_EXITED,
    SONDE_SESSION_CRASHED,
    SONDE_SESSION_ABNORMAL,
};

/* With the setting session.mode = "program" a session is the life of the program or a part of it
 * (session.auto begins it at sonde_init() and ends it at sonde_shutdown()); with "request" it is a
 * request on the calling thread, of which only sums by minute are sent. user_id may be NULL. Begins
 * a new one where one is open, which ends as exited. */
SONDE_API int sonde_session_start(const char *user_id);
SONDE_API int sonde_session_end(int status); /* SONDE_ERROR_STATE: none is open */

/* ---- check-ins of jobs, for Sentry's monitors ---- */

enum sonde_checkin_status { SONDE_CHECKIN_IN_PROGRESS, SONDE_CHECKIN_OK, SONDE_CHECKIN_ERROR };
/* duration in seconds, negative: not known (measured where the job was said to be in progress). */
SONDE_API int sonde_checkin(const char *slug, int status, double duration);

#ifdef __cplusplus
}
#endif
#endif
