//! Reverse postorder and dominators, after Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm".

/// Not reached.
const NONE: u32 = u32::MAX;

/// The nodes that can be reached from a root, ordered.
pub struct Order {
    /// In reverse postorder: but for edges that close loops, every node stands before its successors.
    pub nodes: Vec<u32>,
    /// Each node's place there.
    number: Vec<u32>,
    /// Each node's immediate dominator; the root's is itself.
    dominator: Vec<u32>,
}

impl Order {
    pub fn new(successors: &[Vec<u32>], root: u32) -> Self {
        let nodes = reverse_postorder(successors, root);
        let mut number = vec![NONE; successors.len()];
        for (place, &node) in nodes.iter().enumerate() {
            number[node as usize] = place as u32;
        }
        let mut predecessors = vec![Vec::new(); successors.len()];
        for &from in &nodes {
            for &to in &successors[from as usize] {
                predecessors[to as usize].push(from);
            }
        }
        let mut order = Self {
            nodes,
            number,
            dominator: vec![NONE; successors.len()],
        };
        order.dominator[root as usize] = root;
        while order.improve(&predecessors) {}
        order
    }

    /// One round of the data-flow equations; whether anything changed.
    fn improve(&mut self, predecessors: &[Vec<u32>]) -> bool {
        let mut changed = false;
        for place in 1..self.nodes.len() {
            let node = self.nodes[place] as usize;
            let known = predecessors[node]
                .iter()
                .copied()
                .filter(|&from| self.dominator[from as usize] != NONE);
            let Some(best) = known.reduce(|a, b| self.common(a, b)) else {
                continue;
            };
            changed |= self.dominator[node] != best;
            self.dominator[node] = best;
        }
        changed
    }

    /// The nearest node that dominates both.
    fn common(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            while self.number[a as usize] > self.number[b as usize] {
                a = self.dominator[a as usize];
            }
            while self.number[b as usize] > self.number[a as usize] {
                b = self.dominator[b as usize];
            }
        }
        a
    }

    /// A node's immediate dominator.
    pub fn dominator(&self, node: u32) -> u32 {
        self.dominator[node as usize]
    }

    /// Whether every way from the root to `below` leads over `above`.
    pub fn dominates(&self, above: u32, mut below: u32) -> bool {
        while self.number[below as usize] > self.number[above as usize] {
            below = self.dominator[below as usize];
        }
        below == above
    }

    /// Whether an edge goes against the order. Edges out of what cannot be reached do not.
    pub fn retreats(&self, from: u32, to: u32) -> bool {
        let (from, to) = (self.number[from as usize], self.number[to as usize]);
        from != NONE && to <= from
    }
}

fn reverse_postorder(successors: &[Vec<u32>], root: u32) -> Vec<u32> {
    let mut seen = vec![false; successors.len()];
    let mut stack = vec![(root, 0)];
    let mut nodes = Vec::new();
    seen[root as usize] = true;
    while let Some((node, next)) = stack.last_mut() {
        // Later successors first, so that first ones come first in the reversed order.
        let among = &successors[*node as usize];
        let Some(&to) = among
            .len()
            .checked_sub(*next + 1)
            .and_then(|index| among.get(index))
        else {
            nodes.push(*node);
            stack.pop();
            continue;
        };
        *next += 1;
        if !seen[to as usize] {
            seen[to as usize] = true;
            stack.push((to, 0));
        }
    }
    nodes.reverse();
    nodes
}
