/* client/core/setting.tbl.h - SETTING(type, key, field, default, least, most, help); types: text,
 * flag, count, number. least and most hold for count and number. A module keeps its rows together.
 */
/* about the program */
SETTING(text, "service", service, "", 0, 0, "name of the program; empty: that of its executable")
SETTING(text, "release", release, "", 0, 0, "version of the program, for example shop@1.4.2")
SETTING(text, "environment", environment, "production", 0, 0, "where it runs: production, staging")
SETTING(text, "instance", instance, "", 0, 0, "which of several; empty: HOST:PID")
SETTING(flag, "enabled", enabled, true, 0, 0, "false: every call does nothing")
SETTING(flag, "clock.monotonic", clock_monotonic, false, 0, 0,
        "read CLOCK_MONOTONIC instead of the time-stamp counter")
SETTING(count, "shutdown_ms", shutdown_ms, 500, 0, 60000, "how long exit() waits for the last data")
SETTING(count, "export.interval_ms", export_interval_ms, 1000, 100, 3600000,
        "how often metrics, spans and logs are sent")
/* privacy */
SETTING(text, "redact", redact, "all", 0, 0,
        "what is masked in what leaves the process: email, ip, mac, creditcard, iban, usssn, pemkey, "
        "urlauth, token, userpath, secret, all, none; all,-ip is all but addresses")
SETTING(text, "redact.keys", redact_keys, "", 0, 0,
        "more keys whose values are masked, with commas between them")
/* caches */
SETTING(number, "cache.slow_ms", cache_slow_ms, 10, 0, 3600000,
        "from how many milliseconds on a lookup in a cache is slow; sonde_cache_slow_after() for one")
/* stacks and crashes */
SETTING(count, "stack.signal", stack_signal, 61, 0, 64,
        "real-time signal that asks each thread for its stack; 0: thread stacks cannot be asked for")
SETTING(flag, "crash.enabled", crash_enabled, true, 0, 0,
        "record crashes, and tell of runs that ended without a word")
SETTING(text, "crash.signals", crash_signals, "SEGV,ABRT,FPE,BUS,ILL,SYS,TRAP", 0, 0,
        "signals that are crashes, with commas between them")
SETTING(count, "crash.deadline_ms", crash_deadline_ms, 2000, 0, 60000,
        "how long a program that crashes waits for the daemon or the helper to take its record")
SETTING(flag, "crash.abnormal_events", crash_abnormal_events, false, 0, 0,
        "an end without a word is an event too, not a session alone")
SETTING(flag, "crash.chain_first", crash_chain_first, false, 0, 0,
        "the program's own signal handler is asked first: for runtimes whose faults are no crashes")
SETTING(text, "crash.helper", crash_helper, "", 0, 0,
        "path of sonde-helper-symbols, which sends a crash to the DSN at once where no daemon is; "
        "empty: the next start sends it")
/* metrics */
SETTING(count, "metric.series_max", metric_series_max, 1000, 1, 1000000,
        "series of one metric; what is beyond counts in one with all label values \"other\"")
SETTING(count, "metric.series_total", metric_series_total, 20000, 1, 1000000,
        "series of all metrics together")
SETTING(count, "metric.exemplar_ms", metric_exemplar_ms, 1000, 0, 3600000,
        "a bucket takes a new exemplar at most this often")
SETTING(flag, "metric.process", metric_process, true, 0, 0,
        "export the process's own metrics: CPU, memory, descriptors, threads")
SETTING(text, "metric.listen", metric_listen, "", 0, 0,
        "address of an own /metrics listener, for example 127.0.0.1:9464; empty: none")
SETTING(count, "metric.connections", metric_connections, 16, 1, 64,
        "connections that the listener serves at once")
/* the debug interface */
SETTING(text, "debug.socket", debug_socket, "", 0, 0,
        "path of the debug socket; auto: RUNTIME/sonde/debug/SERVICE-PID.sock; empty: none")
SETTING(text, "debug.level", debug_level, "admin", 0, 0,
        "what callers of the debug socket may do at most: viewer, operator, admin")
