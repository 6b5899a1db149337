//! IEEE 754 arithmetic as the RISC-V F and D extensions define it.
