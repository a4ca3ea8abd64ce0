/* client/stack/cfi.h - one step up a call stack by the frame-unwinding tables of a module.
 *
 * .eh_frame_hdr's sorted table leads to the frame description of a function; its instructions say
 * where the caller's registers lie. Every byte is read through client/stack/peek.h and every loop
 * has a bound, so that damaged tables and stacks end the walk and nothing else.
 *
 * Source:  DWARF 5, section 6.4; Linux Standard Base 5.0, exception frames; the psABI's register
 *          numbers of x86-64 and AArch64
 * Threads: any; safe in signal handlers.
 */
#ifndef CLIENT_STACK_CFI_H
#define CLIENT_STACK_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/stack/peek.h"

#if defined(__aarch64__)
enum { CFI_SP = 31, CFI_FP = 29, CFI_RETURN = 30, CFI_REGISTERS = 32 };
#else
enum { CFI_SP = 7, CFI_FP = 6, CFI_RETURN = 16, CFI_REGISTERS = 17 };
#endif

struct cfi_registers {
    uint64_t value[CFI_REGISTERS]; /* by DWARF's numbers */
    uint64_t pc;
    bool is_return; /* pc is a return address: what it belongs to lies before it */
};

/* From a function's registers to its caller's. header: address of .eh_frame_hdr. False: no table
 * for this address, or no caller (*ret_end). */
bool cfi_step(struct peek *p, uint64_t header, struct cfi_registers *r, bool *ret_end);

#endif