SETTING(flag, "debug.dbus", debug_dbus, false, 0, 0,
        "the same commands over D-Bus, as dev.sonde.Debug.SERVICE.pPID")
SETTING(text, "debug.dbus_bus", debug_dbus_bus, "session", 0, 0,
        "which bus: session, system, or an address unix:path=..")
/* the way out: client/send */
SETTING(text, "socket", socket, "auto", 0, 0,
        "the daemon's socket: a path; auto: the usual places; none or empty: no daemon")
SETTING(text, "language", language, "c", 0, 0, "of the program, as it is shown")
SETTING(count, "send.memory_bytes", send_memory_bytes, 1 << 20, 1 << 14, 1 << 30,
        "logs and spans that wait in memory; what exceeds it waits on disk")
SETTING(text, "spool.dir", spool_dir, "", 0, 0,
        "folder where what is promised waits; empty: the usual places; none: memory alone")
SETTING(count, "spool.bytes", spool_bytes, 64 << 20, 0, 1ULL << 40,
        "that wait there of envelopes, of logs and of spans each, of one process")
SETTING(count, "spool.age_s", spool_age_s, 7 * 24 * 3600, 1, 365ULL * 24 * 3600,
        "how long something waits there before it is dropped")
SETTING(text, "remote.level", remote_level, "viewer", 0, 0,
        "what the daemon's callers may do here: viewer, operator, admin")
SETTING(text, "remote.allow", remote_allow, "reset,metrics-reset,flush", 0, 0,
        "commands that the daemon's operators may run all the same")
SETTING(flag, "send_pii", send_pii, false, 0, 0,
        "send a user's e-mail address, name and IP address as they are")
/* errors, sessions */
SETTING(count, "error.dedup_ms", error_dedup_ms, 5000, 0, 86400000,
        "errors that are alike within this time are one event")
SETTING(count, "error.alike_per_minute_max", error_alike_per_minute_max, 10, 0, 1000000,
        "events a minute of errors that are alike; 0: any")
SETTING(count, "error.per_second_max", error_per_second_max, 20, 0, 1000000,
        "events a second of all errors; 0: any")
SETTING(number, "error.sample_rate", error_sample_rate, 1, 0, 1, "share of the events that are sent")
SETTING(flag, "error.stack", error_stack, true, 0, 0, "walk the stack of the capturing thread")
SETTING(count, "error.breadcrumbs", error_breadcrumbs, 100, 0, 200,
        "how many of the last breadcrumbs are part of an event")
SETTING(count, "error.recovery_wait_ms", error_recovery_wait_ms, 1000, 0, 60000,
        "how long the event of an open error waits for its end")
SETTING(count, "error.recovery_max_ms", error_recovery_max_ms, 300000, 1, 86400000,
        "an open error that is older ends as unknown")
SETTING(flag, "error.updates", error_updates, true, 0, 0,
        "send a second event where an open error ended after its event was sent")
SETTING(flag, "session.auto", session_auto, true, 0, 0,
        "a session from sonde_init() to sonde_shutdown()")
SETTING(text, "session.mode", session_mode, "program", 0, 0,
        "program: a session is the life of the program; request: one of its requests")
SETTING(count, "report.interval_ms", report_interval_ms, 180000, 0, 86400000,
        "how often Sentry is told what was dropped; 0: never")
/* services and operations, frames (docs/manual/libsonde-operations.md, libsonde-frames.md) */
SETTING(count, "operation.max", operation_max, 1000, 1, 10000,
        "how many operations there can be; all further ones are counted as one, other")
SETTING(count, "operation.history", operation_history, 15, 0, 255,
        "how many of its last calls each thread keeps of each operation; one less than a power of 2")
SETTING(count, "operation.slowest", operation_slowest, 10, 0, 100,
        "how many of its slowest calls are kept of each operation")
SETTING(flag, "operation.spans", operation_spans, false, 0, 0,
        "each call of every operation is a span too")
/* traces */
SETTING(flag, "trace.enabled", trace_enabled, true, 0, 0,
        "false: no span is recorded; a change counts within a second")
