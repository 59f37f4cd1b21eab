//! Every order in which two and three writers can take their steps, with writers that stop anywhere and requests
//! that arrive late. The writers are [`wharf_ledger::Writer`], the very state machine that appends.
//!
//! The controls at the end take an assumption away and must find what it guards against, so that a model that
//! sees nothing is noticed.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use wharf_ledger::{Ending, Pending, Saw, Step, Timing, Writer};

/// A registry, and what may go wrong in it.
#[derive(Debug, Clone, Copy)]
struct Rules {
    writers: usize,
    timing: Timing,
    /// Writers may stop for good between any two steps.
    crashes: bool,
    /// A claim may arrive after its writer gave up on its answer.
    late: bool,
    /// A writer that lost starts over.
    retry: bool,
    /// Creating a tag is a check, then a write, with others in between (a registry that only seems to be T1).
    split_check: bool,
    /// Waiting really outlasts every claim (what T3 assumes).
    wait: bool,
    /// Writers look at the successor slot after moving the pointers.
    recheck: bool,
}

impl Rules {
    fn new(writers: usize, timing: Timing) -> Self {
        Self {
            writers,
            timing,
            crashes: true,
            late: true,
            retry: writers < 3,
            split_check: false,
            wait: true,
            recheck: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Life {
    Running,
    Crashed,
    Ended,
}

type Place = (u64, usize);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct World {
    slots: BTreeMap<u64, usize>,
    /// What the arbiter gave away.
    chosen: BTreeMap<u64, usize>,
    announced: BTreeSet<Place>,
    withdrawn: BTreeSet<Place>,
    /// Claims under way that arrive whenever they like.
    flying: BTreeSet<Place>,
    pointer: u64,
    writers: Vec<(Writer, Life)>,
    /// Entries whose writers were told that they stand.
    committed: BTreeSet<Place>,
}

#[derive(Debug, Default)]
struct Found {
    states: usize,
    faults: BTreeSet<&'static str>,
}

/// Explores everything.
fn explore(rules: Rules) -> Found {
    let start = World { writers: vec![(Writer::new(), Life::Running); rules.writers], ..World::default() };
    let mut seen: HashSet<World> = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([start]);
    let mut found = Found::default();
    while let Some(world) = queue.pop_front() {
        check(&world, &mut found.faults);
        let next = successors(&world, rules);
        if next.is_empty() {
            check_end(&world, &mut found.faults);
        }
        for world in next {
            if seen.insert(world.clone()) {
                queue.push_back(world);
            }
        }
    }
    found.states = seen.len();
    found
}

fn check(world: &World, faults: &mut BTreeSet<&'static str>) {
    let mut winners: BTreeMap<u64, usize> = BTreeMap::new();
    for (slot, writer) in &world.committed {
        if *winners.entry(*slot).or_insert(*writer) != *writer {
            faults.insert("two winners of one slot");
        }
        if world.slots.get(slot) != Some(writer) {
            faults.insert("a committed entry is not in its slot");
        }
    }
    let places: Vec<usize> = world.slots.values().copied().collect();
    if places.iter().collect::<BTreeSet<_>>().len() != places.len() {
        faults.insert("an operation stands in the log twice");
    }
    if world.slots.iter().any(|(slot, writer)| world.chosen.get(slot).is_some_and(|w| w != writer)) {
        faults.insert("a slot is not what the arbiter chose");
    }
    let top = world.slots.keys().max().copied().unwrap_or(0);
    if top as usize != world.slots.len() {
        faults.insert("a gap in the log");
    }
}

fn check_end(world: &World, faults: &mut BTreeSet<&'static str>) {
    for place in world.committed.iter().filter(|place| world.slots.get(&place.0) != Some(&place.1)) {
        faults.insert(match world.withdrawn.contains(place) {
            true => "a winner was overwritten, and nothing shows it",
            false => "a winner was overwritten, and its announcement shows it",
        });
    }
    let top = world.slots.keys().max().copied().unwrap_or(0);
    let crashed = world.writers.iter().any(|(_, life)| *life == Life::Crashed);
    if !crashed && world.pointer != top {
        faults.insert("the pointers are left behind though nobody crashed");
    }
    if crashed {
        return;
    }
    let stands =
        |place: &Place| !world.withdrawn.contains(place) && world.slots.get(&place.0) != Some(&place.1);
    if world.announced.iter().any(stands) {
        faults.insert("a fork though nobody crashed");
    }
}

fn successors(world: &World, rules: Rules) -> Vec<World> {
    let mut next = Vec::new();
    for claim in &world.flying {
        let mut landed = world.clone();
        landed.flying.remove(claim);
        let creates_once = rules.timing == Timing::Atomic && !rules.split_check;
        if !(creates_once && landed.slots.contains_key(&claim.0)) {
            landed.slots.insert(claim.0, claim.1);
        }
        // Its writer was told that nobody knows, and ended: like one that crashed, it moves no pointers.
        if landed.writers[claim.1].1 == Life::Ended && landed.slots.get(&claim.0) == Some(&claim.1) {
            landed.writers[claim.1].1 = Life::Crashed;
        }
        next.push(landed);
    }
    for (w, (writer, life)) in world.writers.iter().enumerate() {
        if *life != Life::Running {
            continue;
        }
        if rules.crashes {
            let mut crashed = world.clone();
            crashed.writers[w].1 = Life::Crashed;
            next.push(crashed);
        }
        next.extend(step(world, rules, w, *writer));
    }
    next
}

/// The worlds after writer `w` did its step; several, where more than one thing can happen.
fn step(world: &World, rules: Rules, w: usize, writer: Writer) -> Vec<World> {
    let mut after = world.clone();
    let see = |mut world: World, saw: Saw| {
        world.writers[w].0 = writer.saw(saw);
        world
    };
    match writer.step() {
        Step::Look => vec![look(after, rules, w, writer)],
        Step::Help(slot) => {
            after.slots.insert(slot, world.chosen[&slot]);
            vec![see(after, Saw::Done)]
        }
        Step::Outwait(slot) | Step::Settle(slot) => {
            if rules.wait && someone_may_claim(world, w, slot) {
                return Vec::new();
            }
            vec![see(after, Saw::Done)]
        }
        Step::Dismiss(slot) => {
            let others: Vec<Place> =
                world.announced.iter().filter(|p| p.0 == slot && p.1 != w).copied().collect();
            after.withdrawn.extend(others);
            vec![see(after, Saw::Done)]
        }
        Step::Announce(slot) => {
            after.announced.insert((slot, w));
            // Announcing again what was given up before takes the withdrawal back only if it stands in the slot,
            // so a withdrawn entry is never announced again: the driver's record differs by its parent.
            vec![see(after, Saw::Done)]
        }
        Step::Arbitrate(slot) => {
            let last = world.chosen.keys().max().copied().unwrap_or(0);
            let saw = if last + 1 == slot {
                after.chosen.insert(slot, w);
                Saw::Mine
            } else {
                Saw::Other
            };
            vec![see(after, saw)]
        }
        Step::Claim(slot) => {
            claim(world, rules, w, slot).into_iter().map(|(world, saw)| see(world, saw)).collect()
        }
        Step::ReadBack(slot) => {
            let mine = world.slots.get(&slot) == Some(&w);
            if mine {
                after.committed.insert((slot, w));
            }
            vec![see(after, if mine { Saw::Mine } else { Saw::Other })]
        }
        Step::Withdraw(slot) => {
            after.withdrawn.insert((slot, w));
            vec![see(after, Saw::Done)]
        }
        Step::Point(slot) => {
            after.pointer = slot;
            vec![see(after, Saw::Done)]
        }
        Step::Recheck(slot) => {
            let taken = rules.recheck && world.slots.contains_key(&(slot + 1));
            let seq = if taken { slot + 1 } else { slot };
            vec![see(after, Saw::Head { timing: rules.timing, seq, pending: Pending::Nothing })]
        }
        Step::Done(ending) => {
            let again = rules.retry && matches!(ending, Ending::Lost(_));
            let stands = world.slots.values().any(|holder| *holder == w);
            after.writers[w] = match ending {
                Ending::Lost(_) if again => (Writer::new(), Life::Running),
                // Its claim arrived after it had looked for the last time.
                Ending::Lost(_) if stands => (writer, Life::Crashed),
                _ => (writer, Life::Ended),
            };
            vec![after]
        }
    }
}

fn look(mut world: World, rules: Rules, w: usize, writer: Writer) -> World {
    if world.slots.values().any(|holder| *holder == w) {
        // The operation is in the log already, and the command repairs the pointers that it left.
        world.pointer = world.slots.keys().max().copied().unwrap_or(0);
        world.writers[w].1 = Life::Ended;
        return world;
    }
    let seq = world.slots.keys().max().copied().unwrap_or(0);
    let pending = match rules.timing {
        Timing::Arbitrated if world.chosen.contains_key(&(seq + 1)) => Pending::Unpublished,
        Timing::Timed if world.announced.iter().any(|p| p.0 == seq + 1 && !world.withdrawn.contains(p)) => {
            Pending::Announced
        }
        _ => Pending::Nothing,
    };
    world.writers[w].0 = writer.saw(Saw::Head { timing: rules.timing, seq, pending });
    world
}

/// Whether a claim on `slot` by somebody else may still arrive.
fn someone_may_claim(world: &World, w: usize, slot: u64) -> bool {
    let on_the_way = |(other, (writer, life)): (usize, &(Writer, Life))| {
        let steps = [Step::Dismiss(slot), Step::Announce(slot), Step::Claim(slot)];
        other != w && *life == Life::Running && steps.contains(&writer.step())
    };
    world.flying.iter().any(|claim| claim.0 == slot) || world.writers.iter().enumerate().any(on_the_way)
}

fn claim(world: &World, rules: Rules, w: usize, slot: u64) -> Vec<(World, Saw)> {
    let mut outcomes = Vec::new();
    let mut done = world.clone();
    match rules.timing {
        Timing::Arbitrated => {
            done.slots.insert(slot, w);
            outcomes.push((done, Saw::Done));
        }
        Timing::Atomic if rules.split_check => {
            if !world.slots.contains_key(&slot) {
                done.flying.insert((slot, w));
            }
            outcomes.push((done, Saw::Done));
        }
        Timing::Atomic => {
            done.slots.entry(slot).or_insert(w);
            outcomes.push((done, Saw::Done));
        }
        Timing::Timed => {
            // The writer looks once more just before; between that look and the write anything may happen, so
            // the model lets it write in any case.
            done.slots.insert(slot, w);
            outcomes.push((done, Saw::Done));
            outcomes.push((world.clone(), Saw::TooLate));
        }
    }
    if rules.late && rules.timing != Timing::Arbitrated {
        let mut flying = world.clone();
        flying.flying.insert((slot, w));
        outcomes.push((flying, Saw::Done));
    }
    outcomes
}

fn faults(rules: Rules) -> Vec<&'static str> {
    let found = explore(rules);
    assert!(found.states > 50, "there was something to explore: {}", found.states);
    found.faults.into_iter().collect()
}

#[test]
fn atomic_creation_has_one_winner_and_loses_nothing() {
    for writers in [2, 3] {
        for crashes in [false, true] {
            for late in [false, true] {
                let rules = Rules { crashes, late, ..Rules::new(writers, Timing::Atomic) };
                assert_eq!(faults(rules), [""; 0], "{rules:?}");
            }
        }
    }
}

#[test]
fn an_arbiter_has_one_winner_and_whoever_comes_next_publishes_its_word() {
    for writers in [2, 3] {
        for crashes in [false, true] {
            let rules = Rules { crashes, ..Rules::new(writers, Timing::Arbitrated) };
            assert_eq!(faults(rules), [""; 0], "{rules:?}");
        }
    }
}

#[test]
fn timed_claims_have_one_winner_as_long_as_waiting_outlasts_them() {
    for (writers, crashes, late) in [(2, false, false), (2, true, false), (2, true, true), (3, false, false)]
    {
        let rules = Rules { crashes, late, ..Rules::new(writers, Timing::Timed) };
        assert_eq!(faults(rules), [""; 0], "{rules:?}");
    }
}

#[test]
fn control_without_the_wait_there_are_two_winners() {
    for crashes in [false, true] {
        let rules = Rules { wait: false, late: false, crashes, ..Rules::new(2, Timing::Timed) };
        let faults = faults(rules);
        assert!(faults.contains(&"two winners of one slot"), "{faults:?}");
        // Mostly that is a fork; but whoever waited too short a time has withdrawn the other's announcement.
        assert!(faults.contains(&"a winner was overwritten, and its announcement shows it"), "{faults:?}");
        assert!(faults.contains(&"a winner was overwritten, and nothing shows it"), "{faults:?}");
    }
}

#[test]
fn control_a_check_before_the_write_is_not_atomic() {
    let rules = Rules { split_check: true, late: false, ..Rules::new(2, Timing::Atomic) };
    assert!(faults(rules).contains(&"two winners of one slot"));
}

#[test]
fn control_without_the_second_look_the_pointers_stay_behind() {
    let rules = Rules { recheck: false, crashes: false, late: false, ..Rules::new(2, Timing::Atomic) };
    assert_eq!(faults(rules), ["the pointers are left behind though nobody crashed"]);
}

#[test]
fn a_writer_ends_whatever_it_sees() {
    // No sequence of answers keeps one attempt going for ever but a log that grows for ever.
    let answers = [Saw::Done, Saw::Mine, Saw::Other, Saw::TooLate];
    for answer in answers {
        let mut writer = Writer::new();
        let head = Saw::Head { timing: Timing::Timed, seq: 0, pending: Pending::Nothing };
        writer = writer.saw(head);
        let ended = (0..20).any(|_| {
            writer = writer.saw(answer);
            matches!(writer.step(), Step::Done(_))
        });
        assert!(ended, "{answer:?}");
    }
    assert_eq!(explore(Rules::new(1, Timing::Atomic)).faults.into_iter().next(), None);
}
