/* discover/groups.h - groups of targets as a discovery gathers them, and telling of them.
 *
 * A refresh fills a set of groups (begin, labels, targets) and tells it: sources that were told
 * before and are not in the set any more go out as groups without targets. groups_tell_some() is
 * for those who hear of single sources.
 *
 * Flow:    answers of an API -> struct groups -> discovery_host.update()
 * Threads: the discovery's loop; filling a set of its own: any.
 */
#ifndef DISCOVER_GROUPS_H
#define DISCOVER_GROUPS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "discover/discover.h"
#include "model/labels.h"

enum {
    GROUPS_TARGETS_MAX = 1 << 20, /* of one discovery */
};

struct groups {
    struct arena arena;
    struct {
        struct target_group *v;
        size_t n, capacity;
    } groups;
    struct {
        struct str *v; /* of the group that is being filled */
        size_t n, capacity;
    } targets;
    struct {
        struct label *v;
        size_t n, capacity;
    } names;            /* of a key that is put in order */
    struct buf labels;  /* of the group */
    struct buf target;  /* its labels so far */
    size_t total;       /* targets in all */
    bool open, started; /* a group is being filled; so is a target */
};

void groups_init(struct groups *g);
void groups_done(struct groups *g);

/* Forgets all groups. */
void groups_clear(struct groups *g);

/* Begins a group; source is copied. What follows belongs to it. */
void groups_begin(struct groups *g, struct str source);

/* A label of the group; of two with one name the later counts. */
void groups_label(struct groups *g, struct str name, struct str value);

/* Begins a target of the group at address; what follows by groups_target_label() is its. Targets
 * past GROUPS_TARGETS_MAX are left out. */
void groups_target(struct groups *g, struct str address);
void groups_target_label(struct groups *g, struct str name, struct str value);

/* "HOST:PORT", with brackets around a HOST of IPv6; in the groups' memory. */
struct str groups_address(struct groups *g, struct str host, int64_t port);

/* Ends what is open; then groups.v [n] are whole. */
void groups_finish(struct groups *g);

/* Appends "prefix" and name as a label's name to ret: bytes that are no letter, digit or _ become
 * _, as Prometheus makes label names of tags. */
void groups_clean_name(const char *prefix, struct str name, struct buf *ret);

/* Both at once: a label of the group or of the target whose name is cleaned. */
void groups_clean_label(struct groups *g, const char *prefix, struct str name, struct str value);
void groups_clean_target_label(struct groups *g, const char *prefix, struct str name,
                               struct str value);

/* ---- telling */
struct groups_told {
    struct map sources; /* that have targets at the host */
};

void groups_told_init(struct groups_told *t);
void groups_told_done(struct groups_told *t);

/* g is all that there is now. */
void groups_tell(struct groups_told *t, const struct discovery_host *host, struct groups *g);

/* g is what is new of its own sources; others stay. */
void groups_tell_some(struct groups_told *t, const struct discovery_host *host, struct groups *g);

/* source is gone. */
void groups_tell_gone(struct groups_told *t, const struct discovery_host *host, struct str source);

#endif
