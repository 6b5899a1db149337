use super::{Step, Successors, structure};
use proptest::prelude::*;

/// Runs the structured program: the nodes that it visits when node decisions are as `choose` says.
fn walk(
    steps: &[Step],
    nodes: &[Successors],
    entry: u32,
    length: usize,
    choose: &dyn Fn(usize) -> bool,
) -> Vec<u32> {
    // Where each step's block ends, and a stack of open steps.
    let mut ends = vec![0; steps.len()];
    let mut open = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Block | Step::Loop | Step::If(_) => open.push(at),
            Step::End => ends[open.pop().unwrap()] = at,
            _ => {}
        }
    }
    assert!(open.is_empty());
    let (mut open, mut at, mut label) = (Vec::<usize>::new(), 0, entry);
    let mut visited = Vec::new();
    let go = |open: &mut Vec<usize>, depth: u32| {
        for _ in 0..depth {
            open.pop();
        }
        let to = *open.last().unwrap();
        if steps[to] == Step::Loop {
            to + 1
        } else {
            open.pop();
            ends[to] + 1
        }
    };
    loop {
        let takes_first = |_: u32| choose(visited.len());
        match &steps[at] {
            Step::Block | Step::Loop => {
                open.push(at);
                at += 1;
            }
            Step::Body(node) => {
                visited.push(*node);
                if visited.len() == length || nodes[*node as usize][0].is_none() {
                    return visited;
                }
                at += 1;
            }
            Step::If(node) => {
                if takes_first(*node) {
                    open.push(at);
                    at += 1;
                } else {
                    at = ends[at] + 1;
                }
            }
            Step::End => panic!("reached an end from above"),
            Step::Goto(target) => {
                label = target.label.unwrap_or(label);
                at = go(&mut open, target.depth);
            }
            Step::GotoIf { node, first, target } => {
                label = target.label.unwrap_or(label);
                if takes_first(*node) == *first {
                    at = go(&mut open, target.depth);
                } else {
                    at += 1;
                }
            }
            Step::Dispatch(table) => at = go(&mut open, table[label as usize]),
        }
    }
}

/// The nodes that the graph itself visits.
fn direct(nodes: &[Successors], entry: u32, length: usize, choose: &dyn Fn(usize) -> bool) -> Vec<u32> {
    let mut visited = vec![entry];
    while visited.len() < length {
        let [first, second] = nodes[*visited.last().unwrap() as usize];
        let Some(first) = first else { break };
        visited.push(second.filter(|_| !choose(visited.len())).unwrap_or(first));
    }
    visited
}

fn check(nodes: &[Successors], entries: &[u32], choices: &[bool]) {
    let steps = structure(nodes, entries);
    let bodies = steps.iter().filter(|step| matches!(step, Step::Body(_))).count();
    assert!(bodies <= nodes.len(), "no code is written twice");
    let choose = |step: usize| choices[step % choices.len()];
    for (label, &entry) in entries.iter().enumerate() {
        let expected = direct(nodes, entry, 200, &choose);
        assert_eq!(
            walk(&steps, nodes, label as u32, 200, &choose),
            expected,
            "{steps:?}"
        );
    }
}

#[test]
fn a_loop_with_one_entry_needs_no_dispatch() {
    let nodes = [[Some(1), None], [Some(1), Some(2)], [None, None]];
    check(&nodes, &[0], &[true, true, false]);
    let steps = structure(&nodes, &[0]);
    assert!(
        !steps.iter().any(|step| matches!(step, Step::Dispatch(_))),
        "{steps:?}"
    );
    check(&nodes, &[0, 1, 2], &[true, false]);
}

#[test]
fn a_loop_entered_twice_goes_through_the_dispatch_node() {
    let nodes = [
        [Some(1), Some(2)],
        [Some(2), Some(3)],
        [Some(1), Some(3)],
        [None, None],
    ];
    check(&nodes, &[0], &[true, true, true, false, true, false, false]);
    let steps = structure(&nodes, &[0]);
    assert_eq!(
        steps
            .iter()
            .filter(|step| matches!(step, Step::Dispatch(_)))
            .count(),
        1
    );
}

#[test]
fn a_long_chain_and_a_deep_nest_do_not_overflow_the_stack() {
    let chain: Vec<Successors> = (0..20_000u32)
        .map(|at| [(at < 19_999).then_some(at + 1), None])
        .collect();
    check(&chain, &[0], &[true]);
    let count = 2_000u32;
    let nest: Vec<Successors> = (0..count)
        .map(|at| {
            if at + 1 < count {
                [Some(at + 1), Some(count - 1)]
            } else {
                [None, None]
            }
        })
        .collect();
    check(&nest, &[0], &[true, true, true, false]);
}

fn graphs() -> impl Strategy<Value = (Vec<Successors>, Vec<u32>)> {
    (1u32..24).prop_flat_map(|count| {
        let end = prop_oneof![
            1 => Just([None, None]),
            4 => (0..count).prop_map(|to| [Some(to), None]),
            6 => (0..count, 0..count).prop_map(|(yes, no)| [Some(yes), Some(no)]),
        ];
        (
            prop::collection::vec(end, count as usize),
            prop::collection::vec(0..count, 1..5),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_graphs_are_walked_as_they_are((nodes, entries) in graphs(), choices in prop::collection::vec(any::<bool>(), 1..64)) {
        check(&nodes, &entries, &choices);
    }
}
