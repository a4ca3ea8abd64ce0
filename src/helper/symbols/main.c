/* sonde-helper-symbols: a crash record or a Sentry envelope on standard input becomes an envelope
 * with functions, files, lines and inlined frames on standard output.
 *
 * usage: sonde-helper-symbols < RECORD > ENVELOPE
 *        sonde-helper-symbols --send RECORD FOLDER
 *
 * The second form is started by libsonde's signal handler where no daemon is (setting
 * crash.helper): it sends the record to the DSN of $SONDE_DSN and says so in the record; FOLDER is
 * the spool, where the envelope waits if the DSN cannot be reached.
 *
 * Time, memory and input are bounded. Status: 0 done; 1 bad input, with a sentence on standard
 * error; 2 usage; 3 no memory, or it could not be written or sent. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sonde/core.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/core/outgoing.h"
#include "client/core/worker.h"
#include "client/crash/record.h"
#include "client/crash/report.h"
#include "helper/symbols/event.h"
#include "helper/symbols/source_line.h"

enum {
    INPUT_MAX = 8 << 20,
    OUTPUT_MAX = 16 << 20,
    SECONDS_MAX = 30,
    SEND_MS = 10000,
    PROBLEM_MAX = 256,
};
_Static_assert((int)PROBLEM_MAX >= (int)EVENT_PROBLEM_MAX &&
                   (int)PROBLEM_MAX >= (int)RECORD_PROBLEM_MAX,
               "room for both");

enum { STATUS_BAD = 1, STATUS_USAGE = 2, STATUS_FAILED = 3 };
static const rlim_t memory_max = 3ull << 30; /* of addresses: files are mapped */

static int fail(int status, const char *what, const char *why)
{
    fprintf(stderr, "sonde-helper-symbols: %s%s%s\n", what, *why ? ": " : "", why);
    return status;
}

static void limit(void)
{
    struct rlimit memory = {memory_max, memory_max}, time = {SECONDS_MAX, SECONDS_MAX};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CPU, &time);
    setrlimit(RLIMIT_CORE, &none);
    alarm(SECONDS_MAX);
    unsetenv("DEBUGINFOD_URLS"); /* libdw would ask servers */
}

static bool read_input(int fd, struct text *ret)
{
    for (;;) {
        char *to = text_room(ret, 65536);
        ssize_t n = to ? read(fd, to, 65536) : -1;
        if (n <= 0) {
            return n == 0;
        }
        ret->len += (size_t)n;
    }
}

