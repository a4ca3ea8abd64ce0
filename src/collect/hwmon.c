/* Temperatures, fans, voltages, currents, power of the hardware monitors.
 *
 * The files of a chip are looked at once, when it appears: "temp1_input" is type temp, number 1,
 * property input, and becomes node_hwmon_temp_celsius{chip, sensor="temp1"}. */
#include "collect/collector.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/sysdir.h"

enum { SENSORS_MAX = 1024, PART_MAX = 64 }; /* files of one chip; bytes of a part of a name */

static const struct family VALUE = {
    "node_hwmon_*", METRIC_GAUGE, "Hardware monitor: *.", {"chip", "sensor"}};
static const struct family TOTAL = {
    "node_hwmon_*", METRIC_COUNTER, "Hardware monitor: *.", {"chip", "sensor"}};
static const struct family OF_CHIP = {
    "node_hwmon_*", METRIC_GAUGE, "Hardware monitor: *.", {"chip"}};
static const struct family CHIP = {"node_hwmon_chip_names",
                                   METRIC_GAUGE,
                                   "What the driver calls the chip; always 1.",
                                   {"chip", "chip_name"}};
static const struct family LABEL = {"node_hwmon_sensor_label",
                                    METRIC_GAUGE,
                                    "What the driver calls the sensor; always 1.",
                                    {"chip", "sensor", "label"}};

static const char *const TYPES[] = {
    "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan",       "pwm",
    "temp", "curr",        "power",           "energy", "humidity", "intrusion", "freq"};

/* What is said of a property: the first row that fits. "" stands for "any". */
static const struct {
    const char *type, *property, *suffix;
    double unit;
} RULES[] = {
    {"", "fault", "_fault", 1},
    {"", "alarm", "_alarm", 1},
    {"", "beep", "_beep_enabled", 1},
    {"in", "", "_volts", 1e-3},
    {"cpu", "", "_volts", 1e-3},
    {"temp", "type", "", 1},
    {"temp", "", "_celsius", 1e-3},
    {"curr", "", "_amps", 1e-3},
    {"energy", "", "_joule_total", 1e-6},
    {"power", "accuracy", "", 1e-6},
    {"power", "average_interval", "_seconds", 1e-3},
    {"power", "average_interval_min", "_seconds", 1e-3},
    {"power", "average_interval_max", "_seconds", 1e-3},
    {"power", "", "_watt", 1e-6},
    {"humidity", "", "", 1e-6},
    {"fan", "input", "_rpm", 1},
    {"fan", "min", "_rpm", 1},
    {"fan", "max", "_rpm", 1},
    {"freq", "input", "_freq_mhz", 1e-6},
    {"", "", "", 1},
};

struct sensor {
    struct pseudo file;
    const struct family *family;
    char metric[3 * PART_MAX]; /* what replaces the star */
    char name[2 * PART_MAX];   /* label sensor */
    double unit;
};

struct chip {
    char *dir, *name, *chip_name; /* owned: hwmon0; labels chip and chip_name ("" for none) */
    struct sensor **v;            /* [n] */
    size_t n, capacity;
    struct {
        char sensor[2 * PART_MAX];
        char label[PART_MAX];
    } * labels; /* [labels_n] */
    size_t labels_n;
};

struct state {
    struct sysdir dirs;
    struct chip **v; /* [n] */
    size_t n, capacity;
};

/* ---- names */

/* Lower case; what is no letter, digit, ':' or '_' becomes '_'; none at the ends. */
static void clean(struct str s, char *out, size_t size)
{
    size_t n = 0;
    s = str_trim(s);
    for (size_t i = 0; i < s.n && n < size - 1; i++) {
        char c = (char)tolower((unsigned char)s.p[i]);
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':';
        if (good || n > 0)
            out[n++] = good ? c : '_';
    }
    while (n > 0 && out[n - 1] == '_')
        n--;
    out[n] = 0;
}

/* The last part of *path, which loses it. */
static struct str last_part(struct str *path)
{
    size_t at = path->n;
    while (at > 0 && path->p[at - 1] != '/')
        at--;
    struct str part = str_sub(*path, at, path->n);
    *path = str_sub(*path, 0, at > 0 ? at - 1 : 0);
    return part;
}

