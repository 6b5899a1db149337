//! The host's SSE unit as an oracle, result bits and flags, in its four rounding modes.
//!
//! SSE detects tininess after rounding, as RISC-V does. It differs in the bits of NaNs and in what an invalid conversion
//! to an integer returns, so NaNs are made canonical and such integers are not compared; and in one case of fused
//! multiply-add.

use std::arch::asm;

use super::cases::{Cases, operations, resizes};
use crate::isa::riscv::float::{F32, F64, Flags, Format, Layout, Rounding};

const CASES: u64 = 400_000;

/// An operation of the host: operands and MXCSR in, result and MXCSR out.
type HostFunction = fn(&[u64; 3], u32) -> (u64, u32);

/// Runs one instruction under a given MXCSR. The operands follow as for `asm!`, the first being `{a}`.
macro_rules! under {
    ($control:expr, $instruction:literal, $($operands:tt)*) => {{
        let mut control: u32 = $control;
        let mut saved: u32 = 0;
        // SAFETY: the instruction touches only the registers named, and MXCSR is as before at the end.
        unsafe {
            asm!(
                "stmxcsr [{saved}]",
                "ldmxcsr [{control}]",
                $instruction,
                "stmxcsr [{control}]",
                "ldmxcsr [{saved}]",
                saved = in(reg) &raw mut saved,
                control = in(reg) &raw mut control,
                $($operands)*,
                options(nostack),
            );
        }
        control
    }};
}

macro_rules! binary {
    ($float:ident, $bits:ident, $instruction:literal) => {
        |[a, b, _], control| {
            let (mut a, b) = ($float::from_bits(*a as $bits), $float::from_bits(*b as $bits));
            let control = under!(control, $instruction, a = inout(xmm_reg) a, b = in(xmm_reg) b);
            (a.to_bits().into(), control)
        }
    };
}

macro_rules! fused {
    ($float:ident, $bits:ident, $instruction:literal) => {
        |[a, b, c], control| {
            let mut a = $float::from_bits(*a as $bits);
            let (b, c) = ($float::from_bits(*b as $bits), $float::from_bits(*c as $bits));
            let control = under!(control, $instruction, a = inout(xmm_reg) a, b = in(xmm_reg) b, c = in(xmm_reg) c);
            (a.to_bits().into(), control)
        }
    };
}

macro_rules! unary {
    ($from:ident, $from_bits:ident, $to:ident, $instruction:literal) => {
        |[a, _, _], control| {
            let a = $from::from_bits(*a as $from_bits);
            let r: $to;
            let control = under!(control, $instruction, a = in(xmm_reg) a, r = out(xmm_reg) r);
            (r.to_bits().into(), control)
        }
    };
}

macro_rules! to_integer {
    ($float:ident, $bits:ident, $int:ident, $instruction:literal) => {
        |[a, _, _], control| {
            let a = $float::from_bits(*a as $bits);
            let r: $int;
            let control = under!(control, $instruction, a = in(xmm_reg) a, r = out(reg) r);
            (r as u64, control)
        }
    };
}

macro_rules! from_integer {
    ($float:ident, $int:ident, $instruction:literal) => {
        |[a, _, _], control| {
            let mut r: $float = 0.0;
            let control = under!(control, $instruction, a = in(reg) *a as $int, r = inout(xmm_reg) r);
            (r.to_bits().into(), control)
        }
    };
}

const SINGLE: [(&str, HostFunction); 9] = [
    ("add", binary!(f32, u32, "addss {a}, {b}")),
    ("sub", binary!(f32, u32, "subss {a}, {b}")),
    ("mul", binary!(f32, u32, "mulss {a}, {b}")),
    ("div", binary!(f32, u32, "divss {a}, {b}")),
    ("sqrt", unary!(f32, u32, f32, "sqrtss {r}, {a}")),
    ("to_i32", to_integer!(f32, u32, i32, "cvtss2si {r:e}, {a}")),
    ("to_i64", to_integer!(f32, u32, i64, "cvtss2si {r}, {a}")),
    ("from_i32", from_integer!(f32, i32, "cvtsi2ss {r}, {a:e}")),
    ("from_i64", from_integer!(f32, i64, "cvtsi2ss {r}, {a}")),
];

const DOUBLE: [(&str, HostFunction); 9] = [
    ("add", binary!(f64, u64, "addsd {a}, {b}")),
    ("sub", binary!(f64, u64, "subsd {a}, {b}")),
    ("mul", binary!(f64, u64, "mulsd {a}, {b}")),
    ("div", binary!(f64, u64, "divsd {a}, {b}")),
    ("sqrt", unary!(f64, u64, f64, "sqrtsd {r}, {a}")),
    ("to_i32", to_integer!(f64, u64, i32, "cvtsd2si {r:e}, {a}")),
    ("to_i64", to_integer!(f64, u64, i64, "cvtsd2si {r}, {a}")),
    ("from_i32", from_integer!(f64, i32, "cvtsi2sd {r}, {a:e}")),
    ("from_i64", from_integer!(f64, i64, "cvtsi2sd {r}, {a}")),
];

