//! Sixteen 32-bit values side by side, in the widest registers that the processor has.
//!
//! Every width gives the same bits: the operations are minima, maxima and moves of integers.

/// Lines that are filtered together, and values of a vector.
pub(super) const LANES: usize = 16;

/// One position of all lines, as bits of `f32` or as keys of the same order.
///
/// Aligned to a cache line: a row that straddles two takes twice as long to load and store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Row(pub [i32; LANES]);

impl Row {
    pub(super) const ZERO: Self = Self([0; LANES]);

    pub(super) fn from_floats(values: [f32; LANES]) -> Self {
        Self(values.map(|v| v.to_bits() as i32))
    }

    pub(super) fn floats(self) -> [f32; LANES] {
        self.0.map(|v| f32::from_bits(v as u32))
    }
}

/// A vector of sixteen values.
///
/// The implementations for wide registers may only be used inside a function with their target feature.
pub(super) trait Vector: Copy {
    fn splat(value: i32) -> Self;
    fn load(from: &[i32; LANES]) -> Self;
    fn store(self, to: &mut [i32; LANES]);
    /// The bits of floats.
    #[inline(always)]
    fn load_floats(from: &[f32; LANES]) -> Self {
        Self::load(&from.map(|v| v.to_bits() as i32))
    }
    #[inline(always)]
    fn store_floats(self, to: &mut [f32; LANES]) {
        let mut bits = [0; LANES];
        self.store(&mut bits);
        *to = bits.map(|v| f32::from_bits(v as u32));
    }
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    /// Maps bits of floats to integers of the same order (that of `f32::total_cmp`), and back: it is its own inverse.
    fn flip(self) -> Self;
    /// One bit per value: the float with these bits is finite.
    fn finite(self) -> u16;
    /// `other` where the mask has a bit, `self` elsewhere.
    fn select(self, mask: u16, other: Self) -> Self;
    /// The values whose bit is set, moved together to the front.
    fn compress(self, mask: u16) -> Self;
    /// The inverse of [`Vector::compress`]; anything where no bit is set.
    fn expand(self, mask: u16) -> Self;
    /// Exchanges rows and columns.
    fn transpose(block: &mut [Self; LANES]);
}

/// An array of vectors, made one by one: the closure of an iterator would not be compiled for the wide registers.
macro_rules! each {
    ($n:expr, $i:ident => $value:expr) => {{
        let mut all = [V::splat(0); $n];
        let mut $i = 0;
        while $i < $n {
            all[$i] = $value;
            $i += 1;
        }
        all
    }};
}
pub(super) use each;

/// For processors without wide registers, and the definition of what the others do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable([i32; LANES]);

