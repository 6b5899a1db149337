//! The hierarchies of a machine.

use std::sync::Arc;

use super::{Fence, Mailbox};
use crate::mem::tlb::core::SharedTlb;
use crate::mem::tlb::{Hierarchy, HierarchyKind, TlbConfig};

/// What the hierarchies of a machine's harts have in common. Each hart holds its own, made by [`Self::hierarchy`].
#[derive(Debug)]
pub struct Manager {
    config: TlbConfig,
    shared: Option<Arc<SharedTlb>>,
    mailboxes: Vec<Mailbox>,
}

impl Manager {
    /// For `harts` harts.
    pub fn new(config: TlbConfig, harts: usize) -> Self {
        let shared = (config.hierarchy == HierarchyKind::Concurrent).then(Arc::default);
        Manager {
            config,
            shared,
            mailboxes: (0..harts).map(|_| Mailbox::default()).collect(),
        }
    }

    /// How it was made.
    pub fn config(&self) -> TlbConfig {
        self.config
    }

    /// A hart's hierarchy, empty.
    pub fn hierarchy(&self) -> Hierarchy {
        Hierarchy::new(self.config, self.shared.clone())
    }

    /// Sends a hart a fence of another. Returns whether it must be obeyed at once, since there are no messages.
    #[must_use = "a fence that is not sent must be obeyed"]
    pub fn send(&self, hart: usize, fence: Fence) -> bool {
        let by_message = matches!(
            self.config.hierarchy,
            HierarchyKind::PerCpu | HierarchyKind::Concurrent
        );
        match self.mailboxes.get(hart) {
            Some(mailbox) if by_message => {
                mailbox.put(fence);
                false
            }
            _ => true,
        }
    }

    /// What a hart must obey before it runs on.
    #[inline]
    pub fn received(&self, hart: usize) -> Vec<Fence> {
        self.mailboxes.get(hart).map(Mailbox::take).unwrap_or_default()
    }
}