static bool write_output(const struct text *t)
{
    for (size_t at = 0; at < t->len;) {
        ssize_t n = write(STDOUT_FILENO, t->bytes + at, t->len - at);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* ---- a crash record */

static void put_lines(struct jot *j, const struct source_line_frame *f)
{
    if (*f->function) {
        jot_string(j, "function", f->function);
    }
    if (*f->file) {
        const char *name = strrchr(f->file, '/');
        jot_string(j, "abs_path", f->file);
        jot_string(j, "filename", name ? name + 1 : f->file);
    }
    if (f->line > 0) {
        jot_i64(j, "lineno", f->line);
    }
    if (f->column > 0) {
        jot_i64(j, "colno", f->column);
    }
}

static void frames(void *context, struct jot *j, const struct module_list *modules,
                   uint64_t address, bool is_return)
{
    struct source_line **lines = context;
    struct source_line_frame found[SOURCE_LINE_INLINED_MAX];
    const struct loaded_module *m = module_list_find(modules, address - is_return);
    *lines = *lines ? *lines : source_line_new(modules);
    size_t n =
        *lines ? source_line_find(*lines, address, is_return, found, SOURCE_LINE_INLINED_MAX) : 0;
    if (n == 0 || !m) {
        jot_object(j, NULL);
        report_frame(j, modules, address, is_return);
        jot_end(j);
        return;
    }
    while (n--) {
        jot_object(j, NULL);
        jot_address(j, "instruction_addr", address);
        put_lines(j, &found[n]);
        report_frame_module(j, m);
        jot_bool(j, "in_app", report_in_app(m->path, found[n].function));
        jot_end(j);
    }
}

static bool write_record(const struct crash_record *r, const struct record_parts *parts,
                         struct text *ret)
{
    struct source_line *lines =
        NULL; /* made with the report's modules, which live as long as it writes */
    const struct report_symbols symbols = {frames, &lines};
    bool good = report_write(r, parts, &symbols, ret);
    source_line_free(lines);
    return good;
}

static bool is_record(const struct text *t)
{
    return t->len >= 8 && memcmp(t->bytes, CRASH_MAGIC, 8) == 0;
}

static int filter(void)
{
    struct text in, out;
    char problem[PROBLEM_MAX];
    struct record_parts parts;
    text_init(&in, INPUT_MAX);
    text_init(&out, OUTPUT_MAX);
    if (!read_input(STDIN_FILENO, &in)) {
        return fail(STATUS_BAD, "the input cannot be read, or has more than 8 MiB", "");
    }
    if (is_record(&in)) {
        if (!record_check(in.bytes, in.len, &parts, problem)) {
            return fail(STATUS_BAD, problem, "");
        }
        if (!write_record((const struct crash_record *)(const void *)in.bytes, &parts, &out)) {
            return fail(STATUS_FAILED, "there is no memory for the envelope", "");
        }
    } else if (!event_symbolise(in.bytes ? in.bytes : "", in.len, &out, problem)) {
        return fail(STATUS_BAD, problem, "");
    }
    if (out.cut || !write_output(&out)) {
        return fail(STATUS_FAILED, "the envelope cannot be written", "");
    }
    text_done(&in);
    text_done(&out);
    return 0;
}

/* ---- sending */

struct handing {
    struct worker_job job; /* first */
    const struct text *envelope;
};

static void hand_over(struct worker_job *job)
{
    const struct handing *h = (const struct handing *)(const void *)job;
    const struct outgoing what = {FRAME_ENVELOPE, 1, "error"};
    outgoing_put(&what, h->envelope);
}

/* By the library's own ways: its spool, its limits, libcurl loaded at run time. */
static int send_envelope(const struct crash_record *r, const char *folder, const struct text *t)
{
    static char memory[3][RECORD_TEXT_MAX], place[1300], above[1200];
    snprintf(above, sizeof above, "%s", folder); /* the library adds the service itself */
    snprintf(place, sizeof place, "spool.dir=%s", dirname(above));
    const char *const settings[] = {
        "socket=none", "crash.enabled=false", "session.auto=false", "metric.process=false", place,
        NULL};
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = RECORD_TEXT(r->service, memory[0]);
    options.release = RECORD_TEXT(r->release, memory[1]);
    options.environment = RECORD_TEXT(r->environment, memory[2]);
    options.settings = settings;
    static struct handing h;
    h.job.call = hand_over;
    h.envelope = t;
    if (sonde_init(&options) != 0) {
        return fail(STATUS_FAILED, "the library does not start", sonde_last_problem());
    }
    int err = worker_call(&h.job, SEND_MS);
    if (err) {
        return fail(STATUS_FAILED, "the envelope was not handed over", sonde_error_text(err));
    }
    return 0;
}

static int send_record(const char *path, const char *folder)
{
    struct text in, out;
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    text_init(&in, INPUT_MAX);
    text_init(&out, OUTPUT_MAX);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || !read_input(fd, &in)) {
        return fail(STATUS_BAD, path, strerror(errno));
    }
    if (!record_check(in.bytes, in.len, &parts, problem)) {
        return fail(STATUS_BAD, path, problem);
    }
    const struct crash_record *r = (const struct crash_record *)(const void *)in.bytes;
    if (r->state != CRASH_WRITTEN) {
        return fail(STATUS_BAD, path, "it is not written to its end, or delivered already");
    }
    if (!write_record(r, &parts, &out)) {
        return fail(STATUS_FAILED, "there is no memory for the envelope", "");
    }
    int status = send_envelope(r, folder, &out);
    uint32_t delivered = CRASH_DELIVERED; /* the spool answers for it now */
    if (status == 0 && pwrite(fd, &delivered, sizeof delivered,
                              offsetof(struct crash_record, state)) != sizeof delivered) {
        status = fail(STATUS_FAILED, path, strerror(errno));
    }
    if (status == 0) {
        (void)sonde_flush(SEND_MS);
    }
    (void)sonde_shutdown(SEND_MS);
    close(fd);
    return status;
}

int main(int argc, char **argv)
{
    limit();
    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "--send") == 0) {
        return send_record(argv[2], argv[3]);
    }
    if (argc == 1) {
        return filter();
    }
    fprintf(stderr, "usage: sonde-helper-symbols < RECORD | ENVELOPE\n"
                    "       sonde-helper-symbols --send RECORD FOLDER\n");
    return STATUS_USAGE;
}
