#include "collect/cgroup_name.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "collect/pseudo.h"

enum { ID_HEX = 64, ID_SHORT = 12, CONFIG_MAX = 256 * 1024 };

/* The name in Docker's configuration of a container: "Name":"/web". */
static bool docker_name(const char *root, struct str id, char ret[CGROUP_NAME_MAX])
{
    static _Thread_local char room[CONFIG_MAX];
    char path[PATH_MAX];
    struct str text;
    snprintf(path, sizeof path, "%s/var/lib/docker/containers/" STR_FMT "/config.v2.json", root,
             STR_ARG(id));
    if (pseudo_peek(path, room, sizeof room, &text))
        return false;
    struct str key = STR("\"Name\":\"/");
    size_t at = str_search(text, key);
    struct str name = str_sub(text, at + key.n, text.n);
    size_t end = str_find(name, '"');
    if (at == text.n || end == name.n)
        return false;
    snprintf(ret, CGROUP_NAME_MAX, STR_FMT, STR_ARG(str_sub(name, 0, end)));
    return true;
}

static bool is_container_id(struct str s)
{
    if (s.n != ID_HEX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!memchr("0123456789abcdef", s.p[i], 16))
            return false;
    return true;
}

void cgroup_name(const char *id, const char *root, char ret[CGROUP_NAME_MAX])
{
    static const struct str PREFIXES[] = {
        STR("docker-"),      STR("cri-containerd-"), STR("crio-"),   STR("libpod-"),
        STR("lxc.payload."), STR("systemd-nspawn@"), STR("machine-")};
    static const struct str SUFFIXES[] = {STR(".scope"), STR(".service")};
    struct str path = str_c(id);
    size_t slash = path.n;
    while (slash > 0 && path.p[slash - 1] != '/')
        slash--;
    struct str unit = str_sub(path, slash, path.n), name = unit, parent = str_sub(path, 0, slash);
    for (size_t i = 0; i < COUNTOF(SUFFIXES); i++)
        if (str_ends(name, SUFFIXES[i]))
            name = str_sub(name, 0, name.n - SUFFIXES[i].n);
    bool container = str_ends(parent, STR("/docker/")) || str_ends(parent, STR("/lxc/"));
    for (size_t i = 0; i < COUNTOF(PREFIXES); i++) {
        if (!str_starts(name, PREFIXES[i]))
            continue;
        name = str_sub(name, PREFIXES[i].n, name.n);
        container = true;
        break;
    }
    ret[0] = 0;
    if (is_container_id(name)) {
        if (!docker_name(root, name, ret))
            snprintf(ret, CGROUP_NAME_MAX, STR_FMT, STR_ARG(str_sub(name, 0, ID_SHORT)));
    } else if (container) {
        snprintf(ret, CGROUP_NAME_MAX, STR_FMT, STR_ARG(name));
    } else if (str_ends(unit, STR(".service")) || str_ends(unit, STR(".scope")) ||
               str_ends(unit, STR(".slice"))) {
        snprintf(ret, CGROUP_NAME_MAX, STR_FMT, STR_ARG(unit));
    }
}
