#include "os/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/vec.h"

enum { MEMORY, PIDS, CPU, LINE_SIZE = 4096, CPU_PERIOD_US = 100000, DEPTH_MAX = 16 };

static const char *const controllers[CGROUP_LIMITS] = {"memory", "pids", "cpu"};

static bool put(const char *folder, const char *file, const char *text)
{
    char path[CGROUP_PATH_MAX * 2];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool fine = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int errnum = errno;
    close(fd);
    errno = errnum;
    return fine;
}

static size_t get(const char *folder, const char *file, char *ret, size_t n)
{
    char path[CGROUP_PATH_MAX * 2];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, ret, n - 1);
    if (fd >= 0)
        close(fd);
    ret[MAX(got, 0)] = '\0';
    return (size_t)MAX(got, 0);
}

static bool has_word(const char *words, const char *word)
{
    struct str rest = str_c(words), one;
    while (str_split(&rest, ',', &one))
        if (str_eq(one, str_c(word)))
            return true;
    return false;
}

/* Where a hierarchy is mounted: version 2 where controller is NULL. */
static bool find_mount(const char *controller, char *ret, size_t n)
{
    char line[LINE_SIZE], point[CGROUP_PATH_MAX], type[32], options[256];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f)) {
        const char *rest = strstr(line, " - ");
        if (!rest || sscanf(line, "%*s %*s %*s %*s %511s", point) != 1 ||
            sscanf(rest, " - %31s %*s %255s", type, options) != 2)
            continue;
        found = controller ? strcmp(type, "cgroup") == 0 && has_word(options, controller)
                           : strcmp(type, "cgroup2") == 0;
    }
    fclose(f);
    if (found)
        snprintf(ret, n, "%s", point);
    return found;
}

/* This process's group in a hierarchy. */
static bool find_own(const char *controller, char *ret, size_t n)
{
    char line[LINE_SIZE];
    bool found = false;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        found = controller ? has_word(names + 1, controller) : names[1] == '\0';
        if (found)
            snprintf(ret, n, "%s", strcmp(path, "/") == 0 ? "" : path);
    }
    fclose(f);
    return found;
}

/* The folder for our groups below this process's own, or "". Where we are inside it already (this
 * process was executed anew) it is the same one. */
static void make_folder(const char *controller, const char *name, char *ret, size_t n)
{
    char mount[CGROUP_PATH_MAX], own[CGROUP_PATH_MAX];
    *ret = '\0';
    if (!find_mount(controller, mount, sizeof mount) || !find_own(controller, own, sizeof own))
        return;
    if (snprintf(ret, n, "%s%s/%s", mount, own, name) >= (int)n ||
        (mkdir(ret, 0755) != 0 && errno != EEXIST) || access(ret, W_OK) != 0)
        *ret = '\0';
}

/* Controllers are given on from the folder's parent to the folder and from there to the groups. */
static void take_controllers(struct cgroup_root *r)
{
    char parent[CGROUP_PATH_MAX], order[32], there[256];
    snprintf(parent, sizeof parent, "%s", r->tree);
    *strrchr(parent, '/') = '\0';
    for (int i = 0; i < CGROUP_LIMITS; i++) {
        snprintf(order, sizeof order, "+%s", controllers[i]);
        put(parent, "cgroup.subtree_control", order); /* refused: what is there then tells */
        put(r->tree, "cgroup.subtree_control", order);
    }
    get(r->tree, "cgroup.subtree_control", there, sizeof there);
    for (int i = 0; i < CGROUP_LIMITS; i++) {
        struct str rest = str_c(there), one;
        while (str_split(&rest, ' ', &one))
            r->controls[i] = r->controls[i] || str_eq(str_trim(one), str_c(controllers[i]));
    }
}

