#include "client/error/envelope.h"

#include <string.h>

#include "client/core/identity.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/error/host.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"
#include "sonde/core.h"

enum { TEXT_MAX = 16384 };

void envelope_origin_here(struct envelope_origin *ret)
{
    *ret = (struct envelope_origin){
        .service = identity.service,
        .release = setting.release ? setting.release : "",
        .environment = setting.environment ? setting.environment : "",
        .host = identity.host,
        .started_unix_ns = identity.started_unix_ns,
        .memory_bytes = host_resident_bytes(),
    };
}

static void sdk(struct jot *j)
{
    jot_object(j, "sdk");
    jot_string(j, "name", "sonde.native");
    jot_string(j, "version", sonde_version());
    jot_end(j);
}

void envelope_begin(struct text *t, const uint8_t event_id[16])
{
    struct jot j;
    jot_init(&j, t);
    jot_object(&j, NULL);
    if (event_id) {
        jot_hex(&j, "event_id", event_id, 16);
    }
    sdk(&j);
    jot_end(&j);
    text_add_char(t, '\n');
}

void envelope_item(struct text *t, const char *type, const char *payload, size_t n)
{
    struct jot j;
    jot_init(&j, t);
    jot_object(&j, NULL);
    jot_string(&j, "type", type);
    jot_u64(&j, "length", n);
    jot_end(&j);
    text_add_char(t, '\n');
    text_add(t, payload, n);
    text_add_char(t, '\n');
}

void envelope_text(struct jot *j, const char *key, const char *value)
{
    if (!value || !*value) {
        return;
    }
    struct text t;
    text_init(&t, TEXT_MAX);
    size_t n = strnlen(value, TEXT_MAX / 2);
    redact_text(&t, value, n);
    if (t.cut) { /* no memory: rather nothing than what may be a secret */
        jot_string(j, key, "[filtered]");
    } else {
        jot_string_n(j, key, t.bytes, t.len);
    }
    text_done(&t);
}

const char *envelope_level(int level)
{
    static const char *const names[] = {
        [SONDE_LEVEL_TRACE] = "debug", [SONDE_LEVEL_DEBUG] = "debug",
        [SONDE_LEVEL_INFO] = "info",   [SONDE_LEVEL_WARNING] = "warning",
        [SONDE_LEVEL_ERROR] = "error", [SONDE_LEVEL_FATAL] = "fatal",
    };
    return level < 0                   ? names[0]
           : level > SONDE_LEVEL_FATAL ? names[SONDE_LEVEL_FATAL]
                                       : names[level];
}

void envelope_head(struct jot *j, const uint8_t event_id[16], int64_t unix_ns,
                   const struct envelope_origin *origin)
{
    jot_hex(j, "event_id", event_id, 16);
    jot_time(j, "timestamp", unix_ns);
    jot_string(j, "platform", "native");
    if (*origin->release) {
        jot_string(j, "release", origin->release);
    }
    if (*origin->environment) {
        jot_string(j, "environment", origin->environment);
    }
    if (*origin->host) {
        jot_string(j, "server_name", origin->host);
    }
    jot_object(j, "sdk");
    jot_string(j, "name", "sonde.native");
    jot_string(j, "version", sonde_version());
    jot_array(j, "packages");
    jot_object(j, NULL);
    jot_string(j, "name", "sonde:libsonde");
    jot_string(j, "version", sonde_version());
    jot_end(j);
    jot_end(j);
    jot_end(j);
}

static void app(struct jot *j, const struct envelope_origin *origin)
{
    jot_object(j, "app");
    jot_string(j, "app_name", origin->service);
    if (*origin->release) {
        jot_string(j, "app_version", origin->release);
    }
    if (origin->started_unix_ns) {
        jot_time(j, "app_start_time", origin->started_unix_ns);
    }
    if (origin->memory_bytes) {
        jot_u64(j, "app_memory", origin->memory_bytes);
    }
    jot_end(j);
}

