/* exec: writes programs that never were before, runs each once and deletes it, for ever; in between it runs known ones.
 *
 * A program is an ELF file written by hand: a few functions made at random, called one after the other, the result of each
 * being the argument of the next. It writes the last result to its standard output and ends with a status made from it. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

enum {
    /* Least and most functions of a program. */
    LEAST = 2,
    MOST = 24,
    /* Where the program is loaded. */
    ADDRESS = 0x10000,
    HEADERS = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
    /* Bytes of what calls the functions; from here each function has its own MOST_BYTES. */
    FUNCTIONS = 1024,
    /* One program in so many is a known one. */
    KNOWN_OF = 8,
    /* One function in so many is slow to work out, has data, calls another. */
    SLOW_OF = 16,
    DATA_OF = 4,
    CALLS_OF = 2,
};

/* A file system in memory in each guest of ours. */
static const char file[] = "/tmp/soak-program";

/* An image of the program being made, at the same offsets as it has in the file. */
static uint8_t image[FUNCTIONS + MOST * MOST_BYTES] __attribute__((aligned(16)));

/* Code: calls the functions in turn with `loops`, then write(1, sp, 8) and exit(result & 127). */
static void emit_start(uint32_t count, uint64_t x, uint64_t loops)
{
    uint32_t *at = (uint32_t *)(image + HEADERS);
    at = load_constant(at, A0, (int32_t)x);
    for (uint32_t i = 0; i < count; i++) {
        at = load_constant(at, A1, (int32_t)loops);
        at = call(at, (uint32_t *)(image + FUNCTIONS + i * MOST_BYTES));
    }
    *at++ = addi(SP, SP, -16);
    *at++ = store_double(A0, SP, 0);
    *at++ = addi(S0, A0, 0);
    *at++ = addi(A0, ZERO, 1);
    *at++ = addi(A1, SP, 0);
    *at++ = addi(A2, ZERO, 8);
    *at++ = addi(A7, ZERO, 64); /* write */
    *at++ = ecall();
    *at++ = andi(A0, S0, 127);
    *at++ = addi(A7, ZERO, 93); /* exit */
    *at++ = ecall();
    if ((uint8_t *)at > image + FUNCTIONS)
        failed("the code of a program has outgrown its %d bytes", FUNCTIONS);
}

static void emit_headers(size_t bytes)
{
    const Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_RISCV,
        .e_version = EV_CURRENT,
        .e_entry = ADDRESS + HEADERS,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    const Elf64_Phdr segment = {
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_vaddr = ADDRESS,
        .p_paddr = ADDRESS,
        .p_filesz = bytes,
        .p_memsz = bytes,
        .p_align = 4096,
    };
    memcpy(image, &header, sizeof header);
    memcpy(image + sizeof header, &segment, sizeof segment);
}

static void write_file(size_t bytes)
{
    const int to = open(file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
    if (to < 0 || write(to, image, bytes) != (ssize_t)bytes || close(to) != 0)
        failed("cannot write %s: %s", file, strerror(errno));
}

/* Runs a program; returns its status as waitpid has it, and of what it wrote as much as there is room for. */
static int run(char *const words[], void *output, size_t room, size_t *length)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        failed("cannot make a pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0)
        failed("cannot fork: %s", strerror(errno));
    if (child == 0) {
        dup2(ends[1], 1);
        execv(words[0], words);
        _exit(126);
    }
    close(ends[1]);
    *length = 0;
    uint8_t rest[256];
    for (;;) {
        const int full = *length == room;
        const ssize_t got = read(ends[0], full ? rest : (uint8_t *)output + *length, full ? sizeof rest : room - *length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (!full)
            *length += (size_t)got;
    }
    close(ends[0]);
    int status;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            failed("cannot wait for a program: %s", strerror(errno));
    return status;
}

static void run_new(uint64_t loops)
{
    static struct recipe recipes[MOST];
    const uint32_t count = LEAST + below(MOST - LEAST + 1);
    const uint64_t x = below(1 << 30);
    uint64_t right = x;
    for (uint32_t i = 0; i < count; i++) {
        const struct recipe *callee = i > 0 && below(CALLS_OF) == 0 ? &recipes[below(i)] : NULL;
        if (callee && callee->depth == MOST_DEPTH)
            callee = NULL;
        recipes[i] = invent(below(SLOW_OF) != 0, below(DATA_OF) == 0, callee);
        (void)emit(&recipes[i], image + FUNCTIONS + i * MOST_BYTES);
        right = expected(&recipes[i], right, loops);
    }
    const size_t bytes = FUNCTIONS + count * MOST_BYTES;
    emit_headers(bytes);
    emit_start(count, x, loops);
    write_file(bytes);

    uint64_t found = 0;
    size_t length;
    char *const words[] = {(char *)file, NULL};
    const int status = run(words, &found, sizeof found, &length);
    if (!WIFEXITED(status))
        failed("a new program was ended by signal %d", WTERMSIG(status));
    if (length != sizeof found || found != right || WEXITSTATUS(status) != (int)(right & 127))
        failed("a new program gave %016llx (%zu bytes) and status %d, should be %016llx", (unsigned long long)found, length,
               WEXITSTATUS(status), (unsigned long long)right);
    if (unlink(file) != 0)
        failed("cannot delete %s: %s", file, strerror(errno));
}

/* Known programs: Busybox, which the kernel loads at another address each time, in a few of its parts. */
static void run_known(void)
{
    const uint32_t a = 100 + below(900), b = 100 + below(900), kind = below(3);
    char script[200], right[32];
    char *words[4] = {NULL};
    switch (kind) {
    case 0: /* the shell alone */
        snprintf(script, sizeof script, "n=0; while [ $n -lt %u ]; do n=$((n + 1)); done; echo $((n * %u))", a, b);
        snprintf(right, sizeof right, "%u\n", a * b);
        break;
    case 1: /* awk, and a shell that starts it */
        snprintf(script, sizeof script, "awk 'BEGIN { for (i = 0; i < %u; i++) s += i * %u; print s }'", a, b);
        snprintf(right, sizeof right, "%llu\n", (unsigned long long)a * (a - 1) / 2 * b);
        break;
    default: /* several at once */
        snprintf(script, sizeof script, "seq %u | sort -r -n | gzip -c | gunzip -c | wc -l", a);
        snprintf(right, sizeof right, "%u\n", a);
        break;
    }
    words[0] = "/bin/sh", words[1] = "-c", words[2] = script;
    char found[32];
    size_t length;
    const int status = run(words, found, sizeof found, &length);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        failed("%s ended with status %#x", script, (unsigned)status);
    if (length != strlen(right) || memcmp(found, right, length) != 0)
        failed("%s wrote %.*s, should be %s", script, (int)length, found, right);
}

int main(int argc, char **argv)
{
    const struct options wanted = options(argc, argv);
    for (uint64_t i = 0; wanted.iterations == 0 || i < wanted.iterations; i++) {
        if (i % KNOWN_OF == KNOWN_OF - 1)
            run_known();
        else
            run_new(wanted.loops);
        progress(i + 1);
    }
    return 0;
}
