/* Calls to the firmware: the RISC-V Supervisor Binary Interface. */
#include "monitor.h"

struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2)
{
    register uint64_t r0 __asm__("a0") = a0;
    register uint64_t r1 __asm__("a1") = a1;
    register uint64_t r2 __asm__("a2") = a2;
    register uint64_t r6 __asm__("a6") = function;
    register uint64_t r7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(r0), "+r"(r1) : "r"(r2), "r"(r6), "r"(r7) : "memory");
    return (struct sbi_result){(int64_t)r0, r1};
}

bool sbi_has(uint64_t extension)
{
    return sbi_call(SBI_BASE, 3, extension, 0, 0).value != 0;
}

/* A time that never comes also withdraws a pending timer interrupt. */
void sbi_set_timer(uint64_t when)
{
    sbi_call(SBI_TIME, 0, when, 0, 0);
}
