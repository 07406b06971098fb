//! The lower levels of the running median, with comparators in registers.
//!
//! A tile of `2t` outputs whose `2t` candidates are known in ascending order falls into two tiles of `t`; each adds
//! `t` values to its windows, and the middle `t` of all `3t` stay candidates. Sizes are powers of two, so that
//! sorting (Batcher's odd-even sort) and merging (bitonic) are straight code.

use super::vector::{Row, Vector, each};

/// Outputs of the largest tile that is handled in registers.
pub(super) const MAX_TILE: usize = 64;

/// Where a tile's values come from, and where its medians go to: medians replace inputs that no later tile reads.
pub(super) struct Band<'a> {
    pub rows: &'a mut [Row],
    pub window: usize,
    /// First output of the tile.
    pub start: usize,
    /// Candidates of the tiles of sixteen outputs that wait for their turn, by output: all of them go through the same
    /// code, which would otherwise be compiled once per size of the first tile.
    pub waiting: &'a mut [Row; MAX_TILE],
}

impl Band<'_> {
    /// `N` rows from `at` on.
    #[inline(always)]
    pub(super) fn load<V: Vector, const N: usize>(&self, at: usize) -> [V; N] {
        let rows = &self.rows[at..at + N];
        each!(N, i => V::load(&rows[i].0))
    }

    /// First new row of the half (0 left, 1 right) of `t` outputs of a tile that begins at output `first`.
    #[inline(always)]
    pub(super) fn source(&self, first: usize, half: usize, t: usize) -> usize {
        // New values of the left half precede the tile's core, those of the right half follow it.
        if half == 0 { first + t - 1 } else { first + self.window }
    }
}

macro_rules! compare {
    ($v:ident: $($low:literal $high:literal),*) => {
        $(
            let (a, b) = ($v[$low], $v[$high]);
            $v[$low] = a.min(b);
            $v[$high] = a.max(b);
        )*
    };
}

/// Sorting networks for powers of two.
pub(super) trait Sort {
    fn sort(&mut self);
}

/// Sorting of bitonic sequences: those that rise and then fall, seen as a ring.
pub(super) trait SortBitonic {
    fn sort_bitonic(&mut self);
}

impl<V: Vector> Sort for [V; 1] {
    #[inline(always)]
    fn sort(&mut self) {}
}

impl<V: Vector> Sort for [V; 2] {
    #[inline(always)]
    fn sort(&mut self) {
        compare!(self: 0 1);
    }
}

impl<V: Vector> Sort for [V; 4] {
    #[inline(always)]
    fn sort(&mut self) {
        compare!(self: 0 1, 2 3, 0 2, 1 3, 1 2);
    }
}

impl<V: Vector> Sort for [V; 8] {
    #[inline(always)]
    fn sort(&mut self) {
        compare!(self: 0 1, 2 3, 0 2, 1 3, 1 2, 4 5, 6 7, 4 6, 5 7, 5 6, 0 4, 2 6, 2 4, 1 5, 3 7, 3 5, 1 2, 3 4, 5 6);
    }
}

impl<V: Vector> Sort for [V; 16] {
    #[inline(always)]
    fn sort(&mut self) {
        compare!(self: 0 1, 2 3, 0 2, 1 3, 1 2, 4 5, 6 7, 4 6, 5 7, 5 6, 0 4, 2 6, 2 4, 1 5, 3 7, 3 5, 1 2, 3 4, 5 6);
        compare!(self: 8 9, 10 11, 8 10, 9 11, 9 10, 12 13, 14 15, 12 14, 13 15, 13 14, 8 12, 10 14, 10 12, 9 13);
        compare!(self: 11 15, 11 13, 9 10, 11 12, 13 14, 0 8, 4 12, 4 8, 2 10, 6 14, 6 10, 2 4, 6 8, 10 12, 1 9);
        compare!(self: 5 13, 5 9, 3 11, 7 15, 7 11, 3 5, 7 9, 11 13, 1 2, 3 4, 5 6, 7 8, 9 10, 11 12, 13 14);
    }
}

impl<V: Vector> SortBitonic for [V; 1] {
    #[inline(always)]
    fn sort_bitonic(&mut self) {}
}

macro_rules! halves {
    ($n:literal, $half:literal) => {
        impl<V: Vector> SortBitonic for [V; $n] {
            #[inline(always)]
            fn sort_bitonic(&mut self) {
                let mut low = each!($half, i => self[i].min(self[i + $half]));
                let mut high = each!($half, i => self[i].max(self[i + $half]));
                low.sort_bitonic();
                high.sort_bitonic();
                self[..$half].copy_from_slice(&low);
                self[$half..].copy_from_slice(&high);
            }
        }
    };
}
halves!(2, 1);
halves!(4, 2);
halves!(8, 4);
halves!(16, 8);
halves!(32, 16);

macro_rules! sort_by_halves {
    ($n:literal, $half:literal) => {
        impl<V: Vector> Sort for [V; $n] {
            #[inline(always)]
            fn sort(&mut self) {
                for at in [0, $half] {
                    let mut half = each!($half, i => self[at + i]);
                    half.sort();
                    self[at..at + $half].copy_from_slice(&half);
                }
                let mut low = each!($half, i => self[i].min(self[$n - 1 - i]));
                let mut high = each!($half, i => self[i].max(self[$n - 1 - i]));
                low.sort_bitonic();
                high.sort_bitonic();
                self[..$half].copy_from_slice(&low);
                self[$half..].copy_from_slice(&high);
            }
        }
    };
}
sort_by_halves!(32, 16);
sort_by_halves!(64, 32);

