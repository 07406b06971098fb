//! Products that must stay in memory, and what would not fit beside them.

use super::lineage::Lineage;
use super::scheduler::State;
use super::state::Phase;

/// Whether the products of `node`, which cannot be dropped once they are made, would take the room of another node that is still to
/// run: that one with all that would then stay beside it exceeds the budget.
pub(super) fn crowds(nodes: &[State], lineage: &Lineage, budget: u64, node: usize) -> bool {
    let is_waiting = |n: usize| nodes[n].phase.is_active();
    // What a node will keep is not known before it has run, but it is less than it needs.
    let stay = |n: usize| match nodes[n].phase {
        _ if n == node => nodes[n].bytes,
        Phase::Running => nodes[n].bytes,
        _ => nodes[n].kept_bytes,
    };
    let stays_beside = |n: usize, other: usize| nodes[n].stays && lineage.may_lie_beside(n, other, is_waiting);
    let has_no_room = |other: usize| {
        let staying = (0..nodes.len()).filter(|&n| n != other && stay(n) > 0 && stays_beside(n, other));
        staying.map(stay).sum::<u64>() + nodes[other].bytes > budget
    };
    let is_to_come = |other: usize| other != node && is_waiting(other) && nodes[other].phase != Phase::Running;
    nodes[node].stays && (0..nodes.len()).any(|o| is_to_come(o) && stays_beside(node, o) && has_no_room(o))
}