SETTING(number, "trace.sample_rate", trace_sample_rate, 1, 0, 1,
        "probability with which a trace that begins here is kept")
SETTING(number, "trace.spans_per_second_max", trace_spans_per_second_max, 0, 0, 1e9,
        "about how many traces that begin here are kept in a second at most; 0: no bound")
SETTING(count, "trace.open_max", trace_open_max, 4096, 16, 1048576,
        "spans that may be open at once (1 KiB each); more: the oldest are given up")
SETTING(count, "trace.attributes_max", trace_attributes_max, 128, 0, 1024, "attributes of a span")
SETTING(count, "trace.events_max", trace_events_max, 128, 0, 1024, "events of a span")
SETTING(count, "trace.links_max", trace_links_max, 128, 0, 1024, "links of a span")
SETTING(count, "trace.value_bytes_max", trace_value_bytes_max, 4096, 16, 8192,
        "bytes of an attribute's string; longer ones are cut")
SETTING(count, "trace.ring_bytes", trace_ring_bytes, 131072, 131072, 67108864,
        "spans that have ended wait in so many bytes of each thread")
/* logs and breadcrumbs */
SETTING(text, "log.level", log_level, "info", 0, 0,
        "least level of records: trace, debug, info, warn, error, fatal, none")
SETTING(count, "log.rate_max", log_rate_max, 100, 0, 1000000000,
        "records a second from one call site; 0: no bound")
SETTING(count, "log.ring_bytes", log_ring_bytes, 65536, 16384, 67108864,
        "records wait in so many bytes of each thread")
SETTING(text, "log.breadcrumb_level", log_breadcrumb_level, "info", 0, 0,
        "records from this level on become breadcrumbs; none: no record does")
SETTING(count, "breadcrumbs.max", breadcrumbs_max, 100, 1, 1000, "breadcrumbs that are kept")
SETTING(flag, "breadcrumbs.spans", breadcrumbs_spans, false, 0, 0,
        "each span that ends becomes a breadcrumb")
SETTING(text, "dsn", dsn, "", 0, 0,
        "Sentry DSN for errors while there is no daemon; empty: SENTRY_DSN of the environment")
SETTING(text, "otlp.endpoint", otlp_endpoint, "", 0, 0,
        "OTLP/HTTP base for spans and logs while there is no daemon; empty: "
        "OTEL_EXPORTER_OTLP_ENDPOINT of the environment")
SETTING(text, "otlp.headers", otlp_headers, "", 0, 0,
        "key=value,key=value of its requests; empty: OTEL_EXPORTER_OTLP_HEADERS")
SETTING(text, "send.also", send_also, "", 0, 0,
        "dsn, otlp or both: they get theirs also while there is a daemon")
SETTING(count, "send.direct_after_ms", send_direct_after_ms, 5000, 0, 3600 * 1000,
        "how long there must be no daemon before dsn and otlp.endpoint are used")
SETTING(count, "send.timeout_ms", send_timeout_ms, 10000, 100, 600000, "for a request to them")
SETTING(count, "send.retry_ms", send_retry_ms, 1000, 10, 300000,
        "until a request that failed is made again; doubled each time, to five minutes")
SETTING(text, "send.curl", send_curl, "auto", 0, 0,
        "libcurl for them: auto, none, or a path of the library")
/* memory */
SETTING(count, "memory.backtrace_every", memory_backtrace_every, 0, 0, 1000000000,
        "each so many-th counted allocation of a thread keeps its call stack for `leaks`; 0: none")
SETTING(count, "memory.rss_max_bytes", memory_rss_max_bytes, 0, 0, 1e18,
        "resident memory above which the alarm memory_rss is raised; 0: none")
/* health */
SETTING(count, "health.period_ms", health_period_ms, 10000, 10, 3600000,
        "how often checks of components run that name no period of their own")
SETTING(count, "health.slow_ms", health_slow_ms, 500, 1, 3600000,
        "from how many milliseconds on a check of a component is slow")
