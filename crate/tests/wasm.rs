//! The wasm surface as JavaScript sees it. Runs in Node and, with `WASM_BINDGEN_USE_BROWSER=1` or
//! `WASM_BINDGEN_USE_DEDICATED_WORKER=1`, in a headless browser.

#![cfg(target_arch = "wasm32")]

use core::arch::wasm32::memory_size;

use tabvisor::web::{ExitKind, ImageBytes, MachineBuilder, WebMachine};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

const PROMPT: &str = "monitor> ";

fn monitor() -> WebMachine {
    let mut builder = MachineBuilder::new(64, 2);
    builder.share("share".into());
    let machine = words(builder.build()).expect("the embedded monitor is a good kernel");
    machine.resume_clock();
    machine
}

/// The message of the `Error` that JavaScript would get.
fn words<T>(result: Result<T, wasm_bindgen::JsError>) -> Result<T, String> {
    result.map_err(|error| {
        let error: js_sys::Error = JsValue::from(error).unchecked_into();
        error.message().into()
    })
}

/// Runs until the output so far ends with `text`, for at most `slices` slices.
fn run_until(machine: &mut WebMachine, text: &str, slices: u32) -> String {
    let mut output = String::new();
    for _ in 0..slices {
        let exit = machine.run(1_000_000);
        output += &String::from_utf8_lossy(&machine.take_output());
        if output.ends_with(text) {
            return output;
        }
        assert!(
            matches!(exit, ExitKind::Budget | ExitKind::Idle),
            "{exit:?}\n{output}"
        );
    }
    panic!("no {text:?} in\n{output}");
}

#[wasm_bindgen_test]
fn the_monitor_boots_and_answers() {
    let mut machine = monitor();
    run_until(&mut machine, PROMPT, 200);
    machine.input(b"help\n");
    let help = run_until(&mut machine, PROMPT, 200);
    assert!(help.contains("poweroff"), "{help}");
    let stats = machine.stats();
    assert!(stats.instructions > 10_000.0);
    assert_eq!(stats.ram_bytes, f64::from(64 << 20));
}

#[wasm_bindgen_test]
fn a_waiting_guest_is_idle() {
    let mut machine = monitor();
    run_until(&mut machine, PROMPT, 200);
    let idle = (0..100).any(|_| machine.run(1_000_000) == ExitKind::Idle);
    assert!(idle, "the monitor waits for input, yet the machine is never idle");
    assert!(machine.idle_until_ms() > machine.now_ms());
}

#[wasm_bindgen_test]
fn power_off_failure_and_reset_are_told_apart() {
    for (command, expected) in [
        ("poweroff\n", ExitKind::PowerOff),
        ("poweroff fail\n", ExitKind::Failed),
        ("reboot\n", ExitKind::Reset),
    ] {
        let mut machine = monitor();
        run_until(&mut machine, PROMPT, 200);
        machine.input(command.as_bytes());
        let exit = (0..200)
            .map(|_| machine.run(1_000_000))
            .find(|exit| !matches!(exit, ExitKind::Budget | ExitKind::Idle));
        assert_eq!(exit, Some(expected), "{command}");
        assert_eq!(machine.exit_code() != 0, expected == ExitKind::Failed);
        words(machine.reset()).expect("what booted once boots again");
        run_until(&mut machine, PROMPT, 200);
    }
}

#[wasm_bindgen_test]
fn guest_time_stands_still_while_paused() {
    let machine = monitor();
    machine.pause_clock();
    let before = machine.now_ms();
    let began = js_sys::Date::now();
    while js_sys::Date::now() - began < 20.0 {}
    assert_eq!(machine.now_ms(), before);
    machine.resume_clock();
    let began = js_sys::Date::now();
    while js_sys::Date::now() - began < 20.0 {}
    assert!(machine.now_ms() > before);
}

