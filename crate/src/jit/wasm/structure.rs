//! Structured control flow from any control-flow graph.
//!
//! WebAssembly has no jumps, only `block`, `loop`, `if` and branches out of them. The translation is Ramsey's "Beyond
//! Relooper" (ICFP 2022): the dominator tree gives the nesting. A loop header becomes a `loop`; a node that several
//! forward edges reach becomes what follows a `block`; any other node is put where the only edge to it is.
//!
//! That needs a reducible graph with one entry. Where a graph has several entries, or a loop that is entered at several
//! places, a *dispatch* node is put above everything: it branches to the node that a label names. Edges that close a loop
//! whose header does not dominate them go through it: they set the label and branch back to it.
//!
//! Nothing here recurses: graphs may be deep.

mod dominators;
#[cfg(test)]
mod tests;

use dominators::Order;

/// Where an edge goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// How many labels out.
    pub depth: u32,
    /// What the label that [`Step::Dispatch`] looks at must be set to first.
    pub label: Option<u32>,
}

/// One step of the structured program, in the order in which it is written. After the last step of any node's code control
/// has gone elsewhere: no `end` is ever reached from above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Opens a block: branches to it go to its end.
    Block,
    /// Opens a loop: branches to it go to its start.
    Loop,
    /// The code of a node, without its end. A node without successors leaves here.
    Body(u32),
    /// Opens a block that is entered if the node takes its first successor.
    If(u32),
    /// Ends the innermost block, loop or if.
    End,
    /// Goes elsewhere.
    Goto(Target),
    /// Goes elsewhere if the node takes its first successor (or its second, if not `first`).
    GotoIf {
        /// The node.
        node: u32,
        /// Which successor.
        first: bool,
        /// Where.
        target: Target,
    },
    /// Goes as many labels out as the table says for the label; numbers out of range mean 0.
    Dispatch(Vec<u32>),
}

/// Successors of a node: none, one, or two.
pub type Successors = [Option<u32>; 2];

/// A label that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Loop(u32),
    Before(u32),
    If,
}

/// What is still to be done.
enum Task {
    /// The node and all that it dominates.
    Node(u32),
    /// The same without its `loop`, from its given merge child on.
    Within(u32, usize),
    /// An edge.
    Edge(u32, u32),
    End,
}

/// The program for a graph. The label, first, is the number of the entry, an index into `entries`; there must be one.
pub fn structure(nodes: &[Successors], entries: &[u32]) -> Vec<Step> {
    Structurer::new(nodes, entries).run()
}

/// The graph with its dispatch node, which is numbered after all others.
struct Structurer {
    /// Successors, without edges that go through the dispatch node.
    kept: Vec<Vec<u32>>,
    /// All successors.
    all: Vec<Successors>,
    /// What the dispatch node branches to, by label.
    dispatched: Vec<u32>,
    order: Order,
    root: u32,
    merges: Vec<Vec<u32>>,
    is_merge: Vec<bool>,
    is_header: Vec<bool>,
    open: Vec<Open>,
    tasks: Vec<Task>,
    steps: Vec<Step>,
}

impl Structurer {
    fn new(nodes: &[Successors], entries: &[u32]) -> Self {
        let dispatch = nodes.len();
        let mut all = nodes.to_vec();
        for pair in &mut all {
            if pair[0] == pair[1] {
                pair[1] = None;
            }
        }
        let mut kept: Vec<Vec<u32>> = all
            .iter()
            .map(|pair| pair.iter().flatten().copied().collect())
            .collect();
        kept.push(Vec::new());
        let mut dispatched = entries.to_vec();
        let mut redirected = false;
        let (order, root) = loop {
            let root = if redirected || entries.len() > 1 {
                dispatch as u32
            } else {
                entries[0]
            };
            kept[dispatch] = dispatched.clone();
            kept[dispatch].sort_unstable();
            kept[dispatch].dedup();
            let order = Order::new(&kept, root);
            let mut more = false;
            for from in 0..dispatch as u32 {
                kept[from as usize].retain(|&to| {
                    let good = !order.retreats(from, to) || order.dominates(to, from);
                    if !good && !dispatched.contains(&to) {
                        dispatched.push(to);
                    }
                    more |= !good;
                    good
                });
            }
            redirected |= more;
            if !more {
                break (order, root);
            }
        };
        let count = dispatch + 1;
        let mut structurer = Self {
            kept,
            all,
            dispatched,
            order,
            root,
            merges: vec![Vec::new(); count],
            is_merge: vec![false; count],
            is_header: vec![false; count],
            open: Vec::new(),
            tasks: Vec::new(),
            steps: Vec::new(),
        };
        structurer.is_header[dispatch] = redirected;
        structurer.classify();
        structurer
    }

