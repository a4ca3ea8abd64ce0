/* client/error/host.h - what kind of machine this is: for the contexts of events.
 *
 * Read once, but for what changes.
 *
 * Threads: any but signal handlers.
 */
#ifndef CLIENT_ERROR_HOST_H
#define CLIENT_ERROR_HOST_H

#include <stdint.h>

struct host {
    char os[32], kernel[96], build[160], arch[32];
    char distribution[48], distribution_version[48], distribution_pretty[96];
    char processor[96];
    char libc[16], libc_version[32];
    uint64_t processors, memory_bytes, memory_free_bytes;
    int64_t boot_unix_ns;
};

void host_read(struct host *ret);
uint64_t host_resident_bytes(void); /* of this process; 0 where it is not known */

#endif