void cgroup_root_open(const char *name, struct cgroup_root *ret, struct why *why)
{
    memset(ret, 0, sizeof *ret);
    make_folder(NULL, name, ret->tree, sizeof ret->tree);
    ret->second = ret->tree[0] != '\0';
    if (ret->second)
        take_controllers(ret);
    for (int i = 0; i < CGROUP_LIMITS; i++)
        if (!ret->controls[i])
            make_folder(controllers[i], name, ret->old[i], sizeof ret->old[i]);
    if (!ret->second)
        make_folder("freezer", name, ret->tree, sizeof ret->tree);
    if (!ret->tree[0])
        why_set(why, ERR_UNSUPPORTED,
                "no cgroup can be made here: programs are followed by their "
                "ancestry and what they inherited");
}

void cgroup_root_close(const struct cgroup_root *r)
{
    if (r->tree[0])
        rmdir(r->tree);
    for (int i = 0; i < CGROUP_LIMITS; i++)
        if (r->old[i][0])
            rmdir(r->old[i]);
}

static bool set_limit(const struct cgroup *g, const char *folder, int which, int64_t value)
{
    static const char *const files[2][CGROUP_LIMITS] = {
        {"memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us"},
        {"memory.max", "pids.max", "cpu.max"},
    };
    char text[64];
    bool second = folder == g->path;
    if (which == CPU && second)
        snprintf(text, sizeof text, "%lld %d", (long long)value * CPU_PERIOD_US / 100,
                 CPU_PERIOD_US);
    else
        snprintf(text, sizeof text, "%lld",
                 (long long)(which == CPU ? value * CPU_PERIOD_US / 100 : value));
    return put(folder, files[second][which], text);
}

int cgroup_make(const struct cgroup_root *r, const char *name, const struct cgroup_limits *limits,
                struct cgroup *ret, struct why *why)
{
    const int64_t values[] = {limits->memory_max, limits->pids_max, limits->cpu_percent};
    int err = 0;
    memset(ret, 0, sizeof *ret);
    ret->second = r->second;
    if (r->tree[0]) {
        snprintf(ret->path, sizeof ret->path, "%s/%s", r->tree, name);
        bool made = mkdir(ret->path, 0755) == 0;
        ret->stale = !made;
        if (!made && errno != EEXIST) {
            err =
                why_set(why, ERR_UNSUPPORTED, "%s cannot be made: %s", ret->path, strerror(errno));
            ret->path[0] = '\0';
        }
    }
    for (int i = 0; i < CGROUP_LIMITS; i++) {
        bool set = false;
        if (values[i] <= 0)
            continue;
        if (r->controls[i] && ret->path[0]) {
            set = set_limit(ret, ret->path, i, values[i]);
        } else if (r->old[i][0]) {
            snprintf(ret->old[i], sizeof ret->old[i], "%s/%s", r->old[i], name);
            bool made = mkdir(ret->old[i], 0755) == 0 || errno == EEXIST;
            set = made && set_limit(ret, ret->old[i], i, values[i]);
            if (!set)
                ret->old[i][0] = '\0';
        }
        if (!set)
            err = why_set(why, ERR_UNSUPPORTED,
                          "the kernel's limit of %s cannot be set here (no such controller, or it "
                          "is not delegated to this process)",
                          controllers[i]);
    }
    if (!err)
        cgroup_oom_kills(ret);
    return err;
}

/* Groups within are removed first: a program may have made some. */
static void remove_tree(const char *path, int depth)
{
    DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
    char within[CGROUP_PATH_MAX * 2];
    if (d) {
        for (struct dirent *e; (e = readdir(d)) != NULL;)
            if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
                snprintf(within, sizeof within, "%s/%s", path, e->d_name) < (int)sizeof within)
                remove_tree(within, depth + 1);
        closedir(d);
    }
    rmdir(path);
}

void cgroup_remove(const struct cgroup *g)
{
    if (g->path[0])
        remove_tree(g->path, 0);
    for (int i = 0; i < CGROUP_LIMITS; i++)
        if (g->old[i][0])
            remove_tree(g->old[i], 0);
}

