/* Strings, numbers, and the memory functions that the compiler itself calls. */
#include "monitor.h"

void *memcpy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (t <= f)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

void *memset(void *to, int value, size_t n)
{
    uint8_t *t = to;
    while (n--)
        *t++ = (uint8_t)value;
    return to;
}

bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool starts_with(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

/* Decimal, or hexadecimal after 0x. Underscores may group digits. */
bool parse_number(const char *s, uint64_t *value)
{
    uint64_t base = 10, v = 0;
    bool any = false;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    for (; *s; s++) {
        uint64_t digit;
        if (*s == '_')
            continue;
        else if (*s >= '0' && *s <= '9')
            digit = (uint64_t)(*s - '0');
        else if ((*s | 32) >= 'a' && (*s | 32) <= 'f')
            digit = (uint64_t)((*s | 32) - 'a' + 10);
        else
            return false;
        if (digit >= base || v > (UINT64_MAX - digit) / base)
            return false;
        v = v * base + digit;
        any = true;
    }
    *value = v;
    return any;
}
