//! Smooth noise on the plane: random values on a lattice, interpolated. No memory, any place, any order.

/// A well mixed number from three (the finaliser of SplitMix64, Steele, Lea and Flood 2014, applied three times).
#[must_use]
pub fn hash(seed: u64, a: u64, b: u64) -> u64 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let first = mix(seed.wrapping_add(STEP));
    let second = mix(first ^ a.wrapping_mul(STEP).wrapping_add(STEP));
    mix(second ^ b.wrapping_mul(STEP).wrapping_add(STEP))
}

/// The same as a number in `[0, 1)`.
pub(super) fn hash_unit(seed: u64, a: u64, b: u64) -> f64 {
    (hash(seed, a, b) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Gradient noise (Perlin 1985) in `[0, 1]` about 0.5: a random slope at every node of the unit lattice, interpolated. Unlike
/// interpolated values it has no walls along the lattice.
fn smooth(seed: u64, x: f64, y: f64) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let (dx, dy) = (x - x0, y - y0);
    let fade = |t: f64| t * t * t * (t * (6.0 * t - 15.0) + 10.0);
    let (u, v) = (fade(dx), fade(dy));
    let corner = |i: i64, j: i64| {
        let (a, b) = ((x0 as i64 + i) as u64, (y0 as i64 + j) as u64);
        // One of 16 directions: sines of as many angles would cost more than all the rest.
        let [gx, gy] = SLOPES[(hash(seed, a, b) >> 60) as usize];
        gx * (dx - i as f64) + gy * (dy - j as f64)
    };
    let low = corner(0, 0) * (1.0 - u) + corner(1, 0) * u;
    let high = corner(0, 1) * (1.0 - u) + corner(1, 1) * u;
    // Unit slopes give at most sqrt(1/2) either way.
    (0.5 + std::f64::consts::FRAC_1_SQRT_2 * (low * (1.0 - v) + high * v)).clamp(0.0, 1.0)
}

/// Unit vectors at multiples of 22.5 degrees: cosines and sines are 1, C, H, S and 0.
const C: f64 = 0.923_879_532_511_286_7;
const S: f64 = 0.382_683_432_365_089_8;
const H: f64 = std::f64::consts::FRAC_1_SQRT_2;
const SLOPES: [[f64; 2]; 16] = [
    [1.0, 0.0],
    [C, S],
    [H, H],
    [S, C],
    [0.0, 1.0],
    [-S, C],
    [-H, H],
    [-C, S],
    [-1.0, 0.0],
    [-C, -S],
    [-H, -H],
    [-S, -C],
    [0.0, -1.0],
    [S, -C],
    [H, -H],
    [C, -S],
];

/// Sum of octaves, each of half the scale and half the weight; in `[0, 1]`, mean 0.5.
pub(super) fn clouds(seed: u64, x: f64, y: f64, scale_px: f64, octaves: u32) -> f64 {
    octave_sum(seed, x, y, scale_px, octaves, |n| n)
}

/// The same with ridges where the noise crosses its mean: filaments. In `[0, 1]`.
pub(super) fn filaments(seed: u64, x: f64, y: f64, scale_px: f64, octaves: u32) -> f64 {
    octave_sum(seed, x, y, scale_px, octaves, |n| (1.0 - 2.0 * (2.0 * n - 1.0).abs()).max(0.0).powi(2))
}

fn octave_sum(seed: u64, x: f64, y: f64, scale_px: f64, octaves: u32, shape: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut total, mut weight, mut scale) = (0.0, 0.0, 1.0, scale_px);
    let (mut u, mut v) = (x, y);
    for octave in 0..octaves {
        // Each octave is turned by 36.87 degrees (cosine 0.8) and shifted, so that no lattice shows.
        (u, v) = (0.8 * u - 0.6 * v + 17.3, 0.6 * u + 0.8 * v - 5.9);
        sum += weight * shape(smooth(seed.wrapping_add(u64::from(octave)), u / scale, v / scale));
        total += weight;
        weight *= 0.5;
        scale *= 0.5;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_bounded_and_depends_on_the_seed() {
        let mut previous = clouds(3, 0.0, 5.0, 50.0, 4);
        for i in 1..2000 {
            let next = clouds(3, f64::from(i) * 0.5, 5.0, 50.0, 4);
            assert!((0.0..=1.0).contains(&next));
            // Gradient noise changes by less than 3 per lattice step; weight over scale is the same for each octave.
            assert!((next - previous).abs() < 0.5 * 3.0 / 50.0 * 4.0 / 1.875);
            previous = next;
        }
        assert_ne!(clouds(3, 10.0, 10.0, 50.0, 4), clouds(4, 10.0, 10.0, 50.0, 4));
        assert_ne!(hash(1, 2, 3), hash(1, 3, 2));
    }
}
