/* Text: lengths, comparisons and hashes of words, byte by byte, with no help of a C library's vector code. */
#include "bench.h"

static size_t length_of(const char *s)
{
    const char *end = s;
    while (*end)
        end++;
    return (size_t)(end - s);
}

/* The position of `needle` in `text`, or the text's length. */
static size_t find(const char *text, const char *needle)
{
    size_t i = 0;
    for (; text[i]; i++) {
        size_t j = 0;
        while (needle[j] && text[i + j] == needle[j])
            j++;
        if (!needle[j])
            return i;
    }
    return i;
}

uint64_t bench_str(void)
{
    static const char *const needles[] = {"abcdefg", "eeeeee", "zyxw", "the end"};
    const size_t length = 2u << 20;
    char *text = scratch();
    uint64_t seed = 5, sum = 0;
    for (size_t i = 0; i < length; i++) {
        uint64_t r = next_random(&seed) >> 32;
        text[i] = (r & 7) == 0 ? ' ' : (char)('a' + (r >> 8) % 26);
    }
    text[length] = 0;
    for (int round = 0; round < 11; round++) {
        sum = mix(sum, length_of(text));
        for (int n = 0; n < 4; n++)
            sum = mix(sum, find(text, needles[n]));
        /* FNV-1a of every word. */
        uint64_t hash = 0xcbf29ce484222325ull;
        for (const char *p = text; *p; p++) {
            if (*p == ' ') {
                sum += hash;
                hash = 0xcbf29ce484222325ull;
            } else {
                hash = (hash ^ (uint8_t)*p) * 0x100000001b3ull;
            }
        }
        text[(size_t)round * 1000] = '#';
    }
    return sum;
}
