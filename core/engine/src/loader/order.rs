//! The order in which nodes can run, and cycles, which have none.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// What can run, in an order in which it can, and why the rest cannot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// Topological order, ties as in the file. What lies on a cycle or behind one is left out.
    pub(crate) nodes: Vec<usize>,
    /// Cycles: paths whose last element is read by their first.
    pub(crate) cycles: Vec<Vec<usize>>,
}

/// Orders `n` nodes by their edges, each from producer to reader.
pub(crate) fn topological_order(n: usize, edges: &[(usize, usize)]) -> Order {
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); n];
    let mut waiting = vec![0_usize; n];
    for &(producer, reader) in edges {
        readers[producer].push(reader);
        waiting[reader] += 1;
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..n).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut nodes = Vec::with_capacity(n);
    while let Some(Reverse(node)) = ready.pop() {
        nodes.push(node);
        for &reader in &readers[node] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    let cycles = if nodes.len() == n { Vec::new() } else { cycles(n, edges, &readers) };
    Order { nodes, cycles }
}

/// One cycle per knot, through the knot's first node, as short as possible.
fn cycles(n: usize, edges: &[(usize, usize)], readers: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(n, edges.len());
    for _ in 0..n {
        graph.add_node(());
    }
    for &(producer, reader) in edges {
        graph.add_edge(NodeIndex::new(producer), NodeIndex::new(reader), ());
    }
    let mut found: Vec<Vec<usize>> = tarjan_scc(&graph)
        .into_iter()
        .filter_map(|knot| {
            let members: Vec<usize> = knot.iter().map(|i| i.index()).collect();
            let first = *members.iter().min()?;
            shortest_cycle(first, &members, readers)
        })
        .collect();
    found.sort();
    found
}

/// Breadth first from a node back to itself.
fn shortest_cycle(first: usize, members: &[usize], readers: &[Vec<usize>]) -> Option<Vec<usize>> {
    let inside: std::collections::BTreeSet<usize> = members.iter().copied().collect();
    let mut came_from: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        for &reader in readers[node].iter().filter(|r| inside.contains(r)) {
            if reader == first {
                let mut path = vec![node];
                while let Some(&before) = path.last().filter(|&&at| at != first).and_then(|at| came_from.get(at)) {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(reader) {
                entry.insert(node);
                queue.push_back(reader);
            }
        }
    }
    None
}
