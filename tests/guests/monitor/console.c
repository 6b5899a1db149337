/* The console: formatted output and the line editor. */
#include <stdarg.h>

#include "monitor.h"

static void put(char c)
{
    if (c == '\n')
        uart_write('\r');
    uart_write(c);
}

static void put_number(uint64_t value, unsigned base, bool negative, int width, char pad)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && pad == '0')
        put('-');
    for (int i = n + negative; i < width; i++)
        put(pad);
    if (negative && pad != '0')
        put('-');
    while (n)
        put(digits[--n]);
}

/* A small printf: %c %s %d %u %x, with l, a width, 0 for padding with zeros and - for strings to the left. */
void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            put(*p);
            continue;
        }
        bool left = false, is_long = false;
        char pad = ' ';
        int width = 0;
        p++;
        for (; *p == '-' || *p == '0'; p++) {
            left |= *p == '-';
            if (*p == '0')
                pad = '0';
        }
        for (; *p >= '0' && *p <= '9'; p++)
            width = width * 10 + *p - '0';
        for (; *p == 'l'; p++)
            is_long = true;
        switch (*p) {
        case 'c': put((char)va_arg(list, int)); break;
        case 's': {
            const char *s = va_arg(list, const char *);
            int length = 0;
            while (s[length])
                length++;
            for (int i = length; i < width && !left; i++)
                put(' ');
            for (int i = 0; i < length; i++)
                put(s[i]);
            for (int i = length; i < width && left; i++)
                put(' ');
            break;
        }
        case 'd': {
            int64_t v = is_long ? va_arg(list, int64_t) : va_arg(list, int);
            put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0, width, pad);
            break;
        }
        case 'u': put_number(is_long ? va_arg(list, uint64_t) : va_arg(list, unsigned), 10, false, width, pad); break;
        case 'x': put_number(is_long ? va_arg(list, uint64_t) : va_arg(list, unsigned), 16, false, width, pad); break;
        case '\0': p--; break;
        default: put(*p);
        }
    }
    va_end(list);
}

/* Swallows the rest of an escape sequence (arrow keys and the like), which this editor does not know. */
static void skip_escape(void)
{
    char c = uart_read();
    if (c == '[' || c == 'O')
        do
            c = uart_read();
        while (c < '@' || c > '~');
}

bool read_line(char *line, size_t size)
{
    size_t length = 0;
    for (;;) {
        char c = uart_read();
        switch (c) {
        case '\r':
        case '\n':
            line[length] = 0;
            print("\n");
            return true;
        case 3: /* control-C */
            print("^C\n");
            return false;
        case 8: /* backspace, which most terminals send as 127 */
        case 127:
            if (length) {
                length--;
                print("\b \b");
            }
            break;
        case 21: /* control-U */
            for (; length; length--)
                print("\b \b");
            break;
        case 27: skip_escape(); break;
        default:
            if (c >= ' ' && length + 1 < size) {
                line[length++] = c;
                uart_write(c);
            }
        }
    }
}
