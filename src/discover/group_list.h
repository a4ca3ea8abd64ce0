/* discover/group_list.h - lists of {targets, labels}, as static_configs, files and HTTP endpoints
 * give them, in YAML or JSON.
 *
 * Flow:    yaml or json -> struct group_list_item -> struct groups
 * Source:  Prometheus, targetgroup.Group: fields and the wording of what is wrong.
 * Threads: pure functions.
 */
#ifndef DISCOVER_GROUP_LIST_H
#define DISCOVER_GROUP_LIST_H

#include "discover/groups.h"
#include "text/yaml_struct.h"

struct group_list_item {
    struct yaml_struct_texts targets;
    struct yaml_struct_pairs labels;
};

/* One entry; -ERR_FORMAT with *ret_place. Memory from the tree and a. */
MUST_USE int group_list_read(const struct yaml_node *node, struct arena *a,
                             struct group_list_item *ret, struct yaml_place *ret_place,
                             struct why *why);

/* Appends it to g as the group source, with the label meta (unless "") on top. */
void group_list_put(struct groups *g, struct str source, const struct group_list_item *item,
                    struct str meta, struct str value);

/* All of a text, whose groups get the sources "NAME:0", "NAME:1" .. and the label meta = name.
 * -ERR_FORMAT, -ERR_LIMIT; g may hold a part then. */
MUST_USE int group_list_yaml(struct str text, struct groups *g, struct str meta, struct str name,
                             struct why *why);
MUST_USE int group_list_json(struct str text, struct groups *g, struct str meta, struct str name,
                             struct why *why);

#endif
