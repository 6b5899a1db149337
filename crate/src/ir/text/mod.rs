//! Regions as text, for golden files, tests and people.
//!
//! ```text
//! region locals x5 x6 entry b0
//! b0 @0x80000000 poll:
//!   v0 = get x5
//!   v1 = const 0x10
//!   v2 = add v0, v1
//!   v3 = load.32 v2 at 0x80000004+1
//!   set x6, v3
//!   branch ltu v0, v1, b1, b0 retires 4
//! ```
//!
//! A value is named after its instruction's place in the block, so instructions that make no value leave gaps. `at` gives
//! a point: the guest address and how many instructions of the block are done. What follows `;` is a comment. [`print`] and
//! [`parse`] are each other's inverse, but for points that nothing names and the order of those that are.

mod parse;
mod print;

pub use parse::{ParseError, parse};
pub use print::print;

use super::{BinaryOp, Compare, FloatOp, UnaryOp, Width, abi::Helper};

const BINARY: &[(BinaryOp, &str)] = &[
    (BinaryOp::Add, "add"),
    (BinaryOp::Sub, "sub"),
    (BinaryOp::And, "and"),
    (BinaryOp::Or, "or"),
    (BinaryOp::Xor, "xor"),
    (BinaryOp::Shl, "shl"),
    (BinaryOp::Shr, "shr"),
    (BinaryOp::Sar, "sar"),
    (BinaryOp::Rotr, "rotr"),
    (BinaryOp::Rotr32, "rotr32"),
    (BinaryOp::Mul, "mul"),
    (BinaryOp::Mulh, "mulh"),
    (BinaryOp::Mulhu, "mulhu"),
    (BinaryOp::Mulhsu, "mulhsu"),
    (BinaryOp::Div, "div"),
    (BinaryOp::Divu, "divu"),
    (BinaryOp::Rem, "rem"),
    (BinaryOp::Remu, "remu"),
];

const UNARY: &[(UnaryOp, &str)] = &[
    (UnaryOp::Sext(Width::W8), "sext.8"),
    (UnaryOp::Sext(Width::W16), "sext.16"),
    (UnaryOp::Sext(Width::W32), "sext.32"),
    (UnaryOp::Zext(Width::W8), "zext.8"),
    (UnaryOp::Zext(Width::W16), "zext.16"),
    (UnaryOp::Zext(Width::W32), "zext.32"),
    (UnaryOp::Clz, "clz"),
    (UnaryOp::Ctz, "ctz"),
    (UnaryOp::Cpop, "cpop"),
    (UnaryOp::Rev8, "rev8"),
    (UnaryOp::OrcB, "orc.b"),
    (UnaryOp::ToBits, "tobits"),
    (UnaryOp::FromBits, "frombits"),
    (UnaryOp::Unbox, "unbox"),
];

const COMPARE: &[(Compare, &str)] = &[
    (Compare::Eq, "eq"),
    (Compare::Ne, "ne"),
    (Compare::Lt, "lt"),
    (Compare::Ge, "ge"),
    (Compare::Ltu, "ltu"),
    (Compare::Geu, "geu"),
];

const FLOAT: &[(FloatOp, &str)] = &[
    (FloatOp::Add, "fadd"),
    (FloatOp::Sub, "fsub"),
    (FloatOp::Mul, "fmul"),
    (FloatOp::Div, "fdiv"),
    (FloatOp::Sqrt, "fsqrt"),
    (FloatOp::Fma, "fma"),
    (FloatOp::Min, "fmin"),
    (FloatOp::Max, "fmax"),
    (FloatOp::Eq, "feq"),
    (FloatOp::Lt, "flt"),
    (FloatOp::Le, "fle"),
    (FloatOp::ToI32, "toi32"),
    (FloatOp::ToI64, "toi64"),
    (FloatOp::FromI32, "fromi32"),
    (FloatOp::FromU32, "fromu32"),
    (FloatOp::FromI64, "fromi64"),
    (FloatOp::FromU64, "fromu64"),
    (FloatOp::Widen, "widen"),
    (FloatOp::Narrow, "narrow"),
    (FloatOp::Other, "float"),
];

