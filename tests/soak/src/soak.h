/* What both guest programs of the soak test share: functions made at random, as machine code and as recipes.
 *
 * A recipe is a step, a short piece of straight-line arithmetic on one 64-bit value, that a loop does many times. The same
 * recipe gives RISC-V code (emit) and, worked out in C, what that code must return (expected). The two have nothing in
 * common but the recipe: an emulator that runs old code for new, or new code wrongly, is found by the first result. */
#ifndef SOAK_H
#define SOAK_H

#include <stddef.h>
#include <stdint.h>

/* Kinds of operation. On the first ones a step is x -> mul * x + add modulo 2^64, and a loop over it is worked out by repeated
 * squaring; a step with one of those after NOT has to be done as often as the loop runs. */
enum operation {
    ADD,      /* x + constant */
    SUBTRACT, /* constant - x */
    MULTIPLY, /* x * constant, which is odd so that no bit is lost */
    SHIFT,    /* x + (x << constant) */
    NOT,      /* ~x */
    XOR,      /* x ^ constant */
    ROTATE,   /* x rotated left by constant */
    LESS,     /* x + (x < constant), unsigned */
    OPERATIONS,
};

#define MOST_OPERATIONS 16
#define MOST_DEPTH 4

struct recipe {
    uint32_t count;
    struct {
        enum operation kind;
        int32_t constant;
    } operations[MOST_OPERATIONS];
    /* Whether each step ends by adding the word `data`, which lies right behind the code. */
    int has_data;
    uint64_t data;
    /* Function whose step each step calls, or NULL. It must outlive its callers. */
    const struct recipe *callee;
    /* Calls below this one. */
    uint32_t depth;
    /* Where its step alone can be called once it has been emitted. */
    uint32_t *step;
    /* Where its word of data lies once it has been emitted. */
    uint64_t *word;
};

/* Bytes that the code of any recipe has room in, its data included. */
#define MOST_BYTES 512

/* Code of a function `uint64_t (*)(uint64_t x, uint64_t loops)`; loops is at least 1. */
typedef uint64_t (*function)(uint64_t, uint64_t);

uint64_t next_random(void);
uint32_t below(uint32_t limit);

/* A recipe made at random; `plain` for one that is worked out quickly whatever the number of loops. */
struct recipe invent(int plain, int has_data, const struct recipe *callee);
/* Whether all of it, the functions it calls too, is worked out quickly. */
int is_plain(const struct recipe *recipe);
/* Writes the code of `recipe` at `at`, which has MOST_BYTES, and notes in it where its parts are. The code starts at `at` and
 * runs at any address, but for its callee. Returns its bytes. */
size_t emit(struct recipe *recipe, uint8_t *at);
/* What the code of `recipe` must return for these arguments. */
uint64_t expected(const struct recipe *recipe, uint64_t x, uint64_t loops);

/* For code that is not made from a recipe. */
enum { ZERO = 0, RA = 1, SP = 2, T0 = 5, T1 = 6, S0 = 8, A0 = 10, A1 = 11, A2 = 12, A7 = 17 };
/* Writes the instructions that set a register to a signed number of 32 bits; returns where the next one goes. */
uint32_t *load_constant(uint32_t *at, int to, int32_t value);
uint32_t addi(int to, int from, int32_t value);
uint32_t andi(int to, int from, int32_t value);
uint32_t ecall(void);
/* Writes a call of `target`; returns where the next instruction goes. */
uint32_t *call(uint32_t *at, const uint32_t *target);
uint32_t store_double(int value, int base, int32_t offset);

/* Says once in a second of the guest's time how far it is: "SOAK seconds iterations". */
void progress(uint64_t iterations);
/* Says "SOAK-FAILED reason" and ends the program with status 1. */
void failed(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The command line of both programs: how many loops each function does, and how many iterations there are (0: no end). */
struct options {
    uint64_t loops;
    uint64_t iterations;
};
struct options options(int argc, char **argv);

#endif
