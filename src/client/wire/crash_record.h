/* client/wire/crash_record.h - what a program that crashes leaves behind: one record in a file, and
 * the payload of FRAME_CRASH.
 *
 * A head of fixed size, then packed one behind the other: threads, breadcrumbs, spans, operations,
 * modules, as many of each as the head says. Numbers are of the machine that wrote them (head.order
 * tells); texts end with NUL unless they fill their field.
 *
 * The checksum is CRC-32 (IEEE) of bytes [CRASH_CHECKED_FROM, size): all but what may still change
 * after the record was written. It is 0 while the record is being written.
 *
 * Included by the library, the helper and the daemon: layout alone, no code.
 * Source:  docs/format/crash_record.md
 */
#ifndef CLIENT_WIRE_CRASH_RECORD_H
#define CLIENT_WIRE_CRASH_RECORD_H

#include <stdint.h>

#define CRASH_MAGIC "SONDECR1" /* 8 bytes, no NUL */

enum {
    CRASH_VERSION = 1,
    CRASH_ORDER = 0x01020304,
    CRASH_REGISTERS_MAX = 34,
    CRASH_FRAMES_MAX = 128,
    CRASH_THREADS_MAX = 64,
    CRASH_BREADCRUMBS_MAX = 100,
    CRASH_SPANS_MAX = 64,
    CRASH_OPERATIONS_MAX = 64,
    CRASH_MODULES_MAX = 512,
};

enum crash_state {
    CRASH_RUNNING = 1,   /* the program runs, or ended without a word */
    CRASH_WRITING = 2,   /* it crashed, and more is to come */
    CRASH_WRITTEN = 3,   /* whole, with a checksum */
    CRASH_DELIVERED = 4, /* somebody has acknowledged it */
};

enum crash_kind {
    CRASH_SIGNAL = 1,
    CRASH_ON_DEMAND = 2, /* the program goes on */
};

enum crash_flag {
    CRASH_FAULTED = 1, /* the handler itself met a fault: something is missing */
    CRASH_FORKED = 2,  /* in a child that had not used the library since fork() */
    CRASH_STACK = 4,   /* the address lies at the end of the thread's stack: an overflow */
};

struct crash_session { /* the open session; as struct session_state of client/error */
    uint8_t id[16];
    int64_t started_unix_ns;
    uint32_t errors, sequence;
    char user[64];
    uint8_t open, pad[7];
    char release[128], environment[128];
};

struct crash_record {
    char magic[8];
    uint32_t version;
    uint32_t size;               /* bytes in use, from the magic on */
    uint32_t checksum;           /* 0: none yet */
    uint32_t state;              /* enum crash_state */
    int64_t seen_unix_ns;        /* when the program last gave a sign of life, each few seconds */
    struct crash_session mirror; /* the open session, while the program runs */
    /* From here on checked. */
    uint32_t order;   /* CRASH_ORDER as this machine writes it */
    uint32_t kind;    /* enum crash_kind */
    uint32_t flags;   /* enum crash_flag */
    uint32_t machine; /* EM_X86_64, EM_AARCH64 of elf.h: which registers */
    uint8_t event_id[16];
    uint8_t boot_id[16];     /* of /proc/sys/kernel/random/boot_id */
    int64_t started_unix_ns; /* when the program did */
    int64_t unix_ns;         /* of the crash */
    int32_t pid, tid;
    int32_t signal, code, error;      /* siginfo: si_signo, si_code, si_errno */
    int32_t sender_pid, sender_uid;   /* of a signal that a process has sent */
    uint32_t limit_stack;             /* KiB of RLIMIT_STACK */
    uint64_t address;                 /* si_addr */
    uint8_t trace_id[16], span_id[8]; /* of the thread; zero: none */
    uint32_t trace_flags;
    uint32_t registers_n, frames_n, threads_n, breadcrumbs_n, spans_n, operations_n, modules_n;
    uint64_t registers[CRASH_REGISTERS_MAX]; /* [registers_n] by DWARF's numbers */
    uint64_t frames[CRASH_FRAMES_MAX];       /* [frames_n] the innermost first; all but the first
                                                are return addresses */
    struct crash_session session;            /* as it was at the crash */
    char service[128], instance[192], release[128], environment[64], host[128];
    char executable[256], command_line[512];
    char os[32], kernel[96], build[160], arch[32]; /* uname(2) */
    char distribution[96];                         /* "Debian GNU/Linux 12 (bookworm)" */
    char library[32];                              /* "0.1.0" */
    char thread_name[16];
    char type[128];     /* of the exception that ended it, or "" */
    char message[1024]; /* its what(), the text of abort(), assert(), the reason; masked */
};

struct crash_thread {
    int32_t tid;
    char state; /* of /proc: R, S, D.. */
    char pad[3];
    char name[16];
};

struct crash_breadcrumb {
    int64_t unix_ns;
    int32_t level; /* enum sonde_level */
    uint32_t pad;
    uint8_t trace_id[16];
    char category[32], message[180], data[256]; /* masked */
    char pad2[4];
};

struct crash_span {
    int64_t start_unix_ns;
    int32_t tid;
    uint32_t flags;
    uint8_t trace_id[16], span_id[8];
    char name[64];
};

struct crash_operation {
    int64_t start_unix_ns;
    int32_t tid;
    uint32_t pad;
    char service[64], operation[64];
};

struct crash_module {
    uint64_t start, end, bias;
    uint8_t build_id[20];
    uint32_t build_id_n;
    char path[256];
};

enum {
    CRASH_RECORD_MAX = sizeof(struct crash_record) +
                       CRASH_THREADS_MAX * sizeof(struct crash_thread) +
                       CRASH_BREADCRUMBS_MAX * sizeof(struct crash_breadcrumb) +
                       CRASH_SPANS_MAX * sizeof(struct crash_span) +
                       CRASH_OPERATIONS_MAX * sizeof(struct crash_operation) +
                       CRASH_MODULES_MAX * sizeof(struct crash_module),
};

enum { CRASH_CHECKED_FROM = 32 + sizeof(struct crash_session) };

_Static_assert(sizeof(struct crash_record) % 8 == 0 && sizeof(struct crash_session) == 360 &&
                   sizeof(struct crash_thread) == 24 && sizeof(struct crash_breadcrumb) == 504 &&
                   sizeof(struct crash_span) == 104 && sizeof(struct crash_operation) == 144 &&
                   sizeof(struct crash_module) == 304,
               "no padding on the wire");

#endif
