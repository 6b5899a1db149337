//! A machine's RAM, as its host sees it: how much is in use, what can be given back, and which pages change.

use super::{Machine, MemoryUse};

impl Machine {
    /// What RAM takes of the host. Asked of the host each time: not for every turn.
    pub fn memory_use(&self) -> MemoryUse {
        MemoryUse {
            ram_in_use_bytes: self.board.ram.in_use(),
            ram_trimmed_bytes: self.trimmed_bytes,
        }
    }

    /// Gives pages of RAM that are all zero back to the host, of `pages` that it looks at: for when the machine is idle. The
    /// guest sees nothing of it.
    pub fn trim_memory(&mut self, pages: usize) {
        self.trimmed_bytes += self.board.ram.trim(pages);
    }

    /// Begins to note which pages of RAM are written, by harts and devices. All count as clean from here on.
    pub fn track_dirty_pages(&mut self) {
        self.board.ram.track_dirty();
        self.watch_stores();
    }

    /// No longer notes which pages are written, which then costs nothing again.
    pub fn stop_tracking_dirty_pages(&mut self) {
        self.board.ram.stop_tracking_dirty();
    }

    /// Guest-physical addresses of the pages written since tracking began or this was asked last, in ascending order; they
    /// count as clean again. None without tracking.
    pub fn take_dirty_pages(&mut self) -> impl Iterator<Item = u64> + use<> {
        self.watch_stores();
        self.board.ram.take_dirty()
    }

    /// Takes all permissions to store out of the fast tables, so that the first store to each page is seen.
    fn watch_stores(&mut self) {
        for core in &mut self.cores {
            core.hart.tlb.protect_all();
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
