//! The run loop with a compiler: code is interpreted until it is hot, then compiled.
//!
//! What is hot is told by counters at the targets of jumps ([`super::code::Slot`]): an address whose heat is used up is
//! formed into a region and handed to the back end, and interpreted on until that has finished. Compiled regions find each
//! other by the branch-target caches; what they do not find, they return for. Where a turn ends is a sample of where the
//! time goes: regions that are met so again and again are compiled once more, larger and with every optimisation.
//!
//! State is exact at the top of the loop, as in the interpreter, so interrupts, flushes and writes to code are dealt with
//! there by both in the same way.

mod collect;
mod context;
mod departures;
mod helpers;
mod look;
mod original;
mod policy;
mod source;
mod stats;
mod translations;

pub use context::{Context, Targets, abi};
use original::Original;
pub use policy::{BadTierWord, Policy, TierConfig};
pub use stats::JitStats;
use translations::Keepers;
pub use translations::{Key, State, Translation, Translations};

use super::code::{Changes, CodeCache, Page};
use super::interpreter::{self, Entry, OFFSET, Systems};
use super::profile::{self, Profile};
use super::{Core, EngineConfig, Leave};
use crate::engine::branch_target::Target;
use crate::ir::passes::{PassSet, shape};
use crate::ir::{self, Point, PointId};
use crate::isa::riscv::hart::FetchFlush;
use crate::isa::riscv::mmu::Probe;
use crate::jit::gc::{self, Collector, Pauses};
use crate::jit::region::form;
use crate::jit::{Backend, CompileError, Finished, Job, Tier};
use crate::mem::Bus;
use rustc_hash::FxHashSet;
use source::GuestCode;

/// Rounding modes below this are valid; compiled code relies on it (`frm`).
const ROUNDING_MODES: u8 = 5;

/// How much longer than usual an address is interpreted before it is compiled again for which there was no room.
const RETRY_WITHOUT_ROOM: u16 = 16;

/// The compiler and what it has made; one serves all harts.
#[derive(Debug)]
pub struct Jit {
    backend: Box<dyn Backend>,
    translations: Translations,
    policy: Policy,
    passes: PassSet,
    profile: profile::Shared,
    finished: Vec<Finished>,
    collector: Box<dyn Collector>,
    /// What is to be freed next.
    freed: Vec<u32>,
    pauses: Pauses,
    /// Guest-physical addresses that are looked at the next time that execution arrives there, since those that sleep had
    /// entries there.
    expected: FxHashSet<u64>,
    /// There was no room for code, and that was said.
    said_no_room: bool,
    stats: JitStats,
}

impl Jit {
    /// With this back end. `code` must be the one that it runs with.
    pub fn new(backend: Box<dyn Backend>, config: EngineConfig, code: &mut CodeCache) -> Self {
        let EngineConfig {
            tiers, passes, gc, ..
        } = config;
        let policy = tiers.apply(Policy::usual(backend.is_immediate()));
        code.initial_heat = policy.quick_arrivals.max(1);
        code.changes = Some(Changes::default());
        let profile = profile::Shared::default();
        code.profile = Some(profile::Shared::clone(&profile));
        Jit {
            backend,
            translations: Translations::default(),
            policy,
            passes,
            profile,
            finished: Vec::new(),
            collector: gc::collector(gc.mode, gc.budget()),
            freed: Vec::new(),
            pauses: Pauses::default(),
            expected: FxHashSet::default(),
            said_no_room: false,
            stats: JitStats::default(),
        }
    }

    /// Memory holds something else now.
    pub fn memory_changed(&mut self) {
        self.with_keepers(Translations::drop_all);
    }

