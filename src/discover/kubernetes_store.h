/* discover/kubernetes_store.h - the objects of one kind in one namespace (or all), as the API
 * server has them: listed once, then kept up to date by a watch.
 *
 * A list is read in pages; the watch that follows tells of each change from the list's version on.
 * A watch that ends is begun again where it ended; where the server has forgotten that version
 * (410), or anything fails, all is listed anew after a pause that grows, and what is there stays
 * meanwhile.
 *
 * Flow:    GET list -> objects; GET list?watch=true -> events, a line each -> changed()
 * Source:  Kubernetes API concepts: efficient detection of changes, bookmarks.
 * Threads: the loop's.
 */
#ifndef DISCOVER_KUBERNETES_STORE_H
#define DISCOVER_KUBERNETES_STORE_H

#include "base/map.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "text/json_tree.h"

enum { KUBERNETES_STORE_OBJECTS_MAX = 1 << 20, KUBERNETES_STORE_LINE_MAX = 32 << 20 };

struct kubernetes_store;

struct kubernetes_store_plan {
    struct loop *loop;
    struct fetch_client *client;
    struct str url;          /* of the list, without a query */
    struct str label, field; /* selectors; "": all */
    /* The object of that key ("NAMESPACE/NAME", or "NAME") is new, other or gone. */
    void (*changed)(void *context, struct kubernetes_store *s, struct str key);
    /* How it goes: synced, or why it fails ("" where all is well). */
    void (*state)(void *context, struct kubernetes_store *s, const char *why);
    void *context;
};

/* plan's texts and context outlive the store. */
struct kubernetes_store *kubernetes_store_new(const struct kubernetes_store_plan *plan);
void kubernetes_store_free(struct kubernetes_store *s); /* NULL is fine */

/* Has it been listed as a whole? */
bool kubernetes_store_synced(const struct kubernetes_store *s);

/* Did its last request fail? */
bool kubernetes_store_failed(const struct kubernetes_store *s);

/* The object of a key, NULL where there is none; valid until control is back at the loop. */
const struct json_tree *kubernetes_store_get(const struct kubernetes_store *s, struct str key);

/* The next object at or after *at; NULL at the end. Start with 0. */
const struct json_tree *kubernetes_store_next(const struct kubernetes_store *s, size_t *at,
                                              struct str *ret_key);

/* One line of a watch, for the fuzz target. */
void kubernetes_store_line(struct kubernetes_store *s, struct str line);

#endif