const HELPERS: &[(Helper, &str)] = &[
    (Helper::Load, "load"),
    (Helper::Store, "store"),
    (Helper::LoadForUpdate, "load_for_update"),
    (Helper::LoadReserved, "load_reserved"),
    (Helper::StoreConditional, "store_conditional"),
    (Helper::Float, "float"),
    (Helper::Control, "control"),
];

/// The name of an operation. Every one is in its table.
fn name<T: PartialEq>(table: &[(T, &'static str)], wanted: &T) -> &'static str {
    table
        .iter()
        .find_map(|(op, name)| (op == wanted).then_some(*name))
        .unwrap_or("?")
}

fn named<T: Copy>(table: &[(T, &'static str)], wanted: &str) -> Option<T> {
    table
        .iter()
        .find_map(|(op, name)| (*name == wanted).then_some(*op))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ir::{Region, generate};

    /// The region with the points in the order of their being named, none twice and none unnamed.
    fn with_points_in_order(region: &Region) -> Region {
        let mut region = region.clone();
        let old = std::mem::take(&mut region.points);
        for block in &mut region.blocks {
            let ends = match &mut block.end {
                crate::ir::Terminator::Interpret(at) => Some(at),
                _ => None,
            };
            for at in block
                .insts
                .iter_mut()
                .filter_map(crate::ir::Inst::exit_point_mut)
                .chain(ends)
            {
                let point = old[at.0 as usize];
                let index = region.points.iter().position(|known| *known == point);
                let index = index.unwrap_or_else(|| {
                    region.points.push(point);
                    region.points.len() - 1
                });
                at.0 = index as u32;
            }
        }
        region
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_printed_is_parsed_again(seed: u64, size in 1usize..200) {
            let abi = generate::abi(8);
            let region = generate::case_of_seed(seed, size).region;
            let text = print(&region, &abi);
            let again = parse(&text, &abi).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(print(&again, &abi), text);
            prop_assert_eq!(again, with_points_in_order(&region));
        }

        #[test]
        fn any_text_is_refused_in_words(text in "(region|entry| |b0|\n|@0x1|:|v0 = |const|load.32|at|\\+1|,|jump|retires|[0-9])*") {
            let _ = parse(&text, &generate::abi(8));
        }
    }

    #[test]
    fn the_example_is_a_region() {
        let text = "region locals x5 x6 entry b0
b0 @0x80000000 poll:
  v0 = get x5
  v1 = const 0x10 ; a comment
  v2 = add v0, v1
  v3 = window v2, 64, write
  v4 = load.32 v2 via v3+0 at 0x80000004+1
  set x6, v4
  branch ltu v0, v1, b0, b1 retires 4
b1 @0x80000010:
  interpret at 0x80000010+0
";
        let abi = generate::abi(8);
        let region = parse(text, &abi).unwrap();
        assert_eq!(print(&region, &abi), text.replace(" ; a comment", ""));
        assert_eq!(crate::ir::verify(&region, &abi), Ok(()));
    }

    #[test]
    fn complaints_name_the_line() {
        let complaint = |text| parse(text, &generate::abi(8)).unwrap_err().to_string();
        assert_eq!(complaint("jump b0"), "line 1: `region` is missing before this");
        assert_eq!(
            complaint("region entry b0\nb0 @0x10:\n  v0 = frob v1\n"),
            "line 3: there is no operation `frob`"
        );
        assert_eq!(
            complaint("region entry b0\nb0 @0x10:\n  v0 = get q5\n"),
            "line 3: there is no slot `q5`"
        );
        assert_eq!(
            complaint("region entry b0\nb0 @0x10:\n  v1 = const 1\n"),
            "line 3: this is v0, not v1"
        );
        assert_eq!(
            complaint("region entry b0\nb0 @0x10:\n  v0 = const 1\n"),
            "line 3: the last block has no end, such as `jump b0 retires 1`"
        );
    }
}
