//! What instructions become, as text. `lifted.txt` has a heading for each case, with the instructions' encodings after the
//! colon; what follows is what is to be made of them. To write it anew from what is made, run this with `BLESS` set.

use super::{abi, check};
use crate::ir::text;
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::insn::Insn;
use crate::jit::region::{Limits, NoProfile, Source, form};

const CASES: &str = include_str!("lifted.txt");
const START: u64 = 0x1000;

struct Words(Vec<u32>);

impl Source for Words {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        self.0
            .get((pc.checked_sub(START)? / 4) as usize)
            .map(|&word| decode(word))
    }
}

fn lifted(words: Vec<u32>) -> String {
    let formed = form(START, &mut Words(words), &Limits::HOT, &NoProfile).expect("a region");
    check(&formed.region);
    text::print(&formed.region, &abi())
}

#[test]
fn instructions_become_what_they_should() {
    let mut made = String::new();
    for case in CASES.split("## ").skip(1) {
        let heading = case.lines().next().unwrap_or_default();
        let (_, words) = heading.rsplit_once(':').expect("encodings");
        let words = words
            .split_whitespace()
            .map(|word| u32::from_str_radix(word, 16).expect("hexadecimal"));
        made += &format!("## {heading}\n{}\n", lifted(words.collect()).trim_end());
    }
    if std::env::var_os("BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/jit/region/tests/lifted.txt");
        std::fs::write(path, &made).expect("written");
    } else {
        assert!(made == CASES, "it became:\n{made}");
    }
}