/* The device's place in the tree is a name that stays; the driver's name comes second. */
static char *name_of(const char *dir, struct str driver)
{
    char path[PATH_MAX + 8], real[PATH_MAX], bus[PART_MAX], device[PART_MAX], name[2 * PART_MAX];
    snprintf(path, sizeof path, "%s/device", dir);
    if (realpath(path, real)) {
        struct str rest = str_c(real);
        clean(last_part(&rest), device, sizeof device);
        clean(last_part(&rest), bus, sizeof bus);
        if (device[0]) {
            snprintf(name, sizeof name, "%s%s%s", bus, bus[0] ? "_" : "", device);
            return mem_text(name, strlen(name));
        }
    }
    clean(driver, name, sizeof name);
    if (name[0] == 0 && realpath(dir, real)) {
        struct str rest = str_c(real);
        clean(last_part(&rest), name, sizeof name);
    }
    return mem_text(name, strlen(name));
}

/* ---- the files of a chip */

struct parts {
    char type[PART_MAX], number[PART_MAX], property[PART_MAX];
};

/* "in0_min" is in, 0, min; false for files that are no sensors. */
static bool split(const char *file, struct parts *ret)
{
    size_t type = strcspn(file, "0123456789");
    const char *at = file + type;
    size_t number = strspn(at, "0123456789");
    const char *property = at + number;
    if (type >= PART_MAX || number >= PART_MAX || strlen(property) >= PART_MAX ||
        (property[0] && property[0] != '_') || type == 0)
        return false;
    memcpy(ret->type, file, type);
    ret->type[type] = 0;
    memcpy(ret->number, at, number);
    ret->number[number] = 0;
    snprintf(ret->property, sizeof ret->property, "%s", property[0] ? property + 1 : "");
    for (size_t i = 0; i < COUNTOF(TYPES); i++)
        if (strcmp(TYPES[i], ret->type) == 0)
            return true;
    return false;
}

static bool exists(const char *dir, const char *file)
{
    char path[PATH_MAX], room[PART_MAX];
    struct str text;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return pseudo_peek(path, room, sizeof room, &text) == 0;
}

static void name_metric(struct sensor *s, const struct parts *p, const char *dir)
{
    size_t i = 0;
    while ((RULES[i].type[0] && strcmp(RULES[i].type, p->type) != 0) ||
           (RULES[i].property[0] && strcmp(RULES[i].property, p->property) != 0))
        i++;
    /* "fan1_input" is node_hwmon_fan_rpm, but where "fan1" is there too the name says which. */
    char middle[PART_MAX + 1] = "", property[PART_MAX];
    clean(str_c(p->property), property, sizeof property);
    bool input = strcmp(p->property, "input") == 0;
    bool plain_too = input && exists(dir, s->name);
    bool said = strcmp(p->property, "beep") == 0 || strcmp(p->property, "fault") == 0 ||
                strcmp(p->property, "alarm") == 0;
    if (property[0] && !said && (!input || plain_too) && strcmp(p->type, "freq") != 0)
        snprintf(middle, sizeof middle, "_%s", property);
    snprintf(s->metric, sizeof s->metric, "%s%s%s", p->type, middle, RULES[i].suffix);
    s->unit = RULES[i].unit;
    s->family = strcmp(p->type, "energy") == 0 ? &TOTAL : &VALUE;
    if (strcmp(p->type, "update_interval") == 0) {
        s->family = &OF_CHIP;
        s->unit = 1e-3;
        snprintf(s->metric, sizeof s->metric, "update_interval_seconds");
    } else if (strcmp(p->type, "vrm") == 0) {
        s->family = &OF_CHIP;
        snprintf(s->metric, sizeof s->metric, "voltage_regulator_version");
    } else if (strcmp(p->type, "beep_enable") == 0) {
        s->family = &OF_CHIP;
        snprintf(s->metric, sizeof s->metric, "beep_enabled");
    }
}

static void add_label(struct chip *c, const char *dir, const char *file, const char *sensor)
{
    char path[PATH_MAX], room[PART_MAX];
    struct str text;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (pseudo_peek(path, room, sizeof room, &text))
        return;
    c->labels = mem_resize(c->labels, (c->labels_n + 1) * sizeof *c->labels);
    snprintf(c->labels[c->labels_n].sensor, sizeof c->labels->sensor, "%s", sensor);
    snprintf(c->labels[c->labels_n].label, sizeof c->labels->label, STR_FMT, STR_ARG(text));
    c->labels_n++;
}