    /// Finds loop headers and merge nodes, and hangs the latter below their dominators, outermost `block` first.
    fn classify(&mut self) {
        let dispatch = self.all.len() as u32;
        let mut forward = vec![0u32; self.kept.len()];
        for &from in &self.order.nodes {
            for &to in &self.kept[from as usize] {
                if self.order.retreats(from, to) {
                    self.is_header[to as usize] = true;
                } else {
                    // A table of branches has no place to put a node's code.
                    forward[to as usize] += if from == dispatch { 2 } else { 1 };
                }
            }
        }
        for &node in self.order.nodes.iter().rev() {
            if forward[node as usize] > 1 {
                self.is_merge[node as usize] = true;
                self.merges[self.order.dominator(node) as usize].push(node);
            }
        }
    }

    fn run(mut self) -> Vec<Step> {
        self.tasks.push(Task::Node(self.root));
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Node(node) => {
                    if self.is_header[node as usize] {
                        self.begin(Step::Loop, Open::Loop(node));
                        self.tasks.push(Task::End);
                    }
                    self.tasks.push(Task::Within(node, 0));
                }
                Task::Within(node, child) => match self.merges[node as usize].get(child) {
                    Some(&merge) => {
                        self.begin(Step::Block, Open::Before(merge));
                        self.tasks
                            .extend([Task::Node(merge), Task::End, Task::Within(node, child + 1)]);
                    }
                    None => self.code(node),
                },
                Task::Edge(from, to) => match self.target(from, to) {
                    Some(target) => self.steps.push(Step::Goto(target)),
                    None => self.tasks.push(Task::Node(to)),
                },
                Task::End => {
                    self.steps.push(Step::End);
                    self.open.pop();
                }
            }
        }
        self.steps
    }

    fn begin(&mut self, step: Step, open: Open) {
        self.steps.push(step);
        self.open.push(open);
    }

    /// A node's code and its edges.
    fn code(&mut self, node: u32) {
        if node as usize == self.all.len() {
            let table = self
                .dispatched
                .iter()
                .map(|&to| self.depth(Open::Before(to)))
                .collect();
            self.steps.push(Step::Dispatch(table));
            return;
        }
        self.steps.push(Step::Body(node));
        let [first, second] = self.all[node as usize];
        let Some(first) = first else { return };
        let Some(second) = second else {
            self.tasks.push(Task::Edge(node, first));
            return;
        };
        if let Some(target) = self.target(node, first) {
            self.steps.push(Step::GotoIf {
                node,
                first: true,
                target,
            });
            self.tasks.push(Task::Edge(node, second));
        } else if let Some(target) = self.target(node, second) {
            self.steps.push(Step::GotoIf {
                node,
                first: false,
                target,
            });
            self.tasks.push(Task::Edge(node, first));
        } else {
            self.begin(Step::If(node), Open::If);
            self.tasks
                .extend([Task::Edge(node, second), Task::End, Task::Edge(node, first)]);
        }
    }

    /// The branch that an edge is; none if the node that it leads to is put there.
    fn target(&self, from: u32, to: u32) -> Option<Target> {
        let dispatch = self.all.len() as u32;
        if !self.kept[from as usize].contains(&to) {
            let label = self.dispatched.iter().position(|&node| node == to)? as u32;
            Some(Target {
                depth: self.depth(Open::Loop(dispatch)),
                label: Some(label),
            })
        } else if self.order.retreats(from, to) {
            Some(Target {
                depth: self.depth(Open::Loop(to)),
                label: None,
            })
        } else if self.is_merge[to as usize] {
            Some(Target {
                depth: self.depth(Open::Before(to)),
                label: None,
            })
        } else {
            None
        }
    }

    fn depth(&self, label: Open) -> u32 {
        let out = self.open.iter().rev().position(|&open| open == label);
        out.expect("a node's dominators' labels are open around it") as u32
    }
}
