//! The scheduler against thousands of random graphs, without threads.

use proptest::prelude::*;

use super::{Finish, Lookup, Phase, Scheduler, SchedulerNode, Task};

const HIT: Lookup = Lookup::Hit { is_available: true };
const GONE: Lookup = Lookup::Hit { is_available: false };

fn node(inputs: &[usize], known: Lookup) -> SchedulerNode {
    SchedulerNode { inputs: inputs.to_vec(), bytes: 1, known, ..SchedulerNode::default() }
}

/// Runs everything one at a time, with every lookup a miss; returns what ran, in order.
fn drive(scheduler: &mut Scheduler) -> Vec<usize> {
    let mut ran = Vec::new();
    while let Some(task) = scheduler.next_task() {
        match task {
            Task::Lookup(n) => scheduler.looked_up(n, Lookup::Miss),
            Task::Run(n) => {
                ran.push(n);
                scheduler.finished(n, Finish::Done);
            }
        }
    }
    assert!(scheduler.is_done());
    ran
}

#[test]
fn a_chain_runs_in_order() {
    let mut s =
        Scheduler::new(vec![node(&[], Lookup::Miss), node(&[0], Lookup::Miss), node(&[1], Lookup::Miss)], 10, 2);
    s.want_digests(2);
    assert_eq!(drive(&mut s), [0, 1, 2]);
}

#[test]
fn a_known_sink_asks_for_nothing_even_if_every_artefact_is_gone() {
    let mut s = Scheduler::new(vec![node(&[], GONE), node(&[0], GONE), node(&[1], GONE)], 10, 2);
    s.want_digests(2);
    assert_eq!(drive(&mut s), [] as [usize; 0]);
    assert_eq!(s.phase(2), Phase::Reused);
    assert_eq!(s.phase(0), Phase::Idle);
}

#[test]
fn a_missing_artefact_is_rebuilt_only_for_a_reader_that_runs() {
    // 0 -> 1 -> 2, the artefact of 1 is gone and 2 must run: 1 runs again and reads the artefact of 0.
    let mut s = Scheduler::new(vec![node(&[], HIT), node(&[0], GONE), node(&[1], Lookup::Miss)], 10, 2);
    s.want_digests(2);
    assert_eq!(drive(&mut s), [1, 2]);
    assert_eq!(s.phase(0), Phase::Reused);
}

#[test]
fn an_equal_input_cuts_off_early() {
    let mut s =
        Scheduler::new(vec![node(&[], Lookup::Miss), node(&[0], Lookup::Miss), node(&[1], Lookup::Miss)], 10, 2);
    s.want_digests(2);
    assert_eq!(s.next_task(), Some(Task::Lookup(0)));
    s.looked_up(0, Lookup::Miss);
    assert_eq!(s.next_task(), Some(Task::Run(0)));
    s.finished(0, Finish::Done);
    assert_eq!(s.next_task(), Some(Task::Lookup(1)));
    s.looked_up(1, HIT);
    assert_eq!(s.next_task(), Some(Task::Lookup(2)));
    s.looked_up(2, HIT);
    assert_eq!(s.next_task(), None);
    assert!(s.is_done());
}

#[test]
fn a_damaged_input_is_made_again_before_its_reader_runs() {
    let mut s = Scheduler::new(vec![node(&[], HIT), node(&[0], Lookup::Miss)], 10, 2);
    s.want_digests(1);
    assert_eq!(s.next_task(), Some(Task::Lookup(1)));
    s.looked_up(1, Lookup::Miss);
    assert_eq!(s.next_task(), Some(Task::Run(1)));
    s.lost_inputs(1, &[0]);
    assert_eq!(s.next_task(), Some(Task::Run(0)));
    assert_eq!(s.next_task(), None);
    s.finished(0, Finish::Done);
    assert_eq!(s.next_task(), Some(Task::Run(1)));
    s.finished(1, Finish::Done);
    assert!(s.is_done());
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    let mut s = Scheduler::new(
        vec![node(&[], Lookup::Miss), node(&[0], Lookup::Miss), node(&[1], Lookup::Miss), node(&[], Lookup::Miss)],
        10,
        1,
    );
    s.want_digests(2);
    s.want_digests(3);
    let mut ran = Vec::new();
    while let Some(task) = s.next_task() {
        match task {
            Task::Lookup(n) => s.looked_up(n, Lookup::Miss),
            Task::Run(n) => {
                ran.push(n);
                s.finished(n, if n == 0 { Finish::Failed } else { Finish::Done });
            }
        }
    }
    assert_eq!(ran, [0, 3]);
    assert_eq!(s.phase(1), Phase::Blocked { by: 0 });
    assert_eq!(s.phase(2), Phase::Blocked { by: 0 });
}