/// The modes the host has, with their numbers in MXCSR.
const MODES: [(Rounding, u32); 4] = [
    (Rounding::NearestEven, 0),
    (Rounding::Down, 1),
    (Rounding::Up, 2),
    (Rounding::TowardsZero, 3),
];

/// Runs the host's operation in a mode; flags come back as RISC-V's.
fn run_host(function: HostFunction, operands: &[u64; 3], mode: u32) -> (u64, Flags) {
    // All exceptions masked, none set, denormals honoured.
    let (bits, control) = function(operands, 0x1f80 | mode << 13);
    let mut flags = Flags::empty();
    flags.set(Flags::INVALID, control & 1 != 0);
    flags.set(Flags::DIVIDE_BY_ZERO, control & 4 != 0);
    flags.set(Flags::OVERFLOW, control & 8 != 0);
    flags.set(Flags::UNDERFLOW, control & 16 != 0);
    flags.set(Flags::INEXACT, control & 32 != 0);
    (bits, flags)
}

fn canonical<F: Layout>(bits: u64) -> u64 {
    if bits & !F::SIGN > F::INFINITY {
        F::CANONICAL_NAN
    } else {
        bits
    }
}

/// IEEE 754 lets an implementation choose whether this is invalid. On RISC-V it is, on x86-64 it is not.
fn is_zero_times_infinity_plus_quiet_nan<F: Layout>([a, b, c]: &[u64; 3]) -> bool {
    let (a, b) = (a & !F::SIGN, b & !F::SIGN);
    let product = (a.min(b), a.max(b)) == (0, F::INFINITY);
    product && c & !F::SIGN >= F::CANONICAL_NAN
}

/// Compares one operation of ours, its fast path included, with the host's. `To` is the format of the result.
fn compare<To: Layout>(
    name: &str,
    ours: super::cases::Function,
    host: HostFunction,
    mut next: impl FnMut() -> [u64; 3],
) {
    let integer = name.starts_with("to_");
    for _ in 0..CASES {
        let operands = next();
        for (rounding, mode) in MODES {
            let (expected, expected_flags) = run_host(host, &operands, mode);
            let mut flags = Flags::empty();
            let result = ours(&operands, rounding, &mut flags);
            if name == "fma" && is_zero_times_infinity_plus_quiet_nan::<To>(&operands) {
                assert_eq!((result, flags), (To::CANONICAL_NAN, Flags::INVALID));
                continue;
            }
            let context = || format!("{name} of {operands:#x?}, {rounding:?}");
            assert_eq!(flags, expected_flags, "flags: {}", context());
            if !integer {
                assert_eq!(result, canonical::<To>(expected), "{}", context());
            } else if !flags.contains(Flags::INVALID) {
                assert_eq!(result, expected, "{}", context());
            }
        }
    }
}

fn compare_all<F: Format>(host: &[(&str, HostFunction)], seed: u64) {
    let mut cases = Cases(seed);
    for &(name, function) in host {
        let ours = operations::<F>()
            .into_iter()
            .find(|o| o.name == name)
            .expect("an operation of that name");
        if name.starts_with("from") {
            compare::<F>(name, ours.offered, function, || cases.integers());
        } else {
            compare::<F>(name, ours.offered, function, || cases.operands::<F>());
        }
    }
}

#[test]
fn singles_as_on_the_host() {
    compare_all::<F32>(&SINGLE, 11);
}

#[test]
fn doubles_as_on_the_host() {
    compare_all::<F64>(&DOUBLE, 12);
}

#[test]
fn resizes_as_on_the_host() {
    let [widen, narrow] = resizes();
    let mut cases = Cases(13);
    compare::<F64>(
        widen.name,
        widen.offered,
        unary!(f32, u32, f64, "cvtss2sd {r}, {a}"),
        || cases.operands::<F32>(),
    );
    compare::<F32>(
        narrow.name,
        narrow.offered,
        unary!(f64, u64, f32, "cvtsd2ss {r}, {a}"),
        || cases.operands::<F64>(),
    );
}

#[test]
fn fused_multiply_add_as_on_the_host() {
    if !is_x86_feature_detected!("fma") {
        println!("not compared: this processor has no FMA instructions");
        return;
    }
    compare_all::<F32>(&[("fma", fused!(f32, u32, "vfmadd213ss {a}, {b}, {c}"))], 14);
    compare_all::<F64>(&[("fma", fused!(f64, u64, "vfmadd213sd {a}, {b}, {c}"))], 15);
}