#[wasm_bindgen_test]
fn files_go_in_and_out_of_the_share() {
    let machine = monitor();
    words(machine.write_file("notes/one.txt", b"hello")).unwrap();
    words(machine.write_file("two.bin", &[0, 255])).unwrap();
    words(machine.write_file("two.bin", &[7; 100_000])).unwrap();
    assert_eq!(words(machine.read_file("notes/one.txt")).unwrap(), b"hello");
    assert_eq!(words(machine.read_file("two.bin")).unwrap(), [7; 100_000]);
    let listed: Vec<_> = machine
        .list_files()
        .into_iter()
        .map(|file| (file.path, file.kind, file.size))
        .collect();
    assert_eq!(
        listed,
        [
            ("notes".into(), "directory".into(), 0.0),
            ("notes/one.txt".into(), "file".into(), 5.0),
            ("two.bin".to_string(), "file".to_string(), 100_000.0),
        ]
    );
    words(machine.remove_file("two.bin")).unwrap();
    assert!(words(machine.read_file("two.bin")).is_err());
    for bad in [
        "",
        "/",
        "..",
        "../x",
        "notes/../../x",
        "notes",
        "two.bin/x/y",
        "nul\0",
    ] {
        let error = words(machine.read_file(bad)).expect_err(bad);
        assert!(!error.is_empty());
    }
}

#[wasm_bindgen_test]
fn bad_machines_are_refused_in_words() {
    let error = words(MachineBuilder::new(64, 99).build()).expect_err("99 harts");
    assert!(error.contains("99"), "{error}");
    assert!(words(MachineBuilder::new(0, 1).build()).is_err());
    let error = words(MachineBuilder::new(4_000, 1).build()).expect_err("more than one allocation can have");
    assert!(error.contains("memory"), "{error}");

    for bytes in [vec![], b"\x7fELF".to_vec(), vec![0x1f, 0x8b, 8, 0, 0]] {
        let mut builder = MachineBuilder::new(64, 1);
        let mut image = ImageBytes::new();
        assert!(image.append(&bytes).is_ok());
        builder.kernel("vmlinux.bad".into(), image);
        let error = words(builder.build()).expect_err("not a kernel");
        assert!(error.contains("vmlinux.bad"), "{error}");
    }
}

#[wasm_bindgen_test]
fn a_disk_needs_a_worker() {
    let contents = web_sys::Blob::new().unwrap();
    let mut builder = MachineBuilder::new(64, 1);
    let in_worker = js_sys::Reflect::has(&js_sys::global(), &"FileReaderSync".into()).unwrap();
    assert_eq!(words(builder.disk(contents, true)).is_ok(), in_worker);
}

#[wasm_bindgen_test]
fn the_console_takes_anything() {
    let mut machine = monitor();
    run_until(&mut machine, PROMPT, 200);
    machine.resize(1, 1);
    machine.resize(u16::MAX, u16::MAX);
    let noise: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    machine.input(&noise);
    for _ in 0..20 {
        machine.run(100_000);
        machine.take_output();
    }
}

/// Blocks of 32 KiB, and how often the memory grew for them.
fn blocks(count: usize) -> (Vec<Vec<u8>>, usize) {
    let mut growths = 0;
    let blocks = (0..count).map(|_| {
        let before = memory_size(0);
        let block = vec![0_u8; 32 << 10];
        growths += usize::from(memory_size(0) != before);
        block
    });
    (blocks.collect(), growths)
}

/// Growth is slow where there are many modules, so there is little of it, and slices have what they need before they begin.
#[wasm_bindgen_test]
fn memory_grows_in_large_steps_and_between_slices() {
    let (kept, growths) = blocks(3000);
    assert!(growths <= 7, "{growths}");
    assert!(kept.iter().flatten().all(|&byte| byte == 0));
    // More than may have been free before: without growth between them it would be needed within.
    let mut machine = monitor();
    let mut more = Vec::new();
    for slice in 0..30 {
        machine.run(1);
        let (kept, growths) = blocks(96);
        assert_eq!(growths, 0, "after slice {slice}");
        more.push(kept);
    }
}
