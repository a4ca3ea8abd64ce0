/* client/stack/stack.h - the module `stack`: warms the unwinder up, keeps the list of modules
 * fresh, forgets symbols that nobody asks for.
 */
#ifndef CLIENT_STACK_STACK_H
#define CLIENT_STACK_STACK_H

#include "client/core/module.h"

extern const struct module stack_module;

#endif
