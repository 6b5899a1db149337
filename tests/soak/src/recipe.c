/* Recipes: made at random, worked out in C, and as machine code. */
#include <string.h>

#include "soak.h"

/* xorshift64*, as in the benchmarks: the same functions in each run. */
static uint64_t state = 0x9e3779b97f4a7c15;

uint64_t next_random(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}

uint32_t below(uint32_t limit)
{
    return (uint32_t)(((next_random() >> 32) * limit) >> 32);
}

struct recipe invent(int plain, int has_data, const struct recipe *callee)
{
    struct recipe recipe = {.count = 4 + below(MOST_OPERATIONS - 3), .has_data = has_data, .callee = callee};
    recipe.data = has_data ? next_random() : 0;
    recipe.depth = callee ? callee->depth + 1 : 0;
    for (uint32_t i = 0; i < recipe.count; i++) {
        const enum operation kind = (enum operation)below(plain ? XOR : OPERATIONS);
        int32_t constant = (int32_t)next_random();
        if (kind == SHIFT || kind == ROTATE)
            constant = 1 + (int32_t)below(62);
        else if (kind == MULTIPLY)
            constant |= 1;
        /* Small constants are one instruction, others two. */
        else if (below(3) == 0)
            constant >>= 21;
        recipe.operations[i].kind = kind;
        recipe.operations[i].constant = constant;
    }
    return recipe;
}

int is_plain(const struct recipe *recipe)
{
    for (; recipe; recipe = recipe->callee)
        for (uint32_t i = 0; i < recipe->count; i++)
            if (recipe->operations[i].kind > NOT)
                return 0;
    return 1;
}

/* One step. */
static uint64_t step(const struct recipe *recipe, uint64_t x)
{
    for (uint32_t i = 0; i < recipe->count; i++) {
        const int64_t constant = recipe->operations[i].constant;
        const uint64_t c = (uint64_t)constant;
        switch (recipe->operations[i].kind) {
        case ADD: x += c; break;
        case SUBTRACT: x = c - x; break;
        case MULTIPLY: x *= c; break;
        case SHIFT: x += x << c; break;
        case NOT: x = ~x; break;
        case XOR: x ^= c; break;
        case ROTATE: x = x << c | x >> (64 - c); break;
        case LESS: x += x < c; break;
        case OPERATIONS: break;
        }
    }
    if (recipe->has_data)
        x += recipe->data;
    return recipe->callee ? step(recipe->callee, x) : x;
}

uint64_t expected(const struct recipe *recipe, uint64_t x, uint64_t loops)
{
    if (!is_plain(recipe)) {
        for (uint64_t i = 0; i < loops; i++)
            x = step(recipe, x);
        return x;
    }
    /* The step is x -> mul * x + add: two of its values say which. */
    uint64_t add = step(recipe, 0), mul = step(recipe, 1) - add;
    for (; loops; loops >>= 1) {
        if (loops & 1)
            x = mul * x + add;
        add = mul * add + add;
        mul *= mul;
    }
    return x;
}

/* Instruction formats: chapter "RV32I Base Integer Instruction Set" of the unprivileged ISA. */
static uint32_t r_type(uint32_t funct7, uint32_t funct3, uint32_t opcode, int rd, int rs1, int rs2)
{
    return funct7 << 25 | (uint32_t)rs2 << 20 | (uint32_t)rs1 << 15 | funct3 << 12 | (uint32_t)rd << 7 | opcode;
}

static uint32_t i_type(uint32_t funct3, uint32_t opcode, int rd, int rs1, int32_t imm)
{
    return ((uint32_t)imm & 0xfff) << 20 | (uint32_t)rs1 << 15 | funct3 << 12 | (uint32_t)rd << 7 | opcode;
}

static uint32_t upper(uint32_t opcode, int rd, int32_t value)
{
    return ((uint32_t)value & 0xfffff000) | (uint32_t)rd << 7 | opcode;
}

static uint32_t branch_not_zero(int rs1, int32_t offset)
{
    const uint32_t o = (uint32_t)offset;
    return (o >> 12 & 1) << 31 | (o >> 5 & 0x3f) << 25 | (uint32_t)rs1 << 15 | 1 << 12 | (o >> 1 & 0xf) << 8 |
           (o >> 11 & 1) << 7 | 0x63;
}

uint32_t addi(int to, int from, int32_t value) { return i_type(0, 0x13, to, from, value); }
uint32_t andi(int to, int from, int32_t value) { return i_type(7, 0x13, to, from, value); }
uint32_t ecall(void) { return 0x73; }

uint32_t store_double(int value, int base, int32_t offset)
{
    const uint32_t o = (uint32_t)offset;
    return (o >> 5 & 0x7f) << 25 | (uint32_t)value << 20 | (uint32_t)base << 15 | 3 << 12 | (o & 0x1f) << 7 | 0x23;
}

