//! What passes may not change: what a region does. Each pass alone, and all together, on regions of the generator.

use proptest::prelude::*;

use super::*;
use crate::ir::{
    generate::{self, Case},
    interpret::{self, Left, RunError, State},
    scene::Scene,
    text, verify,
};

/// What can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    left: Result<Left, RunError>,
    state: State,
    scene: Scene,
}

fn outcome(region: &Region, case: &Case) -> Seen {
    let (mut state, mut scene) = (case.state.clone(), Scene::default());
    let left = interpret::run(region, case.entry, &mut state, &mut scene, 10_000)
        .map(|left| Left { point: None, ..left });
    Seen { left, state, scene }
}

fn holds(case: &Case, level: Level, passes: PassSet) -> Result<(), TestCaseError> {
    let abi = generate::abi(8);
    let mut region = case.region.clone();
    shape(&mut region, passes);
    let shaped = region.clone();
    optimise(&mut region, level, passes);
    let shown = || {
        format!(
            "{passes}\n{}\nbecame\n{}",
            text::print(&case.region, &abi),
            text::print(&region, &abi)
        )
    };
    verify(&region, &abi).map_err(|error| TestCaseError::fail(format!("{error}\n{}", shown())))?;
    let (before, after) = (outcome(&case.region, case), outcome(&region, case));
    prop_assert!(before == after, "{before:#?}\n{after:#?}\n{}", shown());
    prop_assert_eq!(&region.points, &shaped.points);
    prop_assert_eq!(&region.entries, &shaped.entries);
    prop_assert_eq!(region.blocks.len(), shaped.blocks.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_pass_keeps_the_meaning(seed: u64, size in 1usize..120, level in prop_oneof![Just(Level::Quick), Just(Level::Hot)]) {
        let case = generate::case_of_seed(seed, size);
        for (pass, _) in PASSES {
            holds(&case, level, PassSet::NONE.with(pass))?;
        }
    }

    #[test]
    fn all_passes_keep_the_meaning(seed: u64, size in 1usize..300, level in prop_oneof![Just(Level::Quick), Just(Level::Hot)]) {
        let case = generate::case_of_seed(seed, size);
        holds(&case, level, PassSet::ALL)?;
        for (pass, _) in PASSES {
            holds(&case, level, PassSet::ALL.without(pass))?;
        }
    }
}

#[test]
fn passes_have_names() {
    assert_eq!(PassSet::parse("all"), Ok(PassSet::ALL));
    assert_eq!(PassSet::parse("none"), Ok(PassSet::NONE));
    assert_eq!(
        PassSet::parse("-windows,-fold").unwrap().to_string(),
        "straighten,forward,known-bits,dead-writes,demand,locals"
    );
    assert_eq!(PassSet::parse("fold, locals").unwrap().to_string(), "fold,locals");
    let complaint = PassSet::parse("folds").unwrap_err().to_string();
    assert!(
        complaint.starts_with("there is no pass `folds`; there are all, none, straighten"),
        "{complaint}"
    );
    for (pass, name) in PASSES {
        assert_eq!(PassSet::parse(name), Ok(PassSet::NONE.with(pass)));
    }
}
