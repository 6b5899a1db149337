//! The flattened device tree that tells a guest what the board has, shaped like that of QEMU's `virt` machine.
//!
//! Devicetree specification 0.4; node shapes from the Linux kernel's bindings. Addresses and interrupt numbers come from
//! [`super::map`].

use std::ops::Range;

use vm_fdt::{Error, FdtWriter};

use super::map::{self, Window};
use crate::device::{finisher, plic};
use crate::mem::Node;

/// How many levels of page table the harts walk at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mmu {
    /// Three levels, 39-bit addresses.
    Sv39,
    /// Four levels, 48-bit addresses.
    Sv48,
    /// Five levels, 57-bit addresses.
    Sv57,
}

impl Mmu {
    fn name(self) -> &'static str {
        match self {
            Self::Sv39 => "riscv,sv39",
            Self::Sv48 => "riscv,sv48",
            Self::Sv57 => "riscv,sv57",
        }
    }
}

/// What varies from one board to another.
#[derive(Debug, Clone)]
pub struct BoardShape<'a> {
    /// Number of harts.
    pub harts: usize,
    /// RAM, by memory nodes. Harts are shared out among them too, so there are not more nodes than harts.
    pub memory: &'a [Node],
    /// The longest page-table walk.
    pub mmu: Mmu,
    /// The virtio-mmio slots to describe, in ascending order.
    pub virtio_slots: Range<usize>,
    /// The kernel's command line.
    pub append: &'a str,
    /// Where the initial RAM disk lies.
    pub initrd: Option<Range<u64>>,
    /// Seed for the kernel's random number generator.
    pub rng_seed: Option<[u8; 32]>,
}

/// Why a device tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeviceTreeError {
    /// A string that ends early for the guest.
    #[error("the kernel command line has a NUL character at byte {0}; leave it out")]
    NulInAppend(usize),
    /// The writer refused.
    #[error("the device tree cannot be written: {0}")]
    Writer(#[from] Error),
}

/// Extensions in the order the ISA string must have them: single letters, then Z by category, then S.
const EXTENSIONS: &[&str] = &[
    "i", "m", "a", "f", "d", "c", "zicbom", "zicboz", "zicntr", "zicsr", "zifencei", "zba", "zbb", "zbs",
    "sstc", "svadu", "svinval", "svpbmt",
];

/// The older form of the same list: "rv64imafdc_zicbom_…".
fn isa_string() -> String {
    let mut isa = String::from("rv64");
    for extension in EXTENSIONS {
        if extension.len() > 1 {
            isa.push('_');
        }
        isa.push_str(extension);
    }
    isa
}

// Interrupt numbers of a hart's local interrupts, as in `mcause`.
const SOFTWARE_M: u32 = 3;
const TIMER_M: u32 = 7;
const EXTERNAL_S: u32 = 9;
const EXTERNAL_M: u32 = 11;

// Phandles: the harts' interrupt controllers follow these, and the harts those.
const PLIC: u32 = 1;
const FINISHER: u32 = 2;
const FIRST_INTC: u32 = 3;

/// Builds the tree.
pub fn build(shape: &BoardShape<'_>) -> Result<Vec<u8>, DeviceTreeError> {
    if let Some(at) = shape.append.find('\0') {
        return Err(DeviceTreeError::NulInAppend(at));
    }
    let mut tree = Tree(FdtWriter::new()?);
    tree.node("", |tree| {
        tree.u32s("#address-cells", &[2])?;
        tree.u32s("#size-cells", &[2])?;
        tree.strings("compatible", &["riscv-virtio"])?;
        tree.strings("model", &["riscv-virtio,tabvisor"])?;
        chosen(tree, shape)?;
        tree.node("aliases", |tree| tree.strings("serial0", &[&uart_path()]))?;
        for (number, &Node { base, size }) in shape.memory.iter().enumerate() {
            tree.node(&format!("memory@{base:x}"), |tree| {
                tree.strings("device_type", &["memory"])?;
                tree.reg(Window { base, size })?;
                tree.numa_node(number, shape)
            })?;
        }
        if shape.memory.len() > 1 {
            distances(tree, shape.memory.len())?;
        }
        cpus(tree, shape)?;
        for (name, value) in [
            ("poweroff", finisher::POWER_OFF_VALUE),
            ("reboot", finisher::RESET_VALUE),
        ] {
            tree.node(name, |tree| {
                tree.strings("compatible", &[&format!("syscon-{name}")])?;
                tree.u32s("regmap", &[FINISHER])?;
                tree.u32s("offset", &[0])?;
                tree.u32s("value", &[value])
            })?;
        }
        tree.node("soc", |tree| soc(tree, shape))
    })?;
    Ok(tree.0.finish()?)
}

