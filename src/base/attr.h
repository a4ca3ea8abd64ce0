/* base/attr.h - compiler attributes under short names.
 *
 * Threads: macros only.
 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#define MUST_USE     __attribute__((warn_unused_result))
#define UNUSED       __attribute__((unused))
#define NORETURN     __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define HOT          __attribute__((hot))
#define RACY         __attribute__((no_sanitize("thread"))) /* reads that only guess */
#define COLD         __attribute__((cold))
#define ALIGNED(n)   __attribute__((aligned(n)))
#define PACKED       __attribute__((packed))
#define CLEANUP(f)   __attribute__((cleanup(f)))
#define TARGET(isa)  __attribute__((target(isa)))
#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define COUNTOF(a)   (sizeof(a) / sizeof((a)[0]))
#undef MIN /* <sys/param.h> has them too */
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
