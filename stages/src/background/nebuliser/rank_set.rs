//! A set of small integers that finds its k-th member quickly: the window of a two-dimensional median.

/// Stands for a pixel that has no rank.
pub(super) const NO_RANK: u32 = u32::MAX;

/// A set of ranks with counts of words and of groups of words, to find its k-th member quickly.
pub(super) struct RankSet {
    words: Vec<u64>,
    /// Members per 8 words.
    groups: Vec<u32>,
    /// Members per 128 words.
    blocks: Vec<u32>,
    len: usize,
}

impl RankSet {
    /// A set for ranks below `n`.
    pub(super) fn new(n: usize) -> Self {
        let words = n.div_ceil(64).max(1);
        Self { words: vec![0; words], groups: vec![0; words.div_ceil(8)], blocks: vec![0; words.div_ceil(128)], len: 0 }
    }

    /// Adds or removes a rank; [`NO_RANK`] changes nothing.
    pub(super) fn change(&mut self, rank: u32, enters: bool) {
        if rank == NO_RANK {
            return;
        }
        let word = (rank / 64) as usize;
        self.words[word] ^= 1 << (rank % 64);
        let step = if enters { 1 } else { u32::MAX };
        self.groups[word / 8] = self.groups[word / 8].wrapping_add(step);
        self.blocks[word / 128] = self.blocks[word / 128].wrapping_add(step);
        self.len = if enters { self.len + 1 } else { self.len - 1 };
    }

    /// Members.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The member with `k` members before it.
    pub(super) fn select(&self, k: usize) -> usize {
        let mut k = k as u32;
        let mut block = 0;
        while k >= self.blocks[block] {
            k -= self.blocks[block];
            block += 1;
        }
        let mut group = block * 16;
        while k >= self.groups[group] {
            k -= self.groups[group];
            group += 1;
        }
        let mut word = group * 8;
        while k >= self.words[word].count_ones() {
            k -= self.words[word].count_ones();
            word += 1;
        }
        let mut bits = self.words[word];
        for _ in 0..k {
            bits &= bits - 1;
        }
        word * 64 + bits.trailing_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kth_member_is_found_across_words_groups_and_blocks() {
        let members: Vec<u32> = (0..400).map(|i| i * i / 2 + i).collect();
        let mut set = RankSet::new(100_000);
        for &rank in &members {
            set.change(rank, true);
        }
        set.change(NO_RANK, true);
        set.change(5000, true);
        set.change(5000, false);
        assert_eq!(set.len(), members.len());
        for (k, &rank) in members.iter().enumerate() {
            assert_eq!(set.select(k), rank as usize);
        }
    }
}
