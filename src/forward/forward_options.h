/* forward/forward_options.h - [forward], [[forward.remote_write]] and [[forward.relabel]] of
 * sonde.toml, and what they come to as Prometheus's file has it.
 *
 * Threads: constant data; pure functions.
 */
#ifndef FORWARD_FORWARD_OPTIONS_H
#define FORWARD_FORWARD_OPTIONS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "promfile/promfile.h"
#include "relabel/relabel_row.h"

struct forward_settings {
    int64_t queue_bytes_max;
    struct option_rows remote_writes; /* struct forward_options_write */
    struct option_rows relabel;       /* struct forward_options_relabel */
};

struct forward_options_write {
    const char *name, *url, *protocol, *tenant;
    const char *username, *password, *password_file, *bearer_token, *bearer_token_file;
    const char *ca_file, *cert_file, *key_file, *server_name;
    bool insecure_skip_verify, exemplars, native_histograms, metadata, retry_on_rate_limit;
    struct option_list labels;
    int64_t timeout_ms, request_rows_max, batch_deadline_ms, shards_max, age_max_ms;
};

struct forward_options_relabel {
    const char *remote_write;
    struct relabel_row rule;
};

extern const struct option_table forward_options;
extern const struct option_table forward_options_write_table;
extern const struct option_table forward_options_relabel_table;

MUST_USE int forward_options_check(const struct forward_settings *s, struct why *why);

/* What one of them is, ready to be used. */
struct forward_options_ready {
    struct promfile_remote_write write; /* its relabel is owned: relabel_free() */
    struct str tenant, labels;
};

/* Row i; memory from a. The settings have been checked. */
void forward_options_make(const struct forward_settings *s, size_t i, struct arena *a,
                          struct forward_options_ready *ret);

/* Calls f for each file that the rows name. */
void forward_options_files(const struct option_rows *remote_writes,
                           void (*f)(void *context, struct str path), void *context);

#endif
