//! The board's own devices: any access at any offset, in any order, at any time.

use tabvisor::device::clint::Clint;
use tabvisor::device::finisher::Finisher;
use tabvisor::device::plic::Plic;
use tabvisor::device::rtc::Rtc;
use tabvisor::device::uart::Uart;
use tabvisor::device::{DeviceContext, MmioDevice};
use tabvisor::machine::map::{self, Window};
use tabvisor::mem::Ram;

use super::Input;

/// First byte: number of harts; then one access after another.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let harts = usize::from(input.u8() % 8) + 1;
    let mut ram = Ram::new(map::RAM_BASE, 1 << 12).expect("a page");
    let (mut clint, mut plic) = (Clint::new(harts), Plic::new(harts));
    let (mut uart, mut rtc, mut finisher) = (Uart::new(), Rtc::new(0), Finisher::new());
    let mut now_ns = 0u64;
    while !input.is_empty() {
        let what = input.u8();
        let how = input.u8();
        now_ns = match how >> 4 & 3 {
            0 | 1 => now_ns,
            2 => now_ns.saturating_add(input.u16().into()),
            _ => now_ns.saturating_add(input.u64()),
        };
        let (device, window): (&mut dyn MmioDevice, Window) = match what % 5 {
            0 => (&mut clint, map::CLINT),
            1 => (&mut plic, map::PLIC),
            2 => (&mut uart, map::UART),
            3 => (&mut rtc, map::RTC),
            _ => (&mut finisher, map::FINISHER),
        };
        let mut cx = DeviceContext {
            ram: &mut ram,
            now_ns,
        };
        let offset = match how >> 2 & 3 {
            0 => input.u8().into(),
            1 => u64::from(input.u8()) * 4,
            2 => input.u16().into(),
            _ => input.u32().into(),
        } % window.size;
        let size = 1 << (how & 3);
        if how & 0x80 == 0 {
            // No register there is a right answer.
            let value = device.read(offset, size, &mut cx).unwrap_or(0);
            let top = u64::MAX >> (64 - 8 * u32::from(size));
            assert!(value <= top, "{offset:#x}: {value:#x} in {size} bytes");
        } else {
            let _ = device.write(offset, size, input.u64(), &mut cx);
        }
        if how & 0x40 != 0 {
            plic.set_level(usize::from(what >> 3) + 1, how & 1 != 0);
            uart.push_input(&[what, how]);
            rtc.poll(now_ns);
        }
        let _ = finisher.take_request();
        assert!(uart.take_output().len() <= 1);
        let due = (0..harts).map(|hart| clint.next_timer_ns(hart, now_ns));
        for at in due.chain([rtc.next_alarm_ns(now_ns)]).flatten() {
            assert!(at >= now_ns, "a deadline in the past");
        }
        let _ = (plic.outputs(), uart.interrupt(), rtc.interrupt());
    }
}