void envelope_contexts(struct jot *j, const struct envelope_origin *origin)
{
    struct host host;
    host_read(&host);
    jot_object(j, "os");
    jot_string(j, "name", host.os);
    jot_string(j, "version", host.kernel);
    jot_string(j, "kernel_version", host.kernel);
    jot_string(j, "build", host.build);
    if (*host.distribution) {
        jot_string(j, "distribution_name", host.distribution);
        jot_string(j, "distribution_version", host.distribution_version);
        jot_string(j, "distribution_pretty_name", host.distribution_pretty);
    }
    jot_end(j);
    jot_object(j, "device");
    jot_string(j, "arch", host.arch);
    jot_u64(j, "memory_size", host.memory_bytes);
    jot_u64(j, "free_memory", host.memory_free_bytes);
    jot_u64(j, "processor_count", host.processors);
    if (*host.processor) {
        jot_string(j, "cpu_description", host.processor);
    }
    jot_time(j, "boot_time", host.boot_unix_ns);
    jot_end(j);
    jot_object(j, "runtime");
    jot_string(j, "type", "runtime");
    jot_string(j, "name", host.libc);
    jot_string(j, "version", host.libc_version);
    jot_end(j);
    app(j, origin);
}

void envelope_common(struct jot *j, const uint8_t event_id[16], int64_t unix_ns)
{
    struct envelope_origin origin;
    envelope_origin_here(&origin);
    envelope_head(j, event_id, unix_ns, &origin);
    jot_object(j, "contexts");
    envelope_contexts(j, &origin);
    jot_end(j);
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Is it code of the application, not of the system or of this library? */
static bool in_app(const char *path, const char *function)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return !begins(path, "/lib/") && !begins(path, "/lib64/") && !begins(path, "/usr/lib/") &&
           !begins(path, "/usr/lib64/") && !begins(path, "linux-vdso") &&
           !begins(name, "libsonde.so") && !begins(function, "sonde_") &&
           strcmp(function, "_start") != 0;
}

static void frame(struct jot *j, const struct envelope_frame *f, const struct module_list *modules)
{
    struct symbol s = {.module = NULL};
    bool known = symbol_of(f->address, f->is_return, &s);
    const struct loaded_module *m = module_list_find(modules, f->address - f->is_return);
    jot_object(j, NULL);
    jot_address(j, "instruction_addr", f->address);
    if (known && *s.name) {
        jot_string(j, "function", s.name);
        jot_address(j, "symbol_addr", s.address);
    }
    if (m) {
        envelope_text(j, "package", m->path);
        jot_address(j, "image_addr", m->start);
    }
    jot_bool(j, "in_app", m && in_app(m->path, known ? s.name : ""));
    jot_end(j);
}

void envelope_stack(struct jot *j, const struct envelope_frame *frames, size_t n,
                    const struct module_list *modules)
{
    jot_object(j, "stacktrace");
    if (n && frames[0].is_return) { /* Sentry takes the innermost for exact otherwise */
        jot_string(j, "instruction_addr_adjustment", "all");
    }
    jot_array(j, "frames");
    for (size_t i = n; i--;) {
        frame(j, &frames[i], modules);
    }
    jot_end(j);
    jot_end(j);
}

static void image(struct jot *j, const struct loaded_module *m)
{
    char id[40] = "";
    jot_object(j, NULL);
    jot_string(j, "type", "elf");
    envelope_text(j, "code_file", m->path);
    jot_address(j, "image_addr", m->start);
    jot_u64(j, "image_size", m->end - m->start);
    if (m->build_id_n) {
        jot_hex(j, "code_id", m->build_id, m->build_id_n);
        module_list_debug_id(m, id);
        jot_string(j, "debug_id", id);
    }
    jot_end(j);
}

void envelope_images(struct jot *j, const struct envelope_frame *frames, size_t n,
                     const struct module_list *modules)
{
    const struct loaded_module *seen[ENVELOPE_IMAGES_MAX];
    size_t seen_n = 0;
    jot_object(j, "debug_meta");
    jot_array(j, "images");
    for (size_t i = 0; i < n && seen_n < ENVELOPE_IMAGES_MAX; i++) {
        const struct loaded_module *m =
            module_list_find(modules, frames[i].address - frames[i].is_return);
        bool new = m != NULL;
        for (size_t k = 0; k < seen_n && new; k++) {
            new = seen[k] != m;
        }
        if (new) {
            seen[seen_n++] = m;
            image(j, m);
        }
    }
    jot_end(j);
    jot_end(j);
}
