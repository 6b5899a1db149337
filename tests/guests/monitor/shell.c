/* The monitor's main program: greeting, prompt, commands. */
#include "monitor.h"

#define WORDS_MAX 16

struct hart harts[HARTS_MAX];

struct command {
    const char *name, *usage, *about;
    bool (*run)(int argc, char **argv);
};

static bool command_help(int argc, char **argv);
static bool command_reboot(int argc, char **argv);
static bool command_poweroff(int argc, char **argv);

static const struct command commands[] = {
    {"help", "help", "this list", command_help},
    {"info", "info", "the board, its firmware and control registers", command_info},
    {"peek", "peek b|h|w|d ADDRESS [COUNT]", "read bytes, halves, words or doubles", command_peek},
    {"poke", "poke b|h|w|d ADDRESS VALUE...", "write them", command_poke},
    {"dump", "dump ADDRESS [LENGTH]", "memory in hexadecimal and text", command_dump},
    {"mandel", "mandel [ZOOM]", "the Mandelbrot set in text; ZOOM from 0 to 40", command_mandel},
    {"bench", "bench [KERNEL...]", "benchmark kernels, or their list", command_bench},
    {"selftest", "selftest", "test traps, paging and timers", command_selftest},
    {"harts", "harts", "start every other hart for a moment", command_harts},
    {"reboot", "reboot", "start again", command_reboot},
    {"poweroff", "poweroff [fail]", "switch off; fail gives a failure as the reason", command_poweroff},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static bool command_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (size_t i = 0; i < COMMANDS; i++)
        print("  %-32s%s\n", commands[i].usage, commands[i].about);
    print("Numbers are decimal, or hexadecimal after 0x. Control-C ends a command.\n");
    return true;
}

static void system_reset(uint64_t type, uint64_t reason)
{
    struct sbi_result result = sbi_call(SBI_SRST, 0, type, reason, 0);
    print("the firmware cannot do that: SBI error %ld\n", result.error);
}

static bool command_reboot(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return false;
    system_reset(1, 0);
    return true;
}

static bool command_poweroff(int argc, char **argv)
{
    bool fail = argc == 2 && equal(argv[1], "fail");
    if (argc != 1 && !fail)
        return false;
    system_reset(0, fail);
    return true;
}

struct words {
    int count;
    char *word[WORDS_MAX + 1];
};

/* Cuts the line at its spaces; false when there are too many words. */
static bool split(char *line, struct words *words)
{
    words->count = 0;
    for (char *p = line; *p;) {
        while (*p == ' ' || *p == '\t')
            *p++ = 0;
        if (!*p)
            break;
        if (words->count == WORDS_MAX)
            return false;
        words->word[words->count++] = p;
        while (*p && *p != ' ' && *p != '\t')
            p++;
    }
    words->word[words->count] = NULL;
    return true;
}

static void run_words(void *argument)
{
    struct words *words = argument;
    for (size_t i = 0; i < COMMANDS; i++)
        if (equal(words->word[0], commands[i].name)) {
            if (!commands[i].run(words->count, words->word))
                print("usage: %s\n", commands[i].usage);
            return;
        }
    print("%s: no such command; try help\n", words->word[0]);
}

/* Whatever a command left behind when it was ended. */
static void tidy(void)
{
    csr_write(satp, 0);
    __asm__ volatile("sfence.vma" ::: "memory");
    csr_clear(sstatus, SSTATUS_SUM | SSTATUS_MXR);
    csr_clear(sie, SIE_TIMER | SIE_SOFTWARE);
    csr_set(sstatus, SSTATUS_SIE);
}

/* A command runs in a probe: a trap in it, as of a peek at an address with nothing there, comes back here. */
static void run_line(char *line)
{
    struct words words;
    if (!split(line, &words)) {
        print("too many words\n");
        return;
    }
    if (words.count == 0)
        return;
    command_running = true;
    bool trapped = probe(run_words, &words);
    command_running = false;
    if (trapped) {
        tidy();
        trap_print();
    }
}

/* Kernel arguments of the form `run=COMMAND; COMMAND...` are commands to begin with, up to the end of the arguments. */
static void run_arguments(const char *arguments)
{
    char line[128];
    while (*arguments && !starts_with(arguments, "run="))
        arguments++;
    if (!*arguments)
        return;
    arguments += 4;
    while (*arguments) {
        while (*arguments == ' ')
            arguments++;
        size_t length = 0;
        for (; *arguments && *arguments != ';'; arguments++)
            if (length + 1 < sizeof line)
                line[length++] = *arguments;
        line[length] = 0;
        if (*arguments == ';')
            arguments++;
        print("monitor> %s\n", line);
        run_line(line);
    }
}

void monitor_main(uint64_t hart_id, uint64_t fdt)
{
    this_hart()->id = hart_id;
    uart_start();
    csr_set(sstatus, SSTATUS_SIE);
    if (!fdt_read(fdt))
        print("monitor: no usable device tree at 0x%lx\n", fdt);
    print("\nTABVISOR MONITOR READY\nType help for the commands.\n");
    run_arguments(board.bootargs);
    for (;;) {
        char line[256];
        print("monitor> ");
        if (read_line(line, sizeof line))
            run_line(line);
    }
}
