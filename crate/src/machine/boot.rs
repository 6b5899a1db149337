//! Power-on: images into RAM, harts to their first instruction.

use super::board::Board;
use super::device_tree::{self, BoardShape, Mmu};
use super::firmware::{self, Power};
use super::image::{Image, Loader};
use super::{MachineError, map};
use crate::engine::Core;
use crate::isa::riscv::hart::Hart;
use crate::isa::riscv::insn::Reg;
use crate::mem::Node;

/// What is loaded at each power-on.
#[derive(Debug, Default)]
pub struct BootImages {
    /// M-mode firmware.
    pub bios: Option<Image>,
    /// Kernel.
    pub kernel: Option<Image>,
    /// Initial RAM disk.
    pub initrd: Option<Image>,
    /// The kernel's command line.
    pub append: String,
}

/// Loads the images and makes the harts, ready for their first instruction.
pub fn power_on(
    images: &BootImages,
    board: &mut Board,
    harts: usize,
    nodes: &[Node],
    rng_seed: [u8; 32],
) -> Result<(Vec<Core>, Vec<Power>), MachineError> {
    let mut loader = Loader::new(&mut board.ram);
    let bios = images
        .bios
        .as_ref()
        .map(|image| loader.firmware(image))
        .transpose()?;
    let kernel = images
        .kernel
        .as_ref()
        .map(|image| loader.kernel(image))
        .transpose()?;
    let initrd = images
        .initrd
        .as_ref()
        .map(|image| loader.initrd(image))
        .transpose()?;
    let tree = device_tree::build(&BoardShape {
        harts,
        memory: nodes,
        mmu: Mmu::Sv57,
        virtio_slots: 0..map::VIRTIO_SLOTS,
        append: &images.append,
        initrd,
        rng_seed: Some(rng_seed),
    })?;
    let tree_at = loader.device_tree(&tree)?;
    let mut cores = Vec::new();
    let mut power = Vec::new();
    if let Some(bios) = bios {
        let info = match &kernel {
            Some(kernel) => loader.firmware_info(kernel.entry)?,
            None => 0,
        };
        for id in 0..harts as u64 {
            let mut hart = Hart::new(id, bios.entry);
            let x = &mut hart.state.x;
            x.set(Reg::A0, id);
            x.set(Reg::new(11), tree_at);
            x.set(Reg::new(12), info);
            cores.push(Core::new(hart));
            power.push(Power::Started);
        }
        return Ok((cores, power));
    }
    let Some(kernel) = kernel else {
        return Err(MachineError::NothingToRun);
    };
    for id in 0..harts as u64 {
        let mut hart = Hart::new(id, kernel.entry);
        firmware::prepare(&mut hart);
        if id == 0 {
            firmware::enter_supervisor(&mut hart, kernel.entry, tree_at);
        }
        cores.push(Core::new(hart));
        power.push(if id == 0 { Power::Started } else { Power::Stopped });
    }
    Ok((cores, power))
}
