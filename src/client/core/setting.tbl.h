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
/* services and operations, frames (docs/manual/libsonde-operations.md, libsonde-frames.md) */
SETTING(count, "operation.max", operation_max, 1000, 1, 10000,
        "how many operations there can be; all further ones are counted as one, other")
SETTING(count, "operation.history", operation_history, 15, 0, 255,
        "how many of its last calls each thread keeps of each operation; one less than a power of 2")
SETTING(count, "operation.slowest", operation_slowest, 10, 0, 100,
        "how many of its slowest calls are kept of each operation")
SETTING(flag, "operation.spans", operation_spans, false, 0, 0,
        "each call of every operation is a span too")
