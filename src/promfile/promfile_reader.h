/* promfile/promfile_reader.h - a file while it is being read; shared by the files of this folder.
 *
 * Faults are written down as they are found and reading goes on, so that all of them are shown.
 *
 * Threads: one.
 */
#ifndef PROMFILE_PROMFILE_READER_H
#define PROMFILE_PROMFILE_READER_H

#include "base/map.h"
#include "base/vec.h"
#include "promfile/promfile.h"
#include "text/yaml.h"
#include "text/yaml_struct.h"

enum {
    PROMFILE_PROBLEMS_MAX = 100, /* that are told */
    PROMFILE_SCRAPES_MAX = 100000,
    PROMFILE_YAML_MAX = 32 << 20, /* bytes of the text in force */
};

/* What promfile_read() gives: its p is the first member. */
struct promfile_whole {
    struct promfile p;
    struct arena arena; /* everything but compiled rules, the trees too */
    struct {
        struct relabel **v; /* owned */
        size_t n, capacity;
    } relabels;
};

/* global: what scrapes take over where they say nothing. Texts are those of the file. */
struct promfile_global {
    int64_t scrape_interval_ms, scrape_timeout_ms, evaluation_interval_ms, query_offset_ms;
    struct str query_log_file, scrape_failure_log_file;
    struct yaml_struct_texts protocols;
    struct yaml_struct_pairs external_labels;
    int64_t body_size_limit;
    uint64_t sample_limit, target_limit, label_limit, label_name_length_limit,
        label_value_length_limit, keep_dropped_targets;
    struct str validation, escaping;
    bool native_histograms, convert_to_nhcb, always_classic_histograms, extra_metrics;
};

struct promfile_reader {
    struct promfile_whole *whole;
    struct arena *a;         /* the whole's */
    struct str path, folder; /* of the file that is being read */
    bool included;           /* it is one of scrape_config_files */
    bool lenient;            /* those of them that are wrong are left out */
    struct buf *problems;
    size_t problems_n;
    struct promfile_global global;
    struct map jobs; /* name of a scrape config -> text (const char *): the file that has it */
    struct {
        struct promfile_scrape *v;
        size_t n, capacity;
    } scrapes;
    struct {
        struct promfile_remote_write *v;
        size_t n, capacity;
    } remote_writes;
    struct {
        struct promfile_alertmanager *v;
        size_t n, capacity;
    } alertmanagers;
    struct {
        struct str *v;
        size_t n, capacity;
    } ignored;
};

/* ---- promfile_reader.c */

/* path:line:column: text */
void promfile_reader_fault(struct promfile_reader *r, struct yaml_place place, const char *format,
                           ...) PRINTF(3, 4);

/* Notes a sentence about what has no effect; each once. */
void promfile_reader_ignored(struct promfile_reader *r, const char *format, ...) PRINTF(2, 3);

/* Fills ret from map by shape; how many faults there were. */
size_t promfile_reader_struct(struct promfile_reader *r, const struct yaml_node *map,
                              const struct yaml_struct *shape, void *ret);

/* path as it is reached from where we are: relative ones begin at the file's folder. */
struct str promfile_reader_path(struct promfile_reader *r, struct str path);

/* Is node a list of maps without a null among them? Where one is null: "empty or null WHAT". */
bool promfile_reader_list(struct promfile_reader *r, const struct yaml_node *node, const char *type,
                          const char *what);

/* Compiles a list of relabelling rules, which the whole owns; NULL where there are none or they are
 * wrong. what: "target relabeling rule in scrape config". */
struct relabel *promfile_reader_relabel(struct promfile_reader *r, const struct yaml_node *list,
                                        bool legacy_names, const char *what);

/* Reads the keys of promfile/http in map. */
void promfile_reader_http(struct promfile_reader *r, const struct yaml_node *map,
                          struct fetch_settings *ret);

/* Reads all *_sd_configs and static_configs of map. without_rules: no relabelling changes
 * addresses, so that static targets must not be URLs. owner is for what is ignored; NULL: not
 * told. */
void promfile_reader_discoveries(struct promfile_reader *r, const struct yaml_node *map,
                                 bool without_rules, const char *owner,
                                 const struct discovery_config **ret, size_t *ret_n);

/* Is key one of a discovery's or of promfile/http? */
bool promfile_reader_http_key(struct str key);
bool promfile_reader_target_key(struct str key);

/* Are the names of headers free to be set? */
void promfile_reader_headers(struct promfile_reader *r, const struct yaml_node *map, bool tracing);

/* Is it "legacy"? Says so where it is none of the known words. */
bool promfile_reader_legacy(struct promfile_reader *r, const struct yaml_node *map,
                            struct str scheme);

/* The protocols of texts; false (and a fault at place) where they are not all known and different.
 * suffix ends the sentence: " for global config". */
bool promfile_reader_protocols(struct promfile_reader *r, struct yaml_place place,
                               const struct yaml_struct_texts *texts, struct str suffix,
                               struct promfile_scrape *ret);

const char *promfile_reader_protocol_name(enum promfile_protocol protocol);

/* The protocol of that name; PROMFILE_PROTOCOL_NONE where there is none. */
enum promfile_protocol promfile_reader_protocol(struct str name);

/* Tells "BEFOREunknown scrape protocol NAME, supported: [..]AFTER". */
void promfile_reader_unknown_protocol(struct promfile_reader *r, struct yaml_place place,
                                      const char *before, struct str name, struct str after);

/* ---- promfile_global.c, promfile_scrape.c, promfile_remote.c, promfile_rest.c: the sections */

void promfile_global_read(struct promfile_reader *r, const struct yaml_node *node);

/* All entries of scrape_configs. */
void promfile_scrape_read(struct promfile_reader *r, const struct yaml_node *list);

void promfile_remote_read(struct promfile_reader *r, const struct yaml_node *root);

/* Checks what stands below one of sigv4, azuread, google_iam in map; is it there? */
bool promfile_remote_signing(struct promfile_reader *r, const struct yaml_node *map,
                             const char *key);

/* Is there a url in map that can be one? what: "remote_write". */
void promfile_remote_url(struct promfile_reader *r, const struct yaml_node *map, const char *what);

/* alerting, otlp, runtime, storage, tracing: checked. */
void promfile_rest_read(struct promfile_reader *r, const struct yaml_node *root);

/* ---- promfile_yaml.c: what is in force, as text */

/* One scrape config whose keys stand in map. */
struct str promfile_yaml_scrape(struct promfile_reader *r, const struct promfile_scrape *s,
                                const struct yaml_node *map);

/* The whole file; secrets are hidden. */
struct str promfile_yaml(struct promfile_reader *r, const struct yaml_node *root);

#endif
