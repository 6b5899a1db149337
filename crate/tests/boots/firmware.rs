//! Real firmware: Debian's OpenSBI and U-Boot.

use tabvisor::machine::{Exit, MachineConfig};

use crate::engines::Engine;
use crate::harness::{Guest, bare, guest_file, linux};

under_every_engine!(
    opensbi_starts_linux_on_two_harts,
    opensbi_starts_u_boot,
    u_boot_runs_on_our_own_firmware,
    u_boot_runs_in_machine_mode,
);

fn opensbi_starts_linux_on_two_harts(engine: Engine) {
    let mut guest = Guest::start(
        engine,
        MachineConfig {
            bios: Some(guest_file("opensbi/fw_dynamic.bin")),
            ..linux(2)
        },
    );
    guest.expect("OpenSBI v1.");
    guest.expect("Platform HART Count         : 2");
    guest.wait_for_shell();
    assert_eq!(guest.run("nproc"), "2");
    let log = guest.run("dmesg | grep SBI");
    assert!(log.contains("SBI implementation ID=0x1"), "{log}");
    guest.type_line("poweroff -f");
    assert_eq!(guest.until_exit(), Exit::PowerOff);
}

/// Stops U-Boot's countdown and uses its shell.
fn use_u_boot(mut guest: Guest) {
    guest.expect("U-Boot 20");
    guest.expect("Hit any key to stop autoboot");
    guest.machine.console_input(b" ");
    guest.expect("=> ");
    guest.type_line("setexpr product 6 * 7; echo product is 0x${product}");
    guest.expect("product is 0x2a\r\n");
    guest.expect("=> ");
    guest.type_line("mw.q 86000000 1122334455667788 2; md.q 86000000 2; virtio info");
    guest.expect("86000000: 1122334455667788 1122334455667788");
    guest.expect("=> ");
    guest.type_line("poweroff");
    assert_eq!(guest.until_exit(), Exit::PowerOff);
}

fn opensbi_starts_u_boot(engine: Engine) {
    use_u_boot(Guest::start(
        engine,
        MachineConfig {
            bios: Some(guest_file("opensbi/fw_dynamic.bin")),
            kernel: Some(guest_file("u-boot/u-boot.bin")),
            ..bare(256, 1)
        },
    ));
}

fn u_boot_runs_on_our_own_firmware(engine: Engine) {
    use_u_boot(Guest::start(
        engine,
        MachineConfig {
            kernel: Some(guest_file("u-boot/u-boot.bin")),
            ..bare(256, 1)
        },
    ));
}

fn u_boot_runs_in_machine_mode(engine: Engine) {
    use_u_boot(Guest::start(
        engine,
        MachineConfig {
            bios: Some(guest_file("u-boot/u-boot-machine.bin")),
            ..bare(256, 1)
        },
    ));
}
