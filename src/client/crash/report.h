/* client/crash/report.h - a crash record as a Sentry envelope: an event and how the session ended.
 *
 * Threads: one at a time; not for signal handlers.
 */
#ifndef CLIENT_CRASH_REPORT_H
#define CLIENT_CRASH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/crash/record.h"
#include "client/stack/module_list.h"

enum { REPORT_BYTES_MAX = 1 << 20 };

/* Who knows more than names of functions (helper/symbols) writes the frames of one address itself:
 * one object, or several where functions were inlined, the outermost first. */
struct report_symbols {
    void (*frames)(void *context, struct jot *j, const struct module_list *modules,
                   uint64_t address, bool is_return);
    void *context;
};

/* The envelope of a record that record_check() has taken; symbols NULL: names from ELF files.
 * False: no memory, or too big. */
bool report_write(const struct crash_record *r, const struct record_parts *parts,
                  const struct report_symbols *symbols, struct text *ret);
/* For a program that ended without a word (CRASH_RUNNING): how its session ended; false: it had
 * none. */
bool report_write_session(const struct crash_record *r, struct text *ret);
/* The same with an event that says so. */
bool report_write_abnormal(const struct crash_record *r, bool restarted, struct text *ret);

/* Members of a frame that are known by ELF files: into the open object. */
void report_frame(struct jot *j, const struct module_list *modules, uint64_t address,
                  bool is_return);
/* "image_addr", "package" of a module. */
void report_frame_module(struct jot *j, const struct loaded_module *m);
/* Is a function of that file the application's own, not the system's or this library's? */
bool report_in_app(const char *path, const char *function);

#endif
