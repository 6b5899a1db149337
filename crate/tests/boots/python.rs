//! Debian's Python runs its own tests: floating point to the last digit, packing, text, compression, processes.

use tabvisor::machine::MachineConfig;

use crate::engines::Engine;
use crate::harness::{Guest, guest_file, linux};

under_every_engine!(its_own_tests_pass);

/// Test modules, and how many tests at least run in each: fewer would mean that it no longer finds them.
const MODULES: [(&str, u32); 5] = [
    ("test_math", 80),
    ("test_float", 45),
    ("test_struct", 35),
    ("test_json", 170),
    ("test_zlib", 70),
];

fn its_own_tests_pass(engine: Engine) {
    let file = |name| Some(guest_file(name));
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            kernel: file("python/kernel"),
            initrd: file("python/initrd.gz"),
            ..linux(1)
        },
    );
    for (module, least) in MODULES {
        // One after the other, so that each has its share of the harness's patience.
        let (output, status) = guest.run_status(&format!("python3 -m test {module} 2>&1"));
        assert!(status == 0 && output.contains("Result: SUCCESS"), "{output}");
        let count = output.split("Total tests: run=").nth(1).unwrap_or_default();
        let digits = count.split(|c: char| !c.is_ascii_digit()).next();
        let run: u32 = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
        assert!(run >= least, "{module}: {run} tests ran, not {least}:\n{output}");
    }
}