impl Vector for Portable {
    #[inline(always)]
    fn splat(value: i32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn load(from: &[i32; LANES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut [i32; LANES]) {
        *to = self.0;
    }
    // Calls, or the networks of thousands of comparators would take minutes to compile.
    #[inline(never)]
    fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].min(other.0[i])))
    }
    #[inline(never)]
    fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }
    #[inline]
    fn flip(self) -> Self {
        Self(self.0.map(|bits| bits ^ ((bits >> 31) as u32 >> 1) as i32))
    }
    #[inline]
    fn finite(self) -> u16 {
        let mut mask = 0;
        for (i, bits) in self.0.iter().enumerate() {
            mask |= u16::from(f32::from_bits(*bits as u32).is_finite()) << i;
        }
        mask
    }
    #[inline]
    fn select(self, mask: u16, other: Self) -> Self {
        Self(std::array::from_fn(|i| if mask >> i & 1 == 1 { other.0[i] } else { self.0[i] }))
    }
    #[inline]
    fn compress(self, mask: u16) -> Self {
        let (mut packed, mut n) = ([0; LANES], 0);
        for (i, value) in self.0.iter().enumerate() {
            // Written always, kept only when the count moves on: cheaper than a branch that nobody can predict.
            packed[n & (LANES - 1)] = *value;
            n += usize::from(mask >> i & 1);
        }
        Self(packed)
    }
    #[inline]
    fn expand(self, mask: u16) -> Self {
        let (mut spread, mut n) = ([0; LANES], 0);
        for (i, value) in spread.iter_mut().enumerate() {
            *value = self.0[n & (LANES - 1)];
            n += usize::from(mask >> i & 1);
        }
        Self(spread)
    }
    #[inline]
    fn transpose(block: &mut [Self; LANES]) {
        let from = *block;
        for (i, to) in block.iter_mut().enumerate() {
            *to = Self(std::array::from_fn(|j| from[j].0[i]));
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Portable, Vector};
    use std::arch::x86_64::*;

    /// One register of 512 bits.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512i);

    // SAFETY of all that follow: the type is used only inside functions with the target feature `avx512f`, which are
    // called after the processor was asked for it; references to sixteen values are valid for 64 bytes.
    impl Vector for Avx512 {
        #[inline(always)]
        fn splat(value: i32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_set1_epi32(value) })
        }
        #[inline(always)]
        fn load(from: &[i32; LANES]) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_loadu_epi32(from.as_ptr()) })
        }
        #[inline(always)]
        fn store(self, to: &mut [i32; LANES]) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_epi32(to.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_min_epi32(self.0, other.0) })
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_max_epi32(self.0, other.0) })
        }
        #[inline(always)]
        fn flip(self) -> Self {
            // SAFETY: see above.
            unsafe {
                let sign = _mm512_srli_epi32::<1>(_mm512_srai_epi32::<31>(self.0));
                Self(_mm512_xor_si512(self.0, sign))
            }
        }
        #[inline(always)]
        fn finite(self) -> u16 {
            // SAFETY: see above.
            unsafe {
                let magnitude = _mm512_and_si512(self.0, _mm512_set1_epi32(i32::MAX));
                _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x7f80_0000))
            }
        }
        #[inline(always)]
        fn select(self, mask: u16, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_mask_mov_epi32(self.0, mask, other.0) })
        }
        #[inline(always)]
        fn compress(self, mask: u16) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_maskz_compress_epi32(mask, self.0) })
        }
        #[inline(always)]
        fn expand(self, mask: u16) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm512_maskz_expand_epi32(mask, self.0) })
        }
        #[inline(always)]
        fn transpose(block: &mut [Self; LANES]) {
            // SAFETY: see above.
            unsafe {
                let mut a = [_mm512_setzero_si512(); LANES];
                let mut b = a;
                // Pairs of rows, then groups of four, then of eight and sixteen.
                for i in 0..8 {
                    a[2 * i] = _mm512_unpacklo_epi32(block[2 * i].0, block[2 * i + 1].0);
                    a[2 * i + 1] = _mm512_unpackhi_epi32(block[2 * i].0, block[2 * i + 1].0);
                }
                for i in 0..4 {
                    b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
                    b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
                    b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
                    b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
                }
                for i in 0..4 {
                    a[i] = _mm512_shuffle_i32x4::<0x88>(b[i], b[i + 4]);
                    a[i + 4] = _mm512_shuffle_i32x4::<0xdd>(b[i], b[i + 4]);
                    a[i + 8] = _mm512_shuffle_i32x4::<0x88>(b[i + 8], b[i + 12]);
                    a[i + 12] = _mm512_shuffle_i32x4::<0xdd>(b[i + 8], b[i + 12]);
                }
                for i in 0..4 {
                    block[i] = Self(_mm512_shuffle_i32x4::<0x88>(a[i], a[i + 8]));
                    block[i + 4] = Self(_mm512_shuffle_i32x4::<0x88>(a[i + 4], a[i + 12]));
                    block[i + 8] = Self(_mm512_shuffle_i32x4::<0xdd>(a[i], a[i + 8]));
                    block[i + 12] = Self(_mm512_shuffle_i32x4::<0xdd>(a[i + 4], a[i + 12]));
                }
            }
        }
    }

    /// Two registers of 256 bits.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256i, __m256i);

    impl Avx2 {
        #[inline(always)]
        fn portable(self) -> Portable {
            let mut values = [0; LANES];
            self.store(&mut values);
            Portable(values)
        }
    }

    // SAFETY of all that follow: as above, with the target feature `avx2`.
    impl Vector for Avx2 {
        #[inline(always)]
        fn splat(value: i32) -> Self {
            // SAFETY: see above.
            unsafe { Self(_mm256_set1_epi32(value), _mm256_set1_epi32(value)) }
        }
        #[inline(always)]
        fn load(from: &[i32; LANES]) -> Self {
            // SAFETY: see above; eight values begin at the ninth.
            unsafe {
                let (low, high) = (from.as_ptr(), from.as_ptr().add(LANES / 2));
                Self(_mm256_loadu_si256(low.cast()), _mm256_loadu_si256(high.cast()))
            }
        }
        #[inline(always)]
        fn store(self, to: &mut [i32; LANES]) {
            // SAFETY: see above; eight values begin at the ninth.
            unsafe {
                _mm256_storeu_si256(to.as_mut_ptr().cast(), self.0);
                _mm256_storeu_si256(to.as_mut_ptr().add(LANES / 2).cast(), self.1);
            }
        }
        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Self(_mm256_min_epi32(self.0, other.0), _mm256_min_epi32(self.1, other.1)) }
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Self(_mm256_max_epi32(self.0, other.0), _mm256_max_epi32(self.1, other.1)) }
        }
        #[inline(always)]
        fn flip(self) -> Self {
            // SAFETY: see above.
            unsafe {
                let low = _mm256_srli_epi32::<1>(_mm256_srai_epi32::<31>(self.0));
                let high = _mm256_srli_epi32::<1>(_mm256_srai_epi32::<31>(self.1));
                Self(_mm256_xor_si256(self.0, low), _mm256_xor_si256(self.1, high))
            }
        }
        #[inline(always)]
        fn finite(self) -> u16 {
            // SAFETY: see above.
            unsafe {
                let (all, limit) = (_mm256_set1_epi32(i32::MAX), _mm256_set1_epi32(0x7f80_0000));
                let low = _mm256_cmpgt_epi32(limit, _mm256_and_si256(self.0, all));
                let high = _mm256_cmpgt_epi32(limit, _mm256_and_si256(self.1, all));
                let low = _mm256_movemask_ps(_mm256_castsi256_ps(low)) as u16;
                low | (_mm256_movemask_ps(_mm256_castsi256_ps(high)) as u16) << 8
            }
        }
        #[inline(always)]
        fn select(self, mask: u16, other: Self) -> Self {
            // SAFETY: see above.
            unsafe {
                let mask = _mm256_set1_epi32(i32::from(mask));
                let (low, high) = (
                    _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128),
                    _mm256_setr_epi32(1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15),
                );
                let low = _mm256_cmpeq_epi32(_mm256_and_si256(mask, low), low);
                let high = _mm256_cmpeq_epi32(_mm256_and_si256(mask, high), high);
                Self(_mm256_blendv_epi8(self.0, other.0, low), _mm256_blendv_epi8(self.1, other.1, high))
            }
        }
        #[inline(always)]
        fn compress(self, mask: u16) -> Self {
            let packed = self.portable().compress(mask);
            Self::load(&packed.0)
        }
        #[inline(always)]
        fn expand(self, mask: u16) -> Self {
            let spread = self.portable().expand(mask);
            Self::load(&spread.0)
        }
        #[inline(always)]
        fn transpose(block: &mut [Self; LANES]) {
            let mut portable = [Portable([0; LANES]); LANES];
            for (to, from) in portable.iter_mut().zip(block.iter()) {
                *to = from.portable();
            }
            Portable::transpose(&mut portable);
            for (to, from) in block.iter_mut().zip(&portable) {
                *to = Self::load(&from.0);
            }
        }
    }
}