static uint32_t load_double(int to, int base, int32_t offset) { return i_type(3, 0x03, to, base, offset); }
static uint32_t slli(int to, int from, int32_t by) { return i_type(1, 0x13, to, from, by); }
static uint32_t srli(int to, int from, int32_t by) { return i_type(5, 0x13, to, from, by); }
static uint32_t add(int to, int a, int b) { return r_type(0, 0, 0x33, to, a, b); }
static uint32_t jump_register(int link, int to, int32_t offset) { return i_type(0, 0x67, link, to, offset); }

/* The part of an offset that lui or auipc takes; the instruction after it adds the low twelve bits, sign-extended. */
static int32_t high_part(int32_t value) { return (int32_t)((uint32_t)value + 0x800); }
static int32_t low_part(int32_t value) { return (int32_t)((uint32_t)value << 20) >> 20; }

uint32_t *load_constant(uint32_t *at, int to, int32_t value)
{
    const int32_t low = low_part(value);
    if (low == value) {
        *at++ = addi(to, ZERO, value);
        return at;
    }
    *at++ = upper(0x37, to, high_part(value));
    *at++ = i_type(0, 0x1b, to, to, low); /* addiw: the sum wraps at 32 bits */
    return at;
}

uint32_t *call(uint32_t *at, const uint32_t *target)
{
    const int32_t offset = (int32_t)((const uint8_t *)target - (const uint8_t *)at);
    *at++ = upper(0x17, T1, high_part(offset));
    *at++ = jump_register(RA, T1, low_part(offset));
    return at;
}

/* The step on a0; t0 is used up. `word` is where the data lies. */
static uint32_t *emit_step(const struct recipe *recipe, uint32_t *at, const uint64_t *word)
{
    for (uint32_t i = 0; i < recipe->count; i++) {
        const enum operation kind = recipe->operations[i].kind;
        const int32_t c = recipe->operations[i].constant;
        if (kind != SHIFT && kind != NOT && kind != ROTATE)
            at = load_constant(at, T0, c);
        switch (kind) {
        case ADD: *at++ = add(A0, A0, T0); break;
        case SUBTRACT: *at++ = r_type(0x20, 0, 0x33, A0, T0, A0); break;
        case MULTIPLY: *at++ = r_type(1, 0, 0x33, A0, A0, T0); break;
        case SHIFT:
            *at++ = slli(T0, A0, c);
            *at++ = add(A0, A0, T0);
            break;
        case NOT: *at++ = i_type(4, 0x13, A0, A0, -1); break;
        case XOR: *at++ = r_type(0, 4, 0x33, A0, A0, T0); break;
        case ROTATE:
            *at++ = slli(T0, A0, c);
            *at++ = srli(A0, A0, 64 - c);
            *at++ = r_type(0, 6, 0x33, A0, A0, T0);
            break;
        case LESS:
            *at++ = r_type(0, 3, 0x33, T0, A0, T0);
            *at++ = add(A0, A0, T0);
            break;
        case OPERATIONS: break;
        }
    }
    if (recipe->has_data) {
        const int32_t offset = (int32_t)((const uint8_t *)word - (const uint8_t *)at);
        *at++ = upper(0x17, T0, high_part(offset));
        *at++ = load_double(T0, T0, low_part(offset));
        *at++ = add(A0, A0, T0);
    }
    return at;
}

/* The loop comes first:
 *
 *         addi sp, sp, -16;  sd ra, 0(sp)
 *   loop: STEP;  [call the callee's step]
 *         addi a1, a1, -1;  bnez a1, loop
 *         ld ra, 0(sp);  addi sp, sp, 16;  ret
 *
 * and after it the step alone, for callers; one that calls on does so with its own return address in its callee's place. */
size_t emit(struct recipe *recipe, uint8_t *start)
{
    recipe->word = (uint64_t *)(start + MOST_BYTES) - 1;
    uint32_t *at = (uint32_t *)start;
    *at++ = addi(SP, SP, -16);
    *at++ = store_double(RA, SP, 0);
    const uint32_t *loop = at;
    at = emit_step(recipe, at, recipe->word);
    if (recipe->callee)
        at = call(at, recipe->callee->step);
    *at++ = addi(A1, A1, -1);
    *at = branch_not_zero(A1, (int32_t)((const uint8_t *)loop - (const uint8_t *)at));
    at++;
    *at++ = load_double(RA, SP, 0);
    *at++ = addi(SP, SP, 16);
    *at++ = jump_register(ZERO, RA, 0);

    recipe->step = at;
    at = emit_step(recipe, at, recipe->word);
    if (recipe->callee) {
        const int32_t offset = (int32_t)((const uint8_t *)recipe->callee->step - (const uint8_t *)at);
        *at++ = upper(0x17, T1, high_part(offset));
        *at++ = jump_register(ZERO, T1, low_part(offset));
    } else {
        *at++ = jump_register(ZERO, RA, 0);
    }
    if ((uint8_t *)at > (uint8_t *)recipe->word)
        failed("the code of a function has outgrown its %d bytes", MOST_BYTES);
    *recipe->word = recipe->data;
    return MOST_BYTES;
}