fn uart_path() -> String {
    format!("/soc/serial@{:x}", map::UART.base)
}

/// The writer with nodes as closures and the property forms that occur here.
struct Tree(FdtWriter);

impl Tree {
    fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let node = self.0.begin_node(name)?;
        inside(self)?;
        self.0.end_node(node)
    }

    fn device(
        &mut self,
        name: &str,
        window: Window,
        compatible: &[&str],
        inside: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.node(&format!("{name}@{:x}", window.base), |tree| {
            tree.strings("compatible", compatible)?;
            tree.reg(window)?;
            inside(tree)
        })
    }

    fn reg(&mut self, window: Window) -> Result<(), Error> {
        self.0.property_array_u64("reg", &[window.base, window.size])
    }

    fn interrupt(&mut self, source: u32) -> Result<(), Error> {
        self.u32s("interrupts", &[source])?;
        self.u32s("interrupt-parent", &[PLIC])
    }

    fn u32s(&mut self, name: &str, cells: &[u32]) -> Result<(), Error> {
        self.0.property_array_u32(name, cells)
    }

    /// Says which node a hart or memory is in, where there is more than one.
    fn numa_node(&mut self, node: usize, shape: &BoardShape<'_>) -> Result<(), Error> {
        if shape.memory.len() < 2 {
            return Ok(());
        }
        self.u32s("numa-node-id", &[node as u32])
    }

    fn strings(&mut self, name: &str, values: &[&str]) -> Result<(), Error> {
        self.0
            .property_string_list(name, values.iter().map(ToString::to_string).collect())
    }

    fn flag(&mut self, name: &str) -> Result<(), Error> {
        self.0.property_null(name)
    }
}

fn chosen(tree: &mut Tree, shape: &BoardShape<'_>) -> Result<(), Error> {
    tree.node("chosen", |tree| {
        tree.strings("stdout-path", &[&uart_path()])?;
        tree.strings("bootargs", &[shape.append])?;
        if let Some(initrd) = &shape.initrd {
            tree.0.property_u64("linux,initrd-start", initrd.start)?;
            tree.0.property_u64("linux,initrd-end", initrd.end)?;
        }
        if let Some(seed) = &shape.rng_seed {
            tree.0.property("rng-seed", seed)?;
        }
        Ok(())
    })
}

/// How far nodes are from each other (binding "numa-distance-map-v1"): as far as Linux takes them to be where nothing says.
fn distances(tree: &mut Tree, nodes: usize) -> Result<(), Error> {
    const LOCAL: u32 = 10;
    const REMOTE: u32 = 20;
    // The way back is as far, so each pair is listed once.
    let pairs = (0..nodes as u32).flat_map(|from| (from..nodes as u32).map(move |to| (from, to)));
    let matrix: Vec<u32> = pairs
        .flat_map(|(from, to)| [from, to, if from == to { LOCAL } else { REMOTE }])
        .collect();
    tree.node("distance-map", |tree| {
        tree.strings("compatible", &["numa-distance-map-v1"])?;
        tree.u32s("distance-matrix", &matrix)
    })
}

fn hart_intc(hart: usize) -> u32 {
    FIRST_INTC + hart as u32
}

