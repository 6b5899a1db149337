//! From guest code to what is made of it, side by side in the text files of `golden/`: the instructions, the region they
//! were lifted to, that region after the passes of each level, and the code that the back ends make of the hot one: WebAssembly,
//! and what Cranelift is given.
//!
//!   BLESS=1 cargo test --test golden     writes what is made now into the files
//!
//! A file starts with comments (`#`); `guest:` is followed by an address, an encoding and its text in each line, as
//! `objdump -d` prints them. The region is entered at the first. All else in the file is made of that.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use tabvisor::ir::{
    Region, generate,
    passes::{self, Level, PassSet},
    text, verify,
};
use tabvisor::isa::riscv::{decode::decode, insn::Insn};
use tabvisor::jit::Tier;
use tabvisor::jit::native::cranelift_text;
use tabvisor::jit::region::{Limits, NoProfile, Source, form};
use tabvisor::jit::wasm::{Features, emit_module};

/// The region's number, which code stores when it leaves at a point.
const NUMBER: u32 = 7;

/// Instructions by their addresses.
struct Listing(HashMap<u64, Insn>);

impl Source for Listing {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        self.0.get(&pc).copied()
    }
}

/// The guest's part of a file, with what stands before it.
fn guest_part(file: &str) -> &str {
    file.split("\nlifted:\n").next().unwrap_or_default().trim_end()
}

/// The instructions and the address of the first.
fn listing(guest: &str) -> (u64, Listing) {
    let lines = guest.lines().skip_while(|line| *line != "guest:").skip(1);
    let mut entry = None;
    let mut insns = HashMap::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let mut hex =
            || u64::from_str_radix(words.next().unwrap_or_default(), 16).expect("a hexadecimal number");
        let (address, bits) = (hex(), hex());
        entry.get_or_insert(address);
        insns.insert(address, decode(bits as u32));
    }
    (entry.expect("an instruction after `guest:`"), Listing(insns))
}

/// The whole file, with what is made of the guest's part.
fn made(guest: &str) -> String {
    let abi = generate::abi(8);
    let mut file = guest.to_owned();
    for (name, level, limits) in [
        ("quick", Level::Quick, Limits::QUICK),
        ("hot", Level::Hot, Limits::HOT),
    ] {
        let (entry, mut source) = listing(guest);
        let mut region = form(entry, &mut source, &limits, &NoProfile)
            .expect("a region")
            .region;
        assert_eq!(verify(&region, &abi), Ok(()));
        if level == Level::Quick {
            write!(file, "\n\nlifted:\n{}", text::print(&region, &abi)).unwrap();
        }
        passes::shape(&mut region, PassSet::ALL);
        passes::optimise(&mut region, level, PassSet::ALL);
        assert_eq!(verify(&region, &abi), Ok(()));
        write!(file, "\n{name}:\n{}", text::print(&region, &abi)).unwrap();
        if level == Level::Hot {
            write!(file, "\nwasm:\n{}", wasm(&region)).unwrap();
            let clif = cranelift_text(&region, &abi, NUMBER, Tier::Hot).expect("a function");
            write!(file, "\ncranelift:\n{clif}").unwrap();
        }
    }
    file
}

/// The function that the page's back end makes of a region, without the rest of its module, which is always the same.
fn wasm(region: &Region) -> String {
    let features = Features {
        tail_calls: true,
        relaxed_madd_is_fused: true,
    };
    let module = emit_module(&[(NUMBER, region)], &generate::abi(4), features, &[1]).expect("a module");
    let module = wasmprinter::print_bytes(&module.bytes).expect("a module that can be read");
    let start = module.rfind("\n  (func ").expect("a function") + 1;
    let end = module[start..].find("\n  )\n").expect("its end") + 5;
    module[start..start + end].to_owned()
}

#[test]
fn what_is_made_of_guest_code_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("BLESS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let file = std::fs::read_to_string(&path).unwrap();
        let now = made(guest_part(&file));
        if bless {
            std::fs::write(&path, now).unwrap();
            continue;
        }
        for (number, (old, new)) in (1..).zip(file.lines().zip(now.lines())) {
            assert_eq!(
                old,
                new,
                "{}:{number} (BLESS=1 writes what is made now)",
                path.display()
            );
        }
        assert_eq!(
            file.len(),
            now.len(),
            "{} (BLESS=1 writes what is made now)",
            path.display()
        );
    }
}