void cgroup_enter(const struct cgroup *g, bool at_birth, int *ret_fd,
                  int ret_procs[CGROUP_LIMITS + 1], size_t *ret_n)
{
    char path[CGROUP_PATH_MAX * 2];
    *ret_fd = -1;
    *ret_n = 0;
    bool birth = at_birth && g->second && !g->stale;
    if (g->path[0] && birth)
        *ret_fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = -1; i < CGROUP_LIMITS; i++) {
        const char *folder = i < 0 ? (birth ? "" : g->path) : g->old[i];
        if (!*folder)
            continue;
        snprintf(path, sizeof path, "%s/cgroup.procs", folder);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
            ret_procs[(*ret_n)++] = fd;
    }
}

void cgroup_entered(int fd, const int *procs, size_t n)
{
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < n; i++)
        close(procs[i]);
}

static void collect(const char *path, int depth, struct process_list *ret)
{
    char file[CGROUP_PATH_MAX * 2];
    int pid;
    snprintf(file, sizeof file, "%s/cgroup.procs", path);
    FILE *f = fopen(file, "re");
    while (f && fscanf(f, "%d", &pid) == 1)
        if (pid > 0)
            vec_push(ret, pid);
    if (f)
        fclose(f);
    struct stat s;
    /* Two links are "." and the name: no group within. */
    if (depth >= DEPTH_MAX || stat(path, &s) != 0 || s.st_nlink == 2)
        return;
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
            snprintf(file, sizeof file, "%s/%s", path, e->d_name) < (int)sizeof file)
            collect(file, depth + 1, ret);
    closedir(d);
}

bool cgroup_processes(const struct cgroup *g, struct process_list *ret)
{
    size_t before = ret->n;
    if (g->path[0])
        collect(g->path, 0, ret);
    return ret->n > before;
}

void cgroup_kill(struct cgroup *g)
{
    g->stale = true;
    if (!g->path[0] || (g->second && put(g->path, "cgroup.kill", "1")))
        return;
    struct process_list all = {0};
    if (!g->second)
        put(g->path, "freezer.state", "FROZEN"); /* nobody forks away while it is read */
    cgroup_processes(g, &all);
    for (size_t i = 0; i < all.n; i++)
        kill(all.v[i], SIGKILL);
    if (!g->second)
        put(g->path, "freezer.state", "THAWED");
    vec_free(&all);
}

/* The number behind a key of a file of "key number" lines; -1 where it is not there. */
static int64_t keyed(const char *folder, const char *file, const char *key)
{
    char text[LINE_SIZE];
    struct str line, word, number;
    int64_t value;
    if (!get(folder, file, text, sizeof text))
        return -1;
    struct str rest = str_c(text);
    while (str_split(&rest, '\n', &line))
        if (str_word(&line, &word) && str_eq(word, str_c(key)) && str_word(&line, &number) &&
            str_i64(number, &value))
            return value;
    return -1;
}

int64_t cgroup_memory(const struct cgroup *g)
{
    if (g->old[MEMORY][0])
        return keyed(g->old[MEMORY], "memory.stat", "total_rss");
    int64_t anon = g->path[0] && g->second ? keyed(g->path, "memory.stat", "anon") : -1;
    int64_t shmem = anon < 0 ? -1 : keyed(g->path, "memory.stat", "shmem");
    return anon < 0 ? -1 : anon + MAX(shmem, 0);
}

int64_t cgroup_oom_kills(struct cgroup *g)
{
    int64_t now = -1;
    if (g->old[MEMORY][0])
        now = keyed(g->old[MEMORY], "memory.oom_control", "oom_kill");
    else if (g->path[0] && g->second)
        now = keyed(g->path, "memory.events", "oom_kill");
    int64_t more = now > g->killed ? now - g->killed : 0;
    if (now >= 0)
        g->killed = now;
    return more;
}