    /// Does something with the translations, and with who keeps their code.
    fn with_keepers<R>(&mut self, f: impl FnOnce(&mut Translations, &mut Keepers<'_>) -> R) -> R {
        let mut keepers = Keepers {
            collector: &mut *self.collector,
            backend: &mut *self.backend,
        };
        f(&mut self.translations, &mut keepers)
    }

    /// What was learned of the code that ran; the pages of `code` are asked for it.
    pub fn profile(&self, code: &CodeCache) -> Profile {
        code.tell_profile();
        self.profile.lock().clone()
    }

    /// Takes in what another run has learned, for pages that are decoded from now on.
    pub fn use_profile(&mut self, mut profile: Profile) {
        profile.age();
        self.profile.lock().add(profile);
    }

    /// Figures since it was made; those of jumps are of `cores`.
    pub fn stats(&self, cores: &[Core]) -> JitStats {
        let mut stats = self.stats;
        stats.dropped = self.translations.dropped;
        stats.code_bytes = self.backend.code_bytes() as u64;
        stats.modules = self.backend.modules() as u64;
        stats.longest_stall_us = self.backend.longest_stall_us();
        stats.pending = self.backend.pending() as u64;
        stats.regions = self.translations.count() as u64;
        stats.gc.recompiled = self.translations.recompiled;
        stats.gc.mode = self.collector.mode();
        self.collector.tell(&mut stats.gc);
        let compaction = self.backend.compaction();
        stats.gc.moved = compaction.moved;
        stats.gc.returned_bytes = compaction.returned_bytes;
        stats.gc.note_pauses(&self.pauses);
        stats.profile_pages = self.profile.lock().len() as u64;
        for targets in cores.iter().filter_map(|core| core.targets.as_deref()) {
            let (hits, misses) = targets.lookups();
            stats.target_hits += hits;
            stats.target_misses += misses;
        }
        stats
    }

    /// Takes what the back end has finished.
    fn collect(&mut self, code: &CodeCache) {
        let mut finished = std::mem::take(&mut self.finished);
        self.backend.finished(&mut finished);
        for done in finished.drain(..) {
            self.take(done, code);
        }
        self.finished = finished;
        self.collect_garbage(code);
    }

    /// Takes a job that is done.
    #[inline(never)]
    fn take(&mut self, Finished { number, result }: Finished, code: &CodeCache) {
        let state = match result {
            Ok(code) => {
                self.stats.compiled += 1;
                self.said_no_room = false;
                log::debug!(target: "jit", "region {number} is ready: {} bytes of code", code.bytes);
                State::Ready(code)
            }
            Err(error @ CompileError::NoRoom(_)) => {
                self.no_room(number, &error);
                return;
            }
            Err(error) => {
                self.stats.refused += 1;
                log::warn!(target: "jit", "region {number} stays interpreted: {error}");
                State::Refused
            }
        };
        self.with_keepers(|translations, keepers| translations.finish(number, state, keepers));
        if let (State::Ready(_), Some(translation)) = (state, self.translations.get(number)) {
            // The next to arrive at an entry looks for it at once.
            let entries = translation.entries.iter();
            entries.for_each(|key| code.set_heat(key.physical, 0));
        }
    }

    /// Execution arrives at `pc`, in `page`, whose heat is used up: the code to go on in, if there is any yet.
    fn arrive<B: Bus>(
        &mut self,
        core: &mut Core,
        code: &mut CodeCache,
        bus: &mut B,
        page: *const Page,
    ) -> Option<Target> {
        let (pc, privilege) = (core.hart.state.pc, core.hart.state.privilege);
        // SAFETY: the page is alive: it was just found, and nothing was dropped since.
        let physical = unsafe { (*page).physical } | pc & OFFSET;
        let key = Key::new(pc, physical, privilege);
        let mut retry = self.policy.retry_arrivals;
        let was_expected = !self.expected.is_empty() && self.expected.remove(&physical);
        if self.translations.find(key).is_none() && !self.revive(core, code, bus, key) {
            retry = match was_expected {
                // Other code is there now, which has yet to show that it is hot.
                true => code.initial_heat,
                false => self.translate(core, code, bus, key, Tier::Quick),
            };
        }
        let retry = match self.translations.find(key) {
            None => retry,
            Some((number, translation, entry)) => match translation.state {
                State::Refused => u16::MAX,
                State::Pending => self.policy.retry_arrivals,
                State::Ready(compiled) => {
                    if let Some(Mapped { global }) = mapped(core, bus, &translation.pages) {
                        let target = Target {
                            function: compiled.function,
                            entry,
                        };
                        let targets = core.targets.get_or_insert_default();
                        targets.insert(privilege, pc, target, global);
                        self.collector.used(number);
                        return Some(target);
                    }
                    self.policy.retry_arrivals
                }
            },
        };
        // SAFETY: as above; forming decodes, but drops nothing.
        unsafe { (*page).slot(pc).set_heat(retry.max(1)) };
        None
    }

    /// Forms a region and hands it to the back end. Returns after how many arrivals to look again.
    fn translate<B: Bus>(
        &mut self,
        core: &mut Core,
        code: &mut CodeCache,
        bus: &mut B,
        key: Key,
        tier: Tier,
    ) -> u16 {
        if self.backend.pending() >= self.policy.most_pending {
            return self.policy.retry_arrivals;
        }
        let limits = self.policy.limits(tier);
        let mut guest = GuestCode::new(core, code, bus);
        let behaviour = guest.behaviour(profile::Shared::clone(&self.profile));
        let Some(mut formed) = form(key.pc, &mut guest, &limits, &behaviour) else {
            return u16::MAX;
        };
        let pages = formed.pages.iter();
        let pages = pages.map(|&page| Some((page, guest.physical_page(page)?)));
        let Some(pages) = pages.collect::<Option<Vec<_>>>() else {
            return u16::MAX;
        };
        let physical = |pc: u64| {
            let page = pages.iter().find(|page| page.0 == pc & !OFFSET);
            page.map(|page| page.1 | pc & OFFSET)
        };
        let Some(original) = Original::read(&formed.ranges, &pages, guest.bus.ram()) else {
            return u16::MAX;
        };
        if guest.bus.ram().has_stale_code() {
            // What was decoded may be what was there before: another time.
            return 1;
        }
        let entries = formed.entries.iter();
        let entries = entries.map(|&pc| {
            Some(Key {
                pc,
                physical: physical(pc)?,
                ..key
            })
        });
        let Some(entries) = entries.collect::<Option<Vec<_>>>() else {
            return u16::MAX;
        };
        let contents = formed.pages.iter().filter_map(|&page| guest.contents(page));
        let contents: Vec<_> = contents.collect();
        let ticks = self.note_region(key.pc, tier, &contents);
        // What it holds need not become a region of its own: it is entered in front of that.
        for &start in &formed.starts {
            physical(start)
                .into_iter()
                .for_each(|physical| code.hold_back(physical));
        }
        // Points change their numbers here, and nowhere later.
        shape(&mut formed.region, self.passes);
        self.stats.formed(tier, formed.region.guest_instructions());
        let number = self.translations.add(Translation {
            key,
            entries,
            pages,
            original,
            points: formed.region.points.clone(),
            tier,
            state: State::Pending,
            ticks,
            asleep: false,
        });
        let (why, count) = match tier {
            Tier::Quick => ("arrivals there", u32::from(self.policy.quick_arrivals)),
            Tier::Hot => ("turns ended in it", self.policy.hot_ticks.unwrap_or(0)),
        };
        log::debug!(
            target: "jit",
            "region {number}, {tier:?}, at {:#x} in {:?}: {} instructions in {} blocks, after {count} {why}",
            key.pc,
            core.hart.state.privilege,
            formed.region.guest_instructions(),
            formed.region.blocks.len(),
        );
        let mut job = Job {
            number,
            region: formed.region,
            tier,
        };
        if let Some(done) = self.backend.compile_now(&mut job) {
            self.take(done, code);
        } else if self.backend.submit(job).is_err() {
            // Too much waits already: another time.
            self.with_keepers(|translations, keepers| translations.forget(number, keepers));
        }
        // Compiling for nothing costs more than interpreting.
        match self.said_no_room {
            true => self.policy.retry_arrivals.saturating_mul(RETRY_WITHOUT_ROOM),
            false => self.policy.retry_arrivals,
        }
    }

    /// Calls compiled code.
    fn enter<B: Bus>(&mut self, core: &mut Core, bus: &mut B, target: Target) -> u32 {
        let privilege = core.hart.state.privilege;
        if let Some(targets) = &mut core.targets {
            core.context.targets = targets.of(privilege).entries_ptr();
        }
        core.context.table = core.hart.tlb.table(core.hart.data_context());
        core.context.bus = std::ptr::from_mut(bus).cast();
        core.context.trapped = 0;
        let before = core.hart.state.retired;
        let state = std::ptr::from_mut(core);
        // SAFETY: the function is one that this back end has made and not released: translations and branch-target caches
        // forget functions when they are. `state` is laid out as `abi` says, and nobody else has it or the bus meanwhile.
        let leave = unsafe { self.backend.call(target.function, state.cast(), target.entry) };
        self.stats.entered += 1;
        self.stats.leaves[leave as usize & 3] += 1;
        self.stats.instructions += core.hart.state.retired - before;
        leave
    }

    /// Brings the program counter and the count of retired instructions to the point at which code was left.
    fn apply_point(&mut self, core: &mut Core) {
        let PointId(index) = PointId(core.context.point);
        let translation = self.translations.get(core.context.region);
        let point = translation.and_then(|translation| translation.points.get(index as usize));
        let &Point { pc, done } =
            point.expect("code stores the number of a region that lives and one of its points");
        core.hart.state.pc = pc;
        core.hart.state.retired += u64::from(done);
        self.stats.instructions += u64::from(done);
    }

    /// A turn ended in region `core.context.region`: compiles it anew if it is met often.
    fn sample<B: Bus>(&mut self, core: &mut Core, code: &mut CodeCache, bus: &mut B) {
        let number = core.context.region;
        let Some(translation) = self.translations.get_mut(number) else {
            return;
        };
        let Some(hot_ticks) = self.policy.hot_ticks else {
            return;
        };
        translation.ticks += 1;
        if translation.ticks == hot_ticks / 2 && translation.tier == Tier::Quick {
            // It is likely to be compiled anew, and then it is good to know where its branches go.
            core.look_at = 0;
        }
        if translation.tier == Tier::Hot || translation.ticks < hot_ticks {
            return;
        }
        translation.ticks = 0;
        let (key, pages) = (translation.key, translation.pages.clone());
        let same_privilege = key.privilege == core.hart.state.privilege as u8;
        if same_privilege && !self.translations.is_being_replaced(key) && mapped(core, bus, &pages).is_some()
        {
            self.translate(core, code, bus, key, Tier::Hot);
        }
    }
}

/// Pages are where they were when a region was made of them.
#[derive(Debug, Clone, Copy)]
struct Mapped {
    /// They all are so in every address space.
    global: bool,
}

/// Whether the core sees these guest-virtual pages at these guest-physical ones.
fn mapped<B: Bus>(core: &mut Core, bus: &mut B, pages: &[(u64, u64)]) -> Option<Mapped> {
    let mut all_global = true;
    for &(virtual_page, physical_page) in pages {
        let known = core.fetch.get_with_kind(virtual_page, core.hart.state.privilege);
        let Probe { physical, global } = match known {
            // SAFETY: remembered pages are forgotten before they are dropped.
            Some((page, global)) => unsafe {
                let physical = (*page).physical;
                Probe { physical, global }
            },
            None => core.hart.probe_fetch(bus, virtual_page)?,
        };
        if physical != physical_page {
            return None;
        }
        all_global &= global;
    }
    Some(Mapped { global: all_global })
}

/// Runs `core` for about `instructions` instructions, as [`interpreter::run`] does.
// Inlined, it would make its caller so large that V8 takes the caller, called for each turn, for hot and optimises it again.
#[inline(never)]
pub fn run<B: Bus>(
    core: &mut Core,
    code: &mut CodeCache,
    jit: &mut Jit,
    bus: &mut B,
    instructions: u64,
) -> Leave {
    // Other harts and devices may have stored since: a reservation does not outlive a turn.
    core.hart.state.reservation = None;
    let end = core.hart.state.retired.saturating_add(instructions);
    core.heat_step = 1;
    core.context.helpers = helpers::table::<B>();
    core.targets.get_or_insert_default();
    jit.collect(code);
    if core.hart.state.retired >= core.look_at
        && jit.policy.look_every != 0
        && let Some(leave) = look::look(core, code, jit, bus, instructions)
    {
        return leave;
    }
    core.hart.run_until = end;
    // The instruction at `pc` is one that compiled code has left to the interpreter.
    let mut interpret = false;
    for _ in 0..=instructions {
        synchronise(core, code, jit, bus);
        if let Some(number) = core.hart.pending_interrupt() {
            core.hart.take_interrupt(number);
            interpret = false;
        }
        if core.hart.state.waiting {
            if !core.hart.interrupt_wakes() {
                return Leave::Waiting;
            }
            core.hart.state.waiting = false;
        }
        if core.hart.state.retired >= core.hart.run_until {
            return Leave::Budget;
        }
        let compiled = !std::mem::take(&mut interpret) && core.hart.state.csr.frm < ROUNDING_MODES;
        let (pc, privilege) = (core.hart.state.pc, core.hart.state.privilege);
        let known = match &mut core.targets {
            Some(targets) if compiled => targets.of(privilege).lookup(pc),
            _ => None,
        };
        let target = match known {
            Some(target) => target,
            None => {
                match interpreter::run_system(core, bus) {
                    Systems::None => {}
                    Systems::Done => continue,
                    Systems::Leave(leave) => return leave,
                }
                let entry = match interpreter::locate(core, code, bus) {
                    Ok(entry) => entry,
                    Err(exception) => {
                        core.hart.take_exception(exception);
                        continue;
                    }
                };
                match entry {
                    // SAFETY: the page was just found.
                    Entry::Page(page) if compiled && !unsafe { (*page).slot(pc).arrive(1) } => {
                        match jit.arrive(core, code, bus, page) {
                            Some(target) => target,
                            // The address has new heat. Forming a region may have decoded code, so all starts anew.
                            None => continue,
                        }
                    }
                    entry => {
                        if let Some(leave) = interpreter::run_pages(core, bus, entry) {
                            return leave;
                        }
                        continue;
                    }
                }
            }
        };
        match jit.enter(core, bus, target) {
            leave if leave == ir::Leave::Next as u32 => {}
            leave if leave == ir::Leave::Budget as u32 => jit.sample(core, code, bus),
            leave if leave == ir::Leave::Interpret as u32 => {
                jit.apply_point(core);
                interpret = true;
            }
            _ if core.context.trapped == helpers::DECLINED => {
                jit.apply_point(core);
                interpret = true;
            }
            _ => {
                jit.apply_point(core);
                if let Some(leave) = interpreter::stopped(core, bus) {
                    return leave;
                }
            }
        }
    }
    Leave::Budget
}

/// Brings what the core and the compiler remember of code up to date.
fn synchronise<B: Bus>(core: &mut Core, code: &mut CodeCache, jit: &mut Jit, bus: &mut B) {
    let flush = core.hart.fetch_flush;
    interpreter::synchronise(core, code, bus);
    jit.take_changes(code);
    let Some(targets) = &mut core.targets else {
        return;
    };
    match flush {
        FetchFlush::Nothing => {}
        FetchFlush::Page(page) => match jit.translations.covering(page) {
            Some(entries) => entries.for_each(|key| targets.forget(key.pc, key.privilege)),
            None => targets.flush(),
        },
        FetchFlush::AddressSpace => targets.leave_address_space(),
        FetchFlush::All => targets.flush(),
    }
    let departures = &jit.translations.departures;
    if targets.seen != departures.count() {
        match departures.since(targets.seen) {
            Some(entries) => entries.for_each(|(pc, privilege)| targets.forget(pc, privilege)),
            None => targets.flush(),
        }
        targets.seen = departures.count();
    }
}