fn cpus(tree: &mut Tree, shape: &BoardShape<'_>) -> Result<(), Error> {
    let hart_phandle = |hart: usize| hart_intc(shape.harts + hart);
    tree.node("cpus", |tree| {
        tree.u32s("#address-cells", &[1])?;
        tree.u32s("#size-cells", &[0])?;
        tree.u32s("timebase-frequency", &[map::TIMEBASE_HZ])?;
        for hart in 0..shape.harts {
            tree.node(&format!("cpu@{hart:x}"), |tree| {
                tree.0.property_phandle(hart_phandle(hart))?;
                tree.strings("device_type", &["cpu"])?;
                tree.u32s("reg", &[hart as u32])?;
                tree.strings("status", &["okay"])?;
                tree.strings("compatible", &["riscv"])?;
                tree.strings("riscv,isa", &[&isa_string()])?;
                tree.strings("riscv,isa-base", &["rv64i"])?;
                tree.strings("riscv,isa-extensions", EXTENSIONS)?;
                tree.strings("mmu-type", &[shape.mmu.name()])?;
                tree.numa_node(hart * shape.memory.len() / shape.harts, shape)?;
                tree.u32s("riscv,cbom-block-size", &[map::CACHE_BLOCK])?;
                tree.u32s("riscv,cboz-block-size", &[map::CACHE_BLOCK])?;
                tree.node("interrupt-controller", |tree| {
                    tree.0.property_phandle(hart_intc(hart))?;
                    tree.u32s("#address-cells", &[0])?;
                    tree.u32s("#interrupt-cells", &[1])?;
                    tree.flag("interrupt-controller")?;
                    tree.strings("compatible", &["riscv,cpu-intc"])
                })
            })?;
        }
        tree.node("cpu-map", |tree| {
            tree.node("cluster0", |tree| {
                (0..shape.harts).try_for_each(|hart| {
                    tree.node(&format!("core{hart}"), |tree| {
                        tree.u32s("cpu", &[hart_phandle(hart)])
                    })
                })
            })
        })
    })
}

fn soc(tree: &mut Tree, shape: &BoardShape<'_>) -> Result<(), Error> {
    // Which local interrupts of each hart a controller drives.
    let wires = |interrupts: [u32; 2]| -> Vec<u32> {
        (0..shape.harts)
            .flat_map(|hart| interrupts.map(|interrupt| [hart_intc(hart), interrupt]))
            .flatten()
            .collect()
    };
    tree.strings("compatible", &["simple-bus"])?;
    tree.u32s("#address-cells", &[2])?;
    tree.u32s("#size-cells", &[2])?;
    tree.flag("ranges")?;
    tree.device(
        "test",
        map::FINISHER,
        &["sifive,test1", "sifive,test0", "syscon"],
        |tree| tree.0.property_phandle(FINISHER),
    )?;
    tree.device("rtc", map::RTC, &["google,goldfish-rtc"], |tree| {
        tree.interrupt(map::RTC_IRQ)
    })?;
    tree.device("clint", map::CLINT, &["sifive,clint0", "riscv,clint0"], |tree| {
        tree.u32s("interrupts-extended", &wires([SOFTWARE_M, TIMER_M]))
    })?;
    tree.device("plic", map::PLIC, &["sifive,plic-1.0.0", "riscv,plic0"], |tree| {
        tree.0.property_phandle(PLIC)?;
        tree.u32s("#interrupt-cells", &[1])?;
        tree.u32s("#address-cells", &[0])?;
        tree.flag("interrupt-controller")?;
        tree.u32s("riscv,ndev", &[plic::SOURCES as u32 - 1])?;
        tree.u32s("interrupts-extended", &wires([EXTERNAL_M, EXTERNAL_S]))
    })?;
    tree.device("serial", map::UART, &["ns16550a"], |tree| {
        tree.u32s("clock-frequency", &[map::UART_CLOCK_HZ])?;
        tree.interrupt(map::UART_IRQ)
    })?;
    for slot in shape.virtio_slots.clone() {
        tree.device("virtio_mmio", map::virtio(slot), &["virtio,mmio"], |tree| {
            tree.interrupt(map::virtio_irq(slot))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
