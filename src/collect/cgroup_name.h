/* collect/cgroup_name.h - what a cgroup is called by people.
 *
 * Containers of Docker, containerd, CRI-O, Podman, LXC and systemd-nspawn are known by the shape of
 * their path, units of systemd by their suffix. Docker's own name is read from its configuration
 * where that may be read; otherwise it is the first 12 digits of the container's id.
 *
 * Threads: pure but for that one file.
 */
#ifndef COLLECT_CGROUP_NAME_H
#define COLLECT_CGROUP_NAME_H

enum { CGROUP_NAME_MAX = 256 };

/* Writes the name of the cgroup with that path, "" where it has none. root is put before
 * /var/lib/docker. */
void cgroup_name(const char *id, const char *root, char ret[CGROUP_NAME_MAX]);

#endif
