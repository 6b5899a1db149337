/* An interpreter of a small stack machine: loads of opcodes and a switch, as in the inner loop of scripting languages. */
#include "bench.h"

enum op { PUSH, LOAD, STORE, ADD, SUB, MUL, XOR, SHR, LESS, JUMP, JUMP_IF_ZERO, HALT };

#define TWO(n) (n) & 0xff, (n) >> 8
enum { I, SUM, LIMIT, J };

/*  for (i = 0; i < limit; i++) for (j = i; j != 0; j >>= 1) sum = (sum ^ j) * 5 + i;  */
static const uint8_t program[] = {
    /*  0 */ PUSH, TWO(0), STORE, I,
    /*  5 */ LOAD, I, LOAD, LIMIT, LESS, JUMP_IF_ZERO, 54,
    /* 12 */ LOAD, I, STORE, J,
    /* 16 */ LOAD, J, JUMP_IF_ZERO, 44,
    /* 20 */ LOAD, SUM, LOAD, J, XOR, PUSH, TWO(5), MUL, LOAD, I, ADD, STORE, SUM,
    /* 34 */ LOAD, J, PUSH, TWO(1), SHR, STORE, J, JUMP, 16,
    /* 44 */ LOAD, I, PUSH, TWO(1), ADD, STORE, I, JUMP, 5,
    /* 54 */ HALT,
};

static uint64_t interpret(const uint8_t *code, uint64_t variables[8])
{
    uint64_t stack[16], *top = stack, right;
    const uint8_t *pc = code;
    for (;;) {
        switch (*pc++) {
        case PUSH: *top++ = pc[0] | (uint64_t)pc[1] << 8; pc += 2; break;
        case LOAD: *top++ = variables[*pc++]; break;
        case STORE: variables[*pc++] = *--top; break;
        case ADD: right = *--top; top[-1] += right; break;
        case SUB: right = *--top; top[-1] -= right; break;
        case MUL: right = *--top; top[-1] *= right; break;
        case XOR: right = *--top; top[-1] ^= right; break;
        case SHR: right = *--top; top[-1] >>= right & 63; break;
        case LESS: right = *--top; top[-1] = top[-1] < right; break;
        case JUMP: pc = code + *pc; break;
        case JUMP_IF_ZERO: pc = *--top == 0 ? code + *pc : pc + 1; break;
        default: return variables[SUM];
        }
    }
}

uint64_t bench_bytecode(void)
{
    uint64_t variables[8] = {0};
    variables[LIMIT] = 320000;
    return interpret(program, variables);
}
