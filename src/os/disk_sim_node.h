/* os/disk_sim_node.h - files and directories of the simulated disk, durable and not.
 *
 * Private to disk_sim*.c.
 *
 * Threads: under the lock of the disk.
 */
#ifndef OS_DISK_SIM_NODE_H
#define OS_DISK_SIM_NODE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"
#include "base/str.h"
#include "os/disk_sim.h"

struct node;

struct entry {
    char *name; /* owned */
    struct node *node;
};

struct entries {
    struct entry *v;
    size_t n, capacity;
};

/* One change of a directory that is not durable yet. A rename has both names. */
struct change {
    char *drop; /* owned; name that goes, or NULL */
    char *set;  /* owned; name that is put, or NULL */
    struct node *node;
};

/* A file or a directory, whatever its names are. */
struct node {
    struct node *next; /* all nodes */
    bool is_dir, marked;
    size_t links, handles;
    /* file: now is what reads show, safe is what a power cut cannot take */
    struct {
        uint8_t *v;
        size_t n, capacity;
    } now, safe;
    struct {
        uint8_t *v; /* [n] one a sector: 1 where now is not in safe yet */
        size_t n, capacity;
    } dirty;
    uint64_t reserved; /* bytes that allocate() set aside */
    bool size_dirty;
    size_t low; /* least size since the last sync, where size_dirty */
    /* directory */
    struct entries names, safe_names;
    struct {
        struct change *v;
        size_t n, capacity;
    } changes;
};

struct disk_file {
    struct node *node;
    uint64_t boot; /* the power-on in which it was opened */
    bool writable;
};

struct fault {
    uint64_t in; /* fails when this becomes 0; 0: none */
    enum err code;
    bool lasting, firing;
};

struct sim {
    struct disk disk;
    pthread_mutex_t lock;
    struct rand rand;
    struct node *nodes, *root;
    uint64_t capacity, boot, off_in;
    bool off;
    struct fault any, sync;
    struct entries locks;
    struct disk_sim_stats stats;
};

/* A file or directory without a name yet. */
struct node *disk_sim_node_new(struct sim *s, bool is_dir);
/* The entry of that name, or NULL. */
struct entry *disk_sim_node_find(const struct entries *e, struct str name);
void disk_sim_node_set(struct entries *e, const char *name, struct node *node);
void disk_sim_node_copy_names(struct entries *to, const struct entries *from);
void disk_sim_node_free_names(struct entries *e);
/* Changes a directory as seen now and remembers that it is not durable. */
void disk_sim_node_change(struct node *dir, struct str drop, struct str set, struct node *node);
/* Makes the first n changes of a directory durable and forgets all. */
void disk_sim_node_settle_dir(struct node *dir, size_t n);
/* The directory that holds path's last name, and that name; NULL where there is none. */
struct node *disk_sim_node_walk(struct sim *s, const char *path, struct str *ret_name);
/* What has that path, or NULL. */
struct node *disk_sim_node_look_up(struct sim *s, const char *path);
/* Frees what no name, change or handle leads to. */
void disk_sim_node_collect(struct sim *s);
void disk_sim_node_free(struct node *node);
/* Cuts or grows with zeros, not durable. */
void disk_sim_node_resize(struct node *node, size_t n);
/* Writes bytes that are not durable. */
void disk_sim_node_put(struct node *node, uint64_t offset, const void *p, size_t n);
/* Makes the present size durable, as n. */
void disk_sim_node_safe_size(struct node *node, size_t n);
/* Makes one sector durable. */
void disk_sim_node_settle_sector(struct node *node, size_t i);
/* Makes the whole file durable. */
void disk_sim_node_settle_file(struct node *node);
/* Nothing is left to be made durable. */
void disk_sim_node_forget_dirt(struct node *node);

#endif