static void add_file(struct chip *c, const char *dir, const char *file)
{
    struct parts parts;
    if (c->n >= SENSORS_MAX || !split(file, &parts))
        return;
    struct sensor s = {0};
    snprintf(s.name, sizeof s.name, "%s%s", parts.type, parts.number);
    if (strcmp(parts.property, "label") == 0) {
        add_label(c, dir, file, s.name);
        return;
    }
    name_metric(&s, &parts, dir);
    char path[NAME_MAX + 2];
    snprintf(path, sizeof path, "/%s", file);
    pseudo_init(&s.file, dir, path);
    vec_push(c, mem_copy(&s, sizeof s));
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct sensor *const *)a)->file.path, (*(struct sensor *const *)b)->file.path);
}

static void add_files(struct chip *c, const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_type != DT_DIR && entry->d_type != DT_LNK)
            add_file(c, dir, entry->d_name);
    closedir(d);
}

/* ---- chips */

static void free_chip(struct chip *c)
{
    for (size_t i = 0; i < c->n; i++) {
        pseudo_done(&c->v[i]->file);
        mem_free(c->v[i]);
    }
    vec_free(c);
    mem_free(c->labels);
    mem_free(c->dir);
    mem_free(c->name);
    mem_free(c->chip_name);
    mem_free(c);
}

static struct chip *chip_new(const char *base, const char *name)
{
    char dir[PATH_MAX], path[PATH_MAX + 16], room[PART_MAX], cleaned[PART_MAX];
    struct str driver = STR("");
    struct chip *c = mem_new(sizeof *c);
    snprintf(dir, sizeof dir, "%s/%s", base, name);
    snprintf(path, sizeof path, "%s/name", dir);
    if (pseudo_peek(path, room, sizeof room, &driver)) {
        snprintf(path, sizeof path, "%s/device/name", dir);
        if (pseudo_peek(path, room, sizeof room, &driver))
            driver = STR("");
    }
    clean(driver, cleaned, sizeof cleaned);
    c->dir = mem_text(name, strlen(name));
    c->name = name_of(dir, driver);
    c->chip_name = mem_text(cleaned, strlen(cleaned));
    add_files(c, dir);
    snprintf(path, sizeof path, "%s/device", dir);
    add_files(c, path);
    if (c->n > 1)
        qsort(c->v, c->n, sizeof(struct sensor *), by_name);
    return c;
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    sysdir_init(&s->dirs, host->sys, "/class/hwmon", "hwmon", NULL, 0);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    for (size_t i = 0; i < s->n; i++)
        free_chip(s->v[i]);
    vec_free(s);
    sysdir_done(&s->dirs);
    mem_free(s);
}

/* Both lists are by name of the directory. */
static void update(struct state *s)
{
    size_t k = 0;
    for (size_t i = 0; i < s->dirs.n; i++, k++) {
        const char *name = s->dirs.v[i].name;
        while (k < s->n && strcmp(s->v[k]->dir, name) < 0) {
            free_chip(s->v[k]);
            memmove(&s->v[k], &s->v[k + 1], (--s->n - k) * sizeof(struct chip *));
        }
        if (k < s->n && strcmp(s->v[k]->dir, name) == 0)
            continue;
        struct chip *c = chip_new(s->dirs.path, name);
        vec_push(s, c);
        memmove(&s->v[k + 1], &s->v[k], (s->n - 1 - k) * sizeof(struct chip *));
        s->v[k] = c;
    }
    while (s->n > k)
        free_chip(s->v[--s->n]);
}

static void give_sensor(struct emit *e, const struct chip *c, struct sensor *s)
{
    char room[PSEUDO_SMALL];
    struct str text;
    double v;
    if (pseudo_read_small(&s->file, room, &text) || !pseudo_parse(text, &v))
        return;
    struct str chip = str_c(c->name), sensor = str_c(s->name);
    struct str metric = str_c(s->metric);
    if (s->family == &OF_CHIP)
        emit(e, s->family, v * s->unit, metric, chip);
    else
        emit(e, s->family, v * s->unit, metric, chip, sensor);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    int err = sysdir_scan(&s->dirs, why);
    if (err)
        return err;
    update(s);
    for (size_t i = 0; i < s->n; i++) {
        struct chip *c = s->v[i];
        struct str chip = str_c(c->name);
        if (c->chip_name[0])
            emit(e, &CHIP, 1, chip, str_c(c->chip_name));
        for (size_t k = 0; k < c->labels_n; k++)
            emit(e, &LABEL, 1, chip, str_c(c->labels[k].sensor), str_c(c->labels[k].label));
        for (size_t k = 0; k < c->n; k++)
            give_sensor(e, c, c->v[k]);
    }
    return 0;
}

const struct collector_ops hwmon_collector = {.open = open_state, .run = run, .close = close_state};
