/* What the programs say, and what they are told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "soak.h"

void progress(uint64_t iterations)
{
    static struct timespec start;
    static long said = -1;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (said < 0)
        start = now;
    const long seconds = now.tv_sec - start.tv_sec - (now.tv_nsec < start.tv_nsec);
    if (seconds == said)
        return;
    said = seconds;
    printf("SOAK %ld %llu\n", seconds, (unsigned long long)iterations);
    fflush(stdout);
}

void failed(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    printf("SOAK-FAILED ");
    vprintf(format, values);
    printf("\n");
    fflush(stdout);
    va_end(values);
    exit(1);
}

struct options options(int argc, char **argv)
{
    struct options options = {.loops = 12000, .iterations = 0};
    uint64_t *const fields[] = {&options.loops, &options.iterations};
    int bad = argc > 3;
    for (int i = 1; i < argc && !bad; i++) {
        char *end;
        *fields[i - 1] = strtoull(argv[i], &end, 10);
        bad = argv[i][0] == '-' || end == argv[i] || *end != '\0';
    }
    if (bad || options.loops == 0 || options.loops > 1 << 30) {
        fprintf(stderr, "usage: %s [LOOPS of each function (12000) [ITERATIONS (0: without end)]]\n", argv[0]);
        exit(2);
    }
    return options;
}
