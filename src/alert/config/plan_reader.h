/* alert/config/plan_reader.h - a plan while it is being read; shared by the files plan_*.c.
 *
 * The first fault ends the reading: a function that answers not 0 has said what is wrong in r->why
 * and where in r->place.
 *
 * Threads: one.
 */
#ifndef ALERT_CONFIG_PLAN_READER_H
#define ALERT_CONFIG_PLAN_READER_H

#include "alert/config/plan.h"
#include "base/map.h"
#include "base/vec.h"
#include "text/yaml_struct.h"

enum {
    PLAN_ROUTES_MAX = 100000,
    PLAN_RECEIVERS_MAX = 100000,
    PLAN_INTEGRATIONS_MAX = 1000, /* of one receiver */
    PLAN_TEXT_MAX = 32 << 20,     /* bytes of the text without secrets */
};

/* What plan_read() gives: its p is the first member. */
struct plan_whole {
    struct plan p;
    struct {
        struct matcher_list *v; /* whose expressions are freed */
        size_t n, capacity;
    } matchers;
    struct yaml_struct_texts templates; /* patterns, as paths */
    struct str smtp_password_file;
};

struct plan_reader {
    struct plan_whole *whole;
    struct arena *a; /* the plan's */
    const struct plan_source *source;
    struct str folder; /* of the file */
    struct notify_globals globals;
    struct yaml_place place; /* of the fault; line 0: none */
    struct why *why;
    struct map receivers; /* names; of those of the file and of the rows */
    struct map intervals; /* name -> place in the list */
    struct {
        struct plan_receiver *v;
        size_t n, capacity;
    } list;
    struct {
        struct str *v;
        size_t n, capacity;
    } ignored;
    size_t routes;
};

/* ---- plan.c */
/* Says what is wrong and where; -ERR_FORMAT. node may be NULL. */
int plan_reader_fault(struct plan_reader *r, const struct yaml_node *node, const char *format, ...)
    PRINTF(3, 4);

/* The same for one that why tells already: err. */
int plan_reader_at(struct plan_reader *r, const struct yaml_node *node, int err);

void plan_reader_ignored(struct plan_reader *r, struct str text);

/* A path that begins at the file's folder. */
struct str plan_reader_path(struct plan_reader *r, struct str path);

/* Appends the matchers of a list of texts, of name: value and of name: expression. */
int plan_reader_matchers(struct plan_reader *r, const struct yaml_node *map, const char *matchers,
                         const char *match, const char *match_re, struct matcher_list *ret);

/* The same of texts of sonde.toml. */
int plan_reader_list(struct plan_reader *r, const struct option_list *texts,
                     struct matcher_list *ret);

/* ---- plan_global.c: global: into r->globals and the plan */
int plan_global_read(struct plan_reader *r, const struct yaml_node *node);

/* ---- plan_receiver.c: receivers: and the rows [[notify]] into r->list */
int plan_receiver_read(struct plan_reader *r, const struct yaml_node *list);
int plan_receiver_rows(struct plan_reader *r);

/* ---- plan_route.c: route: (after receivers and intervals), or the routes of rows alone */
int plan_route_read(struct plan_reader *r, const struct yaml_node *node);
int plan_route_rows(struct plan_reader *r, struct plan_route **ret, size_t *ret_n);

/* ---- plan_escalation.c */
int plan_escalation_read(struct plan_reader *r);

/* ---- plan_text.c: the tree as YAML, secrets hidden; root NULL: what the plan amounts to */
struct str plan_text(struct plan_reader *r, const struct yaml_node *root);

#endif
