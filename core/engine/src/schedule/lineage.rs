//! Who reads whom, and who stands above whom.

/// More nodes than this are not asked: the work grows with their square, and such graphs are many small pieces.
const MOST_NODES: usize = 1000;

/// The wires of a graph, for questions about what is in memory at the same time.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    readers: Vec<Vec<usize>>,
    /// Per node one bit per node: that one stands above it.
    above: Vec<Vec<u64>>,
}

impl Lineage {
    /// Of nodes given by the producers of their inputs. Empty for very large graphs.
    pub(super) fn new<'a>(inputs: impl ExactSizeIterator<Item = &'a [usize]> + Clone) -> Self {
        let n = inputs.len();
        if n > MOST_NODES {
            return Self::default();
        }
        let mut readers = vec![Vec::new(); n];
        for (reader, producers) in inputs.clone().enumerate() {
            producers.iter().for_each(|&producer| readers[producer].push(reader));
        }
        let mut above = vec![vec![0_u64; n.div_ceil(64)]; n];
        // Producers first: a node is done when all of its inputs are.
        let mut missing: Vec<usize> = inputs.clone().map(<[usize]>::len).collect();
        let mut done: Vec<usize> = (0..n).filter(|&i| missing[i] == 0).collect();
        while let Some(node) = done.pop() {
            let mut own = above[node].clone();
            own[node / 64] |= 1 << (node % 64);
            for &reader in &readers[node] {
                above[reader].iter_mut().zip(&own).for_each(|(to, from)| *to |= from);
                missing[reader] -= 1;
                if missing[reader] == 0 {
                    done.push(reader);
                }
            }
        }
        Self { readers, above }
    }

    /// Whether the products of `producer` may be in memory while `node` runs, which does not read them: one of its readers that
    /// are still to come, by `is_waiting`, need not have run before.
    pub(super) fn may_lie_beside(&self, producer: usize, node: usize, is_waiting: impl Fn(usize) -> bool) -> bool {
        let Some(readers) = self.readers.get(producer) else { return false };
        let is_above = |other: usize| self.above[node][other / 64] >> (other % 64) & 1 == 1;
        !readers.contains(&node) && readers.iter().any(|&reader| is_waiting(reader) && !is_above(reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_gone_for_those_below_all_of_its_readers() {
        // 0 -> 1 -> 2 -> 3, and 0 -> 4 -> 5; 6 stands alone.
        let inputs: [&[usize]; 7] = [&[], &[0], &[1], &[2], &[0], &[4], &[]];
        let lineage = Lineage::new(inputs.iter().copied());
        let beside = |node: usize| lineage.may_lie_beside(0, node, |_| true);
        assert_eq!([1, 2, 3, 4, 5, 6].map(beside), [false, true, true, false, true, true]);
        // 4 is finished: what is below 1 finds the product gone.
        let beside = |node: usize| lineage.may_lie_beside(0, node, |reader| reader != 4);
        assert_eq!([1, 2, 3, 5, 6].map(beside), [false, false, false, true, true]);
    }

    #[test]
    fn very_large_graphs_are_not_asked() {
        let lineage = Lineage::new(vec![&[] as &[usize]; MOST_NODES + 1].into_iter());
        assert!(!lineage.may_lie_beside(0, 1, |_| true));
    }
}