/// A tile whose candidates are known goes down to single outputs.
pub(super) trait Descend {
    fn descend(self, band: &mut Band<'_>, first: usize);
    /// The same, at once or later.
    fn hand_down(self, band: &mut Band<'_>, first: usize);
}

impl<V: Vector> Descend for [V; 1] {
    #[inline(always)]
    fn descend(self, band: &mut Band<'_>, first: usize) {
        self[0].store(&mut band.rows[first].0);
    }
    #[inline(always)]
    fn hand_down(self, band: &mut Band<'_>, first: usize) {
        self.descend(band, first);
    }
}

macro_rules! descend {
    ($n:literal, $t:literal, $self:ident $band:ident $first:ident => $down:expr) => {
        impl<V: Vector> Descend for [V; $n] {
            #[inline(always)]
            fn descend(self, band: &mut Band<'_>, first: usize) {
                for half in 0..2 {
                    let mut new: [V; $t] = band.load(band.source(first, half, $t));
                    new.sort();
                    // The t largest of the lower candidates and the new: what they leave is too low for any median.
                    let mut kept = each!($t, i => self[i].max(new[$t - 1 - i]));
                    kept.sort_bitonic();
                    // And the t smallest of those and the upper candidates.
                    kept = each!($t, i => kept[i].min(self[$n - 1 - i]));
                    kept.sort_bitonic();
                    kept.hand_down(band, first + half * $t);
                }
            }
            #[inline(always)]
            fn hand_down($self, $band: &mut Band<'_>, $first: usize) {
                $down
            }
        }
    };
}
descend!(2, 1, self band first => self.descend(band, first));
descend!(4, 2, self band first => self.descend(band, first));
descend!(8, 4, self band first => self.descend(band, first));
descend!(16, 8, self band first => wait(&self, band, first));
descend!(32, 16, self band first => self.descend(band, first));
descend!(64, 32, self band first => self.descend(band, first));

#[inline(always)]
fn wait<V: Vector>(kept: &[V; 16], band: &mut Band<'_>, first: usize) {
    let at = first - band.start;
    for (v, to) in kept.iter().zip(&mut band.waiting[at..at + 16]) {
        v.store(&mut to.0);
    }
}

/// Lets `n` outputs that wait go down.
#[inline(always)]
pub(super) fn descend_waiting<V: Vector>(band: &mut Band<'_>, n: usize) {
    for at in (0..n).step_by(16) {
        let kept = each!(16, i => V::load(&band.waiting[at + i].0));
        kept.descend(band, band.start + at);
    }
}

/// Smallest and largest values around a core make up for what it lacks to a power of two; medians do not change.
#[inline(always)]
pub(super) fn load_core<V: Vector, const N: usize>(band: &Band<'_>, at: usize, n: usize) -> [V; N] {
    let rows = &band.rows[at..at + n];
    let low = (N - n) / 2;
    each!(N, i => if i < n {
        V::load(&rows[i].0)
    } else {
        V::splat(if i - n < low { i32::MIN } else { i32::MAX })
    })
}

/// A first tile of `N` outputs whose core has more than half as many values: `n`.
#[inline(always)]
pub(super) fn full_tile<V: Vector, const N: usize>(band: &mut Band<'_>, first: usize, n: usize)
where
    [V; N]: Sort + Descend,
{
    let mut core: [V; N] = load_core(band, first + N - 1, n);
    core.sort();
    core.hand_down(band, first);
}

/// A first tile whose core has at most half as many values as there are outputs.
pub(super) trait HalfTile {
    /// From output `first` on; `n` values in the core.
    fn run<V: Vector>(band: &mut Band<'_>, first: usize, n: usize);
}

/// A tile of `N` outputs, as a type.
pub(super) struct Tile<const N: usize>;

macro_rules! half_tile {
    ($n:literal, $t:literal, $quarter:literal) => {
        impl HalfTile for Tile<$n> {
            #[inline(always)]
            fn run<V: Vector>(band: &mut Band<'_>, first: usize, n: usize) {
                let mut core: [V; $t] = load_core(band, first + $n - 1, n);
                core.sort();
                for half in 0..2 {
                    let mut new: [V; $t] = band.load(band.source(first, half, $t));
                    new.sort();
                    // The middle half of both: the upper half of the lower and the lower half of the upper ones.
                    let low = each!($t, i => core[i].min(new[$t - 1 - i]));
                    let mut low = each!($quarter, i => low[i].max(low[i + $quarter]));
                    low.sort_bitonic();
                    let high = each!($t, i => core[i].max(new[$t - 1 - i]));
                    let mut high = each!($quarter, i => high[i].min(high[i + $quarter]));
                    high.sort_bitonic();
                    let kept = each!($t, i => if i < $quarter { low[i] } else { high[i - $quarter] });
                    kept.hand_down(band, first + half * $t);
                }
            }
        }
    };
}
half_tile!(4, 2, 1);
half_tile!(8, 4, 2);
half_tile!(16, 8, 4);
half_tile!(32, 16, 8);
half_tile!(64, 32, 16);
