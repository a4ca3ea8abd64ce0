/* Any bytes as a D-Bus message, read value by value. */
#include <stddef.h>
#include <stdint.h>

#include "collect/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dbus_reader r, all, one;
    struct str text;
    double number;
    if (n < 16)
        return 0;
    (void)dbus_size((const char *)data);
    if (dbus_parse(str_of((const char *)data, n), 1, &r, NULL))
        return 0;
    one = r;
    for (int i = 0; i < 1000 && dbus_skip(&one); i++)
        continue;
    if (dbus_array(&r, &all))
        while (dbus_more(&all)) {
            one = all;
            if (dbus_enter_struct(&one) && !dbus_text(&one, &text) && !dbus_number(&one, &number))
                (void)dbus_enter_variant(&one); /* only that it returns */
            if (!dbus_skip(&all))
                break;
        }
    return 0;
}
