//! Random numbers that depend on a seed, a purpose and a number, and on nothing else.
//!
//! Every star, cluster or image row has a stream of its own. So the result does not depend on the order in which things are
//! drawn, on threads or on the height of bands, and one more galaxy does not move a star.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for; each purpose has streams of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Domain {
    /// How many of each kind there are.
    Counts = 1,
    /// One field star each.
    FieldStar,
    /// One foreground star each.
    Foreground,
    /// One planted blend each.
    Blend,
    /// One complex each.
    Complex,
    /// One cluster each.
    Cluster,
    /// Members of one cluster.
    Members,
    /// Loose stars of one complex.
    Association,
    /// One galaxy each.
    Galaxy,
    /// The catalogue entry of one star.
    Entry,
    /// A second entry of one star.
    Duplicate,
    /// One false entry each.
    FalseEntry,
    /// The catalogue entry of one galaxy.
    GalaxyEntry,
    /// Noise of one image row.
    Noise,
    /// Bad columns of the detector.
    BadColumns,
    /// One injected source each.
    Injected,
    /// Photon noise of one row of injected light.
    InjectedNoise,
    /// The catalogue entry of one injected star.
    InjectedEntry,
}

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Draws {
    rng: ChaCha8Rng,
}

impl Draws {
    /// The stream of number `index` for a purpose. Two bands of one field that need different noise differ in `variant`.
    #[must_use]
    pub fn new(seed: u64, domain: Domain, variant: u64, index: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(domain as u64).to_le_bytes());
        key[16..24].copy_from_slice(&variant.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        Self { rng }
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform between two numbers.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Two independent standard normal numbers (Box and Muller 1958); always two uniform numbers are used up.
    pub fn normal_pair(&mut self) -> (f64, f64) {
        // 1 - u is never 0.
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.uniform());
        (radius * cos, radius * sin)
    }

    /// One standard normal number.
    pub fn normal(&mut self) -> f64 {
        self.normal_pair().0
    }

    /// A Poisson number: by multiplication below a mean of 30 (Knuth 1969), the rounded normal approximation above, whose
    /// error in the distribution is then below 1 %.
    pub fn poisson(&mut self, mean: f64) -> usize {
        if mean.is_nan() || mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as usize;
        }
        let limit = libm::exp(-mean);
        let mut product = self.uniform();
        let mut n = 0;
        while product > limit {
            product *= self.uniform();
            n += 1;
        }
        n
    }

    /// A magnitude between `bright` and `faint` with density proportional to `10^(slope m)`.
    pub fn magnitude(&mut self, bright: f64, faint: f64, slope: f64) -> f64 {
        let u = self.uniform();
        if slope.abs() < 1e-9 {
            return bright + u * (faint - bright);
        }
        // Relative to the bright end, so that no power overflows.
        bright + libm::log10(1.0 + u * (libm::exp10(slope * (faint - bright)) - 1.0)) / slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_variant_and_number() {
        let first = |seed, domain, variant, index| Draws::new(seed, domain, variant, index).uniform();
        let base = first(1, Domain::Noise, 0, 0);
        assert_eq!(base, first(1, Domain::Noise, 0, 0));
        for other in [
            first(2, Domain::Noise, 0, 0),
            first(1, Domain::Entry, 0, 0),
            first(1, Domain::Noise, 1, 0),
            first(1, Domain::Noise, 0, 1),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        // 20,000 draws: standard errors of the means are 0.002 to 0.05, tolerances four of them.
        let mut draws = Draws::new(7, Domain::Counts, 0, 0);
        let n = 20_000;
        let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).fold(0.0, |a, b| a + b) / f64::from(n);
        assert!((mean(&mut || draws.uniform()) - 0.5).abs() < 0.009);
        assert!(mean(&mut || draws.normal()).abs() < 0.03);
        assert!((mean(&mut || draws.normal().powi(2)) - 1.0).abs() < 0.05);
        assert!((mean(&mut || draws.poisson(3.0) as f64) - 3.0).abs() < 0.05);
        assert!((mean(&mut || draws.poisson(50.0) as f64) - 50.0).abs() < 0.2);
        // Half of the numbers of a distribution 10^(0.3 m) over 10 mag lie in the last log10(2) / 0.3 mag.
        let median = 10.0 - libm::log10(2.0) / 0.3;
        assert!((mean(&mut || f64::from(u8::from(draws.magnitude(0.0, 10.0, 0.3) > median))) - 0.5).abs() < 0.02);
        assert_eq!((draws.poisson(0.0), draws.poisson(f64::NAN)), (0, 0));
    }
}
