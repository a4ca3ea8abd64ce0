/* client/crash/terminate.h - why a C++ program calls std::terminate(): the exception's type and
 * what().
 *
 * By the symbols of libstdc++ where it is in the process (nothing is linked): std::set_terminate()
 * for a handler of ours, which asks the Itanium C++ ABI what was thrown and calls the handler that
 * was there before. The abort() that follows makes the record.
 *
 * Source:  Itanium C++ ABI, exception handling, 2.2.1; libstdc++'s type_info
 * Threads: terminate_hook(): one at a time, again and again: libstdc++ may be loaded later.
 */
#ifndef CLIENT_CRASH_TERMINATE_H
#define CLIENT_CRASH_TERMINATE_H

void terminate_hook(void);
void terminate_unhook(void);

#endif
