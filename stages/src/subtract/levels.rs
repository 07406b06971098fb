//! Dependency levels: which stars may be removed at the same time without changing the result.
//!
//! Stars are removed in order, and each is fitted on what the earlier ones left. A star must wait for every earlier star
//! that writes where it reads, and for every earlier star that reads where it writes. All stars of one level can run in
//! parallel; running the levels one after the other gives the bits of the sequential order.

/// Side of the blocks on which overlaps are tested. Coarse blocks only add waiting, never miss a conflict.
const BLOCK_PX: usize = 8;

/// The pixels that a star reads and writes: a square about its centre, clipped to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub x: usize,
    pub y: usize,
    /// Half side of the square that is read.
    pub read: usize,
    /// Half side of the square that is written.
    pub write: usize,
}

/// The level of each star, in the order in which stars are removed.
pub(super) fn levels(width: usize, height: usize, reaches: &[Reach]) -> Vec<u32> {
    let (n_x, n_y) = (width.div_ceil(BLOCK_PX).max(1), height.div_ceil(BLOCK_PX).max(1));
    let span = |centre: usize, half: usize, n: usize| {
        (centre.saturating_sub(half) / BLOCK_PX).min(n - 1)..=(centre.saturating_add(half) / BLOCK_PX).min(n - 1)
    };
    // One more than the last level that wrote (read) each block; 0 = nobody.
    let mut written = vec![0_u32; n_x * n_y];
    let mut read = vec![0_u32; n_x * n_y];
    reaches
        .iter()
        .map(|r| {
            let (read_x, read_y) = (span(r.x, r.read, n_x), span(r.y, r.read, n_y));
            let (write_x, write_y) = (span(r.x, r.write, n_x), span(r.y, r.write, n_y));
            let mut level = 0;
            for by in read_y.clone() {
                for bx in read_x.clone() {
                    level = level.max(written[by * n_x + bx]);
                }
            }
            for by in write_y.clone() {
                for bx in write_x.clone() {
                    let block = by * n_x + bx;
                    // Writes that overlap must keep their order too: rounding depends on it.
                    level = level.max(written[block]).max(read[block]);
                }
            }
            for by in read_y {
                for bx in read_x.clone() {
                    let block = &mut read[by * n_x + bx];
                    *block = (*block).max(level + 1);
                }
            }
            for by in write_y {
                for bx in write_x.clone() {
                    let block = &mut written[by * n_x + bx];
                    *block = (*block).max(level + 1);
                }
            }
            level
        })
        .collect()
}

/// Positions of the stars of each level, in order.
pub(super) fn by_level(levels: &[u32]) -> Vec<Vec<usize>> {
    let n = levels.iter().max().map_or(0, |m| *m as usize + 1);
    let mut groups = vec![Vec::new(); n];
    for (i, level) in levels.iter().enumerate() {
        groups[*level as usize].push(i);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_waits_for_earlier_writers_and_readers_of_its_pixels_only() {
        let at = |x, y, read, write| Reach { x, y, read, write };
        let stars = [at(50, 50, 5, 10), at(400, 50, 5, 10), at(70, 50, 5, 10), at(90, 50, 25, 3), at(300, 300, 5, 5)];
        assert_eq!(levels(512, 512, &stars), [0, 0, 1, 2, 0]);
        // The last one writes where an earlier one only reads.
        let stars = [at(100, 100, 40, 2), at(130, 100, 2, 2)];
        assert_eq!(levels(512, 512, &stars), [0, 1]);
    }

    #[test]
    fn no_two_stars_of_a_level_conflict() {
        let stars: Vec<Reach> = (0..400_usize)
            .map(|i| Reach { x: i * 7919 % 503, y: i * 104_729 % 499, read: 3 + i % 5, write: 4 + i * 31 % 17 })
            .collect();
        let level = levels(503, 499, &stars);
        let meets = |a: usize, b: usize, ra: usize, rb: usize| {
            stars[a].x.abs_diff(stars[b].x) <= ra + rb && stars[a].y.abs_diff(stars[b].y) <= ra + rb
        };
        for a in 0..stars.len() {
            for b in a + 1..stars.len() {
                let conflict = meets(a, b, stars[a].write, stars[b].read)
                    || meets(a, b, stars[a].read, stars[b].write)
                    || meets(a, b, stars[a].write, stars[b].write);
                assert!(!conflict || level[a] < level[b], "{a} and {b}");
            }
        }
    }
}
