//! The system maps fresh pages when they are touched. (The allocator would zero them all at once: it cannot promise
//! both alignment and untouched memory.)

use std::ptr::{NonNull, null_mut};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::HugePages;

/// Where blocks begin, so that huge pages fit.
const HUGE: usize = 2 << 20;

pub fn allocate(len: usize, huge: HugePages) -> Option<NonNull<u8>> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let all = len.checked_add(HUGE)?;
    // SAFETY: a new mapping, at an address of the system's choice.
    let start = unsafe { mmap_anonymous(null_mut(), all, ProtFlags::READ | ProtFlags::WRITE, flags) };
    let start = start.ok()?.cast::<u8>();
    // The ends that are not needed go. Nothing is lost but address space if that fails.
    let before = start.align_offset(HUGE);
    // SAFETY: `before` is less than `HUGE`, so `len` bytes fit behind it.
    let (aligned, end) = unsafe { (start.add(before), start.add(before + len)) };
    for (unneeded, len) in [(start, before), (end, HUGE - before)] {
        if len > 0 {
            // SAFETY: a part of the mapping just made, which nobody has seen yet.
            let _ = unsafe { munmap(unneeded.cast(), len) };
        }
    }
    advise(aligned, len, huge);
    NonNull::new(aligned)
}

#[cfg(target_os = "linux")]
fn advise(start: *mut u8, len: usize, huge: HugePages) {
    use rustix::mm::{Advice, madvise};
    let advice = match huge {
        HugePages::Auto | HugePages::On => Advice::LinuxHugepage,
        HugePages::Off => Advice::LinuxNoHugepage,
    };
    // SAFETY: our mapping; the advice changes nothing that can be seen in it.
    match unsafe { madvise(start.cast(), len, advice) } {
        // A host without them refuses either advice.
        Err(error) if huge == HugePages::On => {
            log::warn!("this host gives no huge pages ({error}): guest memory is in pages of 4 KiB");
        }
        _ => {}
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: *mut u8, _len: usize, huge: HugePages) {
    if huge == HugePages::On {
        log::warn!(
            "huge pages can be asked for on Linux only: guest memory is in pages of the system's choice"
        );
    }
}

pub fn free(start: NonNull<u8>, len: usize) {
    // SAFETY: mapped by `allocate` with this length, and nobody uses it any more. Nothing can be done if it fails.
    let _ = unsafe { munmap(start.as_ptr().cast(), len) };
}

/// Gives whole pages back, which then read as zero; false if that cannot be done.
pub fn give_back(pages: &mut [u8]) -> bool {
    #[cfg(target_os = "linux")]
    if !pages.is_empty() {
        use rustix::mm::{Advice, madvise};
        // SAFETY: whole pages of private anonymous memory, borrowed exclusively; after DONTNEED they read as zero, which
        // is a valid state for bytes.
        return unsafe { madvise(pages.as_mut_ptr().cast(), pages.len(), Advice::LinuxDontNeed) }.is_ok();
    }
    // Elsewhere this advice need not make the pages read as zero.
    pages.is_empty()
}

/// Says of each 4 KiB page from `start` on whether it is in the system's memory; false if the system does not say.
#[cfg(target_os = "linux")]
pub fn resident(start: *const u8, there: &mut [bool]) -> bool {
    let mut answers = [0_u8; super::ASKED];
    let answers = &mut answers[..there.len()];
    // SAFETY: the call reads page tables only, and writes a byte for each page of the range; where the system's pages are
    // larger, fewer.
    let result = unsafe {
        libc::mincore(
            start.cast_mut().cast(),
            there.len() * super::PAGE,
            answers.as_mut_ptr(),
        )
    };
    for (there, answer) in there.iter_mut().zip(&*answers) {
        *there = answer & 1 != 0;
    }
    result == 0 && rustix::param::page_size() == super::PAGE
}

#[cfg(not(target_os = "linux"))]
pub fn resident(_start: *const u8, _there: &mut [bool]) -> bool {
    false
}

/// The most nodes that a host can have, by Linux's own limit.
#[cfg(target_os = "linux")]
const MAX_NODES: usize = 1024;

#[cfg(target_os = "linux")]
type NodeMask = [libc::c_ulong; MAX_NODES / libc::c_ulong::BITS as usize];

/// `MPOL_F_MEMS_ALLOWED` of `linux/mempolicy.h`: asks for the nodes that there are.
#[cfg(target_os = "linux")]
const MEMS_ALLOWED: libc::c_ulong = 1 << 2;

/// The numbers of the host's memory nodes that this process may use; none if the host does not say.
#[cfg(target_os = "linux")]
pub fn nodes() -> Vec<usize> {
    let mut mask: NodeMask = [0; _];
    let (no_mode, no_addr) = (null_mut::<libc::c_int>(), null_mut::<libc::c_void>());
    // SAFETY: the call writes at most the mask, whose size in bits it is told.
    let result = unsafe {
        let mask = mask.as_mut_ptr();
        libc::syscall(
            libc::SYS_get_mempolicy,
            no_mode,
            mask,
            MAX_NODES,
            no_addr,
            MEMS_ALLOWED,
        )
    };
    if result != 0 {
        return Vec::new();
    }
    let bits = libc::c_ulong::BITS as usize;
    (0..MAX_NODES)
        .filter(|node| mask[node / bits] >> (node % bits) & 1 != 0)
        .collect()
}

/// Lets the memory of `pages` come from node `node` while that has some.
#[cfg(target_os = "linux")]
pub fn prefer_node(pages: &mut [u8], node: usize) -> bool {
    let mut mask: NodeMask = [0; _];
    let bits = libc::c_ulong::BITS as usize;
    let Some(word) = mask.get_mut(node / bits) else {
        return false;
    };
    *word |= 1 << (node % bits);
    // SAFETY: whole pages of our own mapping, and a mask whose size in bits the call is told; what is in memory stays.
    let result = unsafe {
        let (start, mask) = (pages.as_mut_ptr(), mask.as_ptr());
        libc::syscall(
            libc::SYS_mbind,
            start,
            pages.len(),
            libc::MPOL_PREFERRED,
            mask,
            MAX_NODES,
            0,
        )
    };
    result == 0
}
