#include "client/crash/record.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static uint32_t checksum(const uint8_t *bytes, size_t n)
{
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                        0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        c ^= bytes[i];
        c = (c >> 4) ^ nibble[c & 15];
        c = (c >> 4) ^ nibble[c & 15];
    }
    c = ~c;
    return c ? c : 1; /* 0 says: none yet */
}

static uint32_t checksum_of(const struct crash_record *r)
{
    const uint8_t *bytes = (const uint8_t *)r;
    return checksum(bytes + CRASH_CHECKED_FROM, r->size - CRASH_CHECKED_FROM);
}

static bool refuse(char *problem, const char *sentence)
{
    snprintf(problem, RECORD_PROBLEM_MAX, "%s", sentence);
    return false;
}

/* Moves *at behind n elements; false: they do not lie within. */
static bool part(const uint8_t *bytes, size_t end, size_t *at, uint32_t n, uint32_t most,
                 size_t size, const void **ret)
{
    *ret = bytes + *at;
    if (n > most || n * size > end - *at) {
        return false;
    }
    *at += n * size;
    return true;
}

bool record_check(const void *bytes, size_t n, struct record_parts *ret,
                  char problem[RECORD_PROBLEM_MAX])
{
    const struct crash_record *r = bytes;
    const void *parts[5];
    if (n < sizeof *r || memcmp(r->magic, CRASH_MAGIC, sizeof r->magic) != 0) {
        return refuse(problem, "this is no crash record");
    }
    if (r->order != CRASH_ORDER || r->version != CRASH_VERSION) {
        return refuse(problem, "the crash record is of another version or kind of machine");
    }
    if (r->size < sizeof *r || r->size > n || r->size > CRASH_RECORD_MAX) {
        return refuse(problem, "the crash record is cut");
    }
    if (r->registers_n > CRASH_REGISTERS_MAX || r->frames_n > CRASH_FRAMES_MAX) {
        return refuse(problem, "the crash record has impossible counts");
    }
    size_t at = sizeof *r;
    if (!part(bytes, r->size, &at, r->threads_n, CRASH_THREADS_MAX, sizeof *ret->threads,
              &parts[0]) ||
        !part(bytes, r->size, &at, r->breadcrumbs_n, CRASH_BREADCRUMBS_MAX,
              sizeof *ret->breadcrumbs, &parts[1]) ||
        !part(bytes, r->size, &at, r->spans_n, CRASH_SPANS_MAX, sizeof *ret->spans, &parts[2]) ||
        !part(bytes, r->size, &at, r->operations_n, CRASH_OPERATIONS_MAX, sizeof *ret->operations,
              &parts[3]) ||
        !part(bytes, r->size, &at, r->modules_n, CRASH_MODULES_MAX, sizeof *ret->modules,
              &parts[4])) {
        return refuse(problem, "the crash record has impossible counts");
    }
    if (r->state >= CRASH_WRITTEN && r->checksum != checksum_of(r)) {
        return refuse(problem, "the crash record is damaged: its checksum does not hold");
    }
    *ret = (struct record_parts){parts[0], parts[1], parts[2], parts[3], parts[4]};
    return true;
}

void record_init(struct crash_record *r)
{
    memcpy(r->magic, CRASH_MAGIC, sizeof r->magic);
    r->version = CRASH_VERSION;
    r->order = CRASH_ORDER;
    r->size = sizeof *r;
    r->checksum = 0;
}

void *record_room(struct crash_record *r, size_t cap, size_t size)
{
    if (size > cap - r->size) {
        return NULL;
    }
    void *at = (uint8_t *)r + r->size;
    r->size += (uint32_t)size;
    return memset(at, 0, size);
}

void record_seal(struct crash_record *r)
{
    r->checksum = checksum_of(r);
    r->state = CRASH_WRITTEN;
}

const char *record_text(const char *field, size_t size, char *memory)
{
    size_t n = strnlen(field, size < RECORD_TEXT_MAX - 1 ? size : RECORD_TEXT_MAX - 1);
    memcpy(memory, field, n);
    memory[n] = 0;
    return memory;
}

static const struct {
    int number;
    const char *name, *text;
} signals[] = {
    {SIGSEGV, "SIGSEGV", "Segmentation fault"},
    {SIGABRT, "SIGABRT", "Aborted"},
    {SIGFPE, "SIGFPE", "Arithmetic error"},
    {SIGBUS, "SIGBUS", "Bus error"},
    {SIGILL, "SIGILL", "Illegal instruction"},
    {SIGSYS, "SIGSYS", "Bad system call"},
    {SIGTRAP, "SIGTRAP", "Trap"},
};

const char *record_signal_name(int number)
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number == number) {
            return signals[i].name;
        }
    }
    return "";
}

const char *record_signal_text(int number)
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number == number) {
            return signals[i].text;
        }
    }
    return "";
}

const char *record_code_name(int number, int code)
{
    static const struct {
        int number, code;
        const char *name;
    } codes[] = {
        {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
        {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
        {SIGSEGV, 128, "SI_KERNEL"},
        {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
        {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
        {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
        {SIGBUS, 4, "BUS_MCEERR_AR"},
        {SIGBUS, 5, "BUS_MCEERR_AO"},
        {SIGFPE, FPE_INTDIV, "FPE_INTDIV"},
        {SIGFPE, FPE_INTOVF, "FPE_INTOVF"},
        {SIGFPE, FPE_FLTDIV, "FPE_FLTDIV"},
        {SIGFPE, FPE_FLTOVF, "FPE_FLTOVF"},
        {SIGFPE, FPE_FLTUND, "FPE_FLTUND"},
        {SIGFPE, FPE_FLTRES, "FPE_FLTRES"},
        {SIGFPE, FPE_FLTINV, "FPE_FLTINV"},
        {SIGILL, ILL_ILLOPC, "ILL_ILLOPC"},
        {SIGILL, ILL_ILLOPN, "ILL_ILLOPN"},
        {SIGILL, ILL_PRVOPC, "ILL_PRVOPC"},
        {SIGSYS, 1, "SYS_SECCOMP"},
        {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT"},
        {SIGTRAP, TRAP_TRACE, "TRAP_TRACE"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].number == number && codes[i].code == code) {
            return codes[i].name;
        }
    }
    return code == SI_USER    ? "SI_USER"
           : code == SI_TKILL ? "SI_TKILL"
           : code == SI_QUEUE ? "SI_QUEUE"
                              : "";
}