#[test]
fn no_work_prunes_and_is_no_failure() {
    let mut s = Scheduler::new(vec![node(&[], Lookup::Miss), node(&[0], Lookup::Miss)], 10, 1);
    s.want_digests(1);
    while let Some(task) = s.next_task() {
        match task {
            Task::Lookup(n) => s.looked_up(n, Lookup::Miss),
            Task::Run(n) => s.finished(n, Finish::NoWork),
        }
    }
    assert_eq!(s.phase(1), Phase::Pruned { by: 0 });
}

#[test]
fn a_forced_node_runs_although_it_is_known() {
    let mut s = Scheduler::new(vec![SchedulerNode { is_forced: true, known: HIT, ..SchedulerNode::default() }], 10, 1);
    s.want_digests(0);
    assert_eq!(drive(&mut s), [0]);
}

/// Two bands: images that stay, 0 and 1; a step that reads each, 2 and 4; 3 is large and reads 2, and 5 reads 3 and 4.
fn two_bands() -> Vec<SchedulerNode> {
    let node = |inputs: &[usize], bytes, stays| SchedulerNode {
        inputs: inputs.to_vec(),
        bytes,
        stays,
        ..SchedulerNode::default()
    };
    vec![
        node(&[], 2, true),
        node(&[], 2, true),
        node(&[0], 4, false),
        node(&[2], 9, false),
        node(&[1], 4, false),
        node(&[3, 4], 1, false),
    ]
}

fn order(nodes: Vec<SchedulerNode>, budget: u64) -> Vec<usize> {
    let mut s = Scheduler::new(nodes, budget, 1);
    s.want_digests(5);
    drive(&mut s)
}

