#include "helper/symbols/source_line.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODULE_FILE_BYTES_MAX = 1 << 30 };

struct opened {
    bool tried;
    Dwfl *dwfl; /* NULL: no file that fits */
    Dwfl_Module *module;
};

struct source_line {
    const struct module_list *modules;
    struct opened of[MODULE_LIST_MAX];
};

static char debug_path[] = ":.debug:/usr/lib/debug";
static char *debug_path_pointer = debug_path;
static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &debug_path_pointer,
};

struct source_line *source_line_new(const struct module_list *modules)
{
    struct source_line *l = calloc(1, sizeof *l);
    if (l) {
        l->modules = modules;
        /* Names of C++ functions are made readable by __cxa_demangle(). */
        (void)dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
    }
    return l;
}

void source_line_free(struct source_line *l)
{
    for (size_t i = 0; l && i < MODULE_LIST_MAX; i++) {
        if (l->of[i].dwfl) {
            dwfl_end(l->of[i].dwfl);
        }
    }
    free(l);
}

static bool fits(Dwfl_Module *module, const struct loaded_module *m)
{
    const unsigned char *id;
    GElf_Addr at;
    GElf_Addr bias;
    if (!dwfl_module_getelf(module, &bias)) { /* reads the build id too */
        return false;
    }
    int n = dwfl_module_build_id(module, &id, &at);
    return n <= 0 || m->build_id_n == 0 ||
           ((uint32_t)n == m->build_id_n && memcmp(id, m->build_id, m->build_id_n) == 0);
}

static bool is_readable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < MODULE_FILE_BYTES_MAX;
}

static bool try_file(struct opened *o, const struct loaded_module *m, const char *path)
{
    if (*path != '/' || !is_readable(path)) {
        return false;
    }
    o->dwfl = dwfl_begin(&callbacks);
    if (!o->dwfl) {
        return false;
    }
    dwfl_report_begin(o->dwfl);
    o->module = dwfl_report_elf(o->dwfl, "module", path, -1, m->start, false);
    dwfl_report_end(o->dwfl, NULL, NULL);
    if (!o->module || !fits(o->module, m)) {
        dwfl_end(o->dwfl);
        *o = (struct opened){.tried = true};
        return false;
    }
    return true;
}

static Dwfl_Module *module_of(struct source_line *l, uint64_t address)
{
    const struct loaded_module *m = module_list_find(l->modules, address);
    struct opened *o = m ? &l->of[m - l->modules->module] : NULL;
    if (!m || m - l->modules->module >= MODULE_LIST_MAX) {
        return NULL;
    }
    if (!o->tried) {
        char id[2 * MODULE_BUILD_ID_MAX + 1], path[128];
        o->tried = true;
        module_list_code_id(m, id);
        snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2 * !!*id);
        if (!try_file(o, m, m->path) && m->build_id_n > 1) {
            (void)try_file(o, m, path); /* the file itself was replaced since */
        }
    }
    return o->module;
}

static void put_name(char ret[SOURCE_LINE_NAME_MAX], const char *name)
{
    typedef char *demangle_f(const char *mangled, char *buffer, size_t *length, int *status);
    void *found = name[0] == '_' && name[1] == 'Z' ? dlsym(RTLD_DEFAULT, "__cxa_demangle") : NULL;
    demangle_f *demangle;
    memcpy(&demangle, &found, sizeof found);
    char *plain = found ? demangle(name, NULL, NULL, NULL) : NULL;
    snprintf(ret, SOURCE_LINE_NAME_MAX, "%s", plain ? plain : name);
    free(plain);
}

static void put_function(Dwarf_Die *die, char ret[SOURCE_LINE_NAME_MAX])
{
    Dwarf_Attribute attribute;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute)) {
        name = dwarf_formstring(&attribute);
    }
    name = name ? name : dwarf_diename(die);
    if (name) {
        put_name(ret, name);
    }
}

/* Where an inlined function was called. */
static void put_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct source_line_frame *f)
{
    Dwarf_Attribute attribute;
    Dwarf_Word n;
    Dwarf_Files *files;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &n) == 0) {
        f->line = (int)n;
    }
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_column, &attribute), &n) == 0) {
        f->column = (int)n;
    }
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &n) == 0 &&
        dwarf_getsrcfiles(unit, &files, NULL) == 0) {
        const char *name = dwarf_filesrc(files, n, NULL, NULL);
        snprintf(f->file, sizeof f->file, "%s", name ? name : "");
    }
}

static void put_line(Dwarf_Die *unit, Dwarf_Addr address, struct source_line_frame *f)
{
    Dwarf_Line *line = dwarf_getsrc_die(unit, address);
    const char *file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    if (file) {
        snprintf(f->file, sizeof f->file, "%s", file);
        (void)dwarf_lineno(line, &f->line);
        (void)dwarf_linecol(line, &f->column);
    }
}

/* The scopes around an address as they lie in the code, the innermost first. */
static int scopes_of(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **ret)
{
    Dwarf_Die *by_name = NULL;
    int n = dwarf_getscopes(unit, address, &by_name);
    if (n <= 0) {
        return 0;
    }
    Dwarf_Die innermost = by_name[0];
    free(by_name);
    return dwarf_getscopes_die(&innermost, ret);
}

size_t source_line_find(struct source_line *l, uint64_t address, bool is_return,
                        struct source_line_frame *ret, size_t cap)
{
    Dwarf_Addr bias, at = address - is_return;
    Dwfl_Module *module = module_of(l, at);
    Dwarf_Die *unit = module ? dwfl_module_addrdie(module, at, &bias) : NULL;
    Dwarf_Die *scopes = NULL;
    if (!unit || cap == 0) {
        return 0;
    }
    size_t n = 0;
    ret[0] = (struct source_line_frame){.line = 0};
    put_line(unit, at - bias, &ret[0]);
    int scopes_n = scopes_of(unit, at - bias, &scopes);
    for (int i = 0; i < scopes_n; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) {
            continue;
        }
        put_function(&scopes[i], ret[n++].function);
        if (tag == DW_TAG_subprogram || n == cap) {
            break;
        }
        ret[n] = (struct source_line_frame){.line = 0};
        put_call(unit, &scopes[i], &ret[n]);
    }
    free(scopes);
    return n; /* a line without a function is that of another one nearby */
}
