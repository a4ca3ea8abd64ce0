#include "client/core/module.h"

#include <stddef.h>

_Atomic bool module_on;
_Atomic bool module_ending;
_Atomic bool module_asleep;
static void (*wake_call)(void);

void module_on_wake(void (*wake)(void))
{
    wake_call = wake;
}

void module_wake_slowly(void)
{
    if (atomic_exchange(&module_asleep, false) && wake_call) {
        wake_call();
    }
}