#[test]
fn an_image_that_stays_is_not_made_before_there_is_room_beside_all_that_may_run_until_it_is_gone() {
    // 9 and 2 are more than 10: the second band is read when the large node has run.
    assert_eq!(order(two_bands(), 10), [0, 2, 3, 1, 4, 5]);
    assert_eq!(order(two_bands(), 11), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_can_only_be_done_in_too_little_room_is_done_all_the_same() {
    let mut nodes = two_bands();
    // Neither image fits beside the other, and the large node alone does not fit either.
    nodes[3].inputs.push(4);
    nodes.iter_mut().for_each(|n| n.bytes += 5);
    assert_eq!(order(nodes, 10), [0, 2, 1, 4, 3, 5]);
}

#[test]
fn where_nothing_fits_what_lets_an_image_go_comes_before_what_makes_another() {
    let mut nodes = two_bands();
    // 1 -> 2 -> 3 as before, by way of an image that stays; 0 -> 4 is the other band, whose reader comes first in the file.
    nodes[2] = SchedulerNode { inputs: vec![1], bytes: 8, stays: true, ..SchedulerNode::default() };
    nodes[4].inputs = vec![0];
    assert_eq!(order(nodes, 10), [1, 2, 3, 0, 4, 5]);
}

/// A random DAG: node i reads some of the nodes before it.
fn graphs() -> impl Strategy<Value = Vec<SchedulerNode>> {
    proptest::collection::vec(
        (proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 0_u8..4, 1_u64..8, any::<bool>()),
        1..60,
    )
    .prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(i, (picks, known, bytes, stays))| SchedulerNode {
                inputs: if i == 0 { vec![] } else { picks.iter().map(|p| p.index(i)).collect() },
                bytes,
                known: [Lookup::Miss, Lookup::Miss, HIT, GONE][known as usize],
                is_forced: false,
                stays,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Order, budget, slots, termination; answers come in any order; some nodes fail; artefacts get lost.
    #[test]
    fn random_graphs_finish_in_order_within_the_budget(nodes in graphs(), choices in proptest::collection::vec(any::<u8>(), 512), slots in 1_usize..5) {
        let budget = 10;
        let mut s = Scheduler::new(nodes.clone(), budget, slots);
        let mut has_reader = vec![false; nodes.len()];
        for n in &nodes { for &i in &n.inputs { has_reader[i] = true; } }
        for (i, read) in has_reader.iter().enumerate() { if !read { s.want_digests(i); } }
        let mut running: Vec<usize> = Vec::new();
        let mut available: Vec<bool> = nodes.iter().map(|n| n.known == HIT).collect();
        let mut choices = choices.into_iter().cycle();
        let mut losses = 0;
        let mut was_known = vec![false; nodes.len()];
        for _ in 0..100_000 {
            for (i, known) in was_known.iter_mut().enumerate() { *known |= s.phase(i).is_known(); }
            match s.next_task() {
                Some(Task::Lookup(n)) => {
                    for &i in &nodes[n].inputs { prop_assert!(was_known[i] || s.phase(i).is_known() || nodes[i].known != Lookup::Miss); }
                    let c = choices.next().unwrap();
                    let found = if c < 60 { available[n] = true; HIT } else if c < 80 { available[n] = false; GONE } else { Lookup::Miss };
                    was_known[n] |= found != Lookup::Miss;
                    s.looked_up(n, found);
                }
                Some(Task::Run(n)) => {
                    for &i in &nodes[n].inputs { prop_assert!(s.phase(i).is_known() && available[i], "node {n} runs without {i}"); }
                    prop_assert!(!running.contains(&n));
                    running.push(n);
                    prop_assert!(running.len() <= slots);
                    let sum: u64 = running.iter().map(|&r| nodes[r].bytes).sum();
                    prop_assert!(sum <= budget || running.len() == 1);
                }
                None if running.is_empty() => { prop_assert!(s.is_done()); break; }
                None => {
                    let at = choices.next().unwrap() as usize % running.len();
                    let n = running.swap_remove(at);
                    let c = choices.next().unwrap();
                    if c < 16 { s.finished(n, Finish::Failed); }
                    else if c < 32 && !nodes[n].inputs.is_empty() && losses < 20 {
                        losses += 1;
                        let lost = nodes[n].inputs[0];
                        available[lost] = false;
                        // Whoever runs now has its inputs in memory already.
                        s.lost_inputs(n, &[lost]);
                    } else {
                        available[n] = true;
                        s.finished(n, Finish::Done);
                        if nodes[n].stays { s.set_kept_bytes(n, nodes[n].bytes); }
                    }
                }
            }
        }
        prop_assert!(s.is_done() && running.is_empty());
        for (i, read) in has_reader.iter().enumerate() {
            let phase = s.phase(i);
            if !read { prop_assert!(phase.is_known() || phase.is_lost(), "goal {i} ended as {phase:?}"); }
            prop_assert!(!phase.is_active(), "node {i} ended as {phase:?}");
            if let Phase::Blocked { by } = phase { prop_assert_eq!(s.phase(by), Phase::Failed); }
        }
        for i in 0..nodes.len() { prop_assert!(!s.is_awaited(i)); }
    }

    /// After a cancel nothing new starts, and what runs may finish.
    #[test]
    fn a_drained_scheduler_starts_nothing(nodes in graphs(), after in 0_usize..20) {
        let n = nodes.len();
        let mut s = Scheduler::new(nodes, 100, 3);
        for i in 0..n { s.want_digests(i); }
        let mut running = Vec::new();
        for _ in 0..after {
            match s.next_task() {
                Some(Task::Lookup(i)) => s.looked_up(i, Lookup::Miss),
                Some(Task::Run(i)) => running.push(i),
                None => break,
            }
        }
        s.drain();
        prop_assert_eq!(s.next_task(), None);
        for i in running { s.finished(i, Finish::Done); prop_assert_eq!(s.next_task(), None); }
        prop_assert!(s.is_done());
    }
}
