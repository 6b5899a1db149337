//! Debian's Linux: boot, harts, power, and the devices it needs no driver's help for.

use tabvisor::machine::Exit;

use crate::engines::Engine;
use crate::harness::{EPOCH_NS, Guest, READY, linux};

under_every_engine!(
    it_boots_and_answers_what_is_typed,
    randomness_and_the_date_come_from_their_devices,
    four_harts_work_and_a_reboot_boots_again,
);

fn it_boots_and_answers_what_is_typed(engine: Engine) {
    let mut guest = Guest::start(engine, linux(1));
    guest.expect(READY);
    guest.expect("# ");
    guest.type_line("uname -m; echo $((6 * 7))");
    guest.expect("riscv64\r\n42\r\n");
    guest.type_line("poweroff -f");
    assert_eq!(guest.until_exit(), Exit::PowerOff);
}

fn randomness_and_the_date_come_from_their_devices(engine: Engine) {
    let mut guest = Guest::boot(engine, linux(1));
    let source = guest.run("cat /sys/class/misc/hw_random/rng_current");
    assert!(source.starts_with("virtio_rng"), "{source}");
    let bytes = guest.run("dd if=/dev/hwrng bs=64 count=4 2>/dev/null | xxd -p -c 64");
    let rows: Vec<_> = bytes.lines().collect();
    assert!(rows.len() == 4 && rows[0] != rows[1], "{bytes}");
    let seconds: u64 = guest.run("date +%s").parse().unwrap();
    let passed = seconds.checked_sub(EPOCH_NS / 1_000_000_000);
    assert!(passed.is_some_and(|passed| passed < 100), "{seconds}");
    // Leaving the shell loop and the shell ends the machine in order.
    guest.type_line("exit");
    assert_eq!(guest.until_exit(), Exit::PowerOff);
}

fn four_harts_work_and_a_reboot_boots_again(engine: Engine) {
    let mut guest = Guest::boot(engine, linux(4));
    assert_eq!(guest.run("nproc"), "4");
    for hart in 0..4 {
        let where_it_ran = format!(
            "taskset {:x} sh -c 'seq 1 2000 | sha256sum; awk \"{{print \\$39}}\" /proc/self/stat'",
            1 << hart
        );
        let output = guest.run(&where_it_ran);
        let sum = "6251e5743b6fd6a7d606130bdf7c15077ce85ebd3a0fdee284d15a46df199e38  -";
        assert_eq!(output, format!("{sum}\n{hart}"));
    }
    let interrupts = guest.run("cat /proc/interrupts");
    let mut calls = [0_u64; 4];
    for line in interrupts
        .lines()
        .filter(|line| line.trim_start().starts_with("IPI"))
    {
        let counts = line
            .split_whitespace()
            .skip(1)
            .map_while(|word| word.parse::<u64>().ok());
        calls
            .iter_mut()
            .zip(counts)
            .for_each(|(call, count)| *call += count);
    }
    assert!(calls.iter().all(|&call| call > 0), "{interrupts}");

    guest.type_line("reboot -f");
    assert_eq!(guest.until_exit(), Exit::Reset);
    guest.machine.reset().unwrap();
    guest.wait_for_shell();
    assert_eq!(guest.run("nproc"), "4");
    guest.type_line("poweroff");
    assert_eq!(guest.until_exit(), Exit::PowerOff);
}
