// The two conversions of C++17 that are exact and fast: shortest digits and correct rounding.
#include <charconv>
#include <cstring>
#include <system_error>

extern "C" {
#include "text/number.h"
}

size_t number_digits(double v, char digits[24], int *ret_exponent)
{
    char text[40];
    auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific).ptr;
    const char *p = text;
    size_t n = 0;
    for (; p < end && *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    int exponent = 0;
    p += p + 1 < end && p[1] == '+' ? 2 : 1;
    std::from_chars(p, end, exponent);
    *ret_exponent = exponent + 1;
    return n;
}

bool number_decimal(const char *p, size_t n, double *ret)
{
    double v = 0;
    auto result = std::from_chars(p, p + n, v);
    if (result.ec != std::errc() || result.ptr != p + n)
        return false;
    *ret = v;
    return true;
}
