//! Variants of a sample: damaged, masked, small, large.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use ndarray::{Array2, s};
use skyloom_data::{Image, Mask, MaskBits, Table};
use skyloom_engine::Product;

use super::Sample;

/// A product of any type.
pub type AnyProduct = dyn Product;

/// Bits of pixels that no stage may use.
pub const UNUSABLE: u16 = MaskBits::BAD | MaskBits::NO_DATA;

pub fn as_image(product: &AnyProduct) -> Option<&Image> {
    (product as &dyn Any).downcast_ref()
}

pub fn as_table(product: &AnyProduct) -> Option<&Table> {
    (product as &dyn Any).downcast_ref()
}

/// The samples with every image replaced.
pub fn with_images(samples: &[Sample], change: impl Fn(&Image) -> Image) -> Vec<Sample> {
    replaced(samples, |product| Some(Arc::new(change(as_image(product)?)) as Arc<dyn Product>))
}

/// The samples with every table replaced.
pub fn with_tables(samples: &[Sample], change: impl Fn(&Table) -> Table) -> Vec<Sample> {
    replaced(samples, |product| Some(Arc::new(change(as_table(product)?)) as Arc<dyn Product>))
}

fn replaced(samples: &[Sample], change: impl Fn(&AnyProduct) -> Option<Arc<dyn Product>>) -> Vec<Sample> {
    let product = |sample: &Sample| change(&*sample.product).unwrap_or_else(|| Arc::clone(&sample.product));
    samples.iter().map(|sample| Sample { port: sample.port.clone(), product: product(sample) }).collect()
}

/// Whether a pixel is one of those that are damaged: one in a hundred, among them a corner, and a block in the middle.
pub fn is_damaged((height, width): (usize, usize), (y, x): (usize, usize)) -> bool {
    let is_in_block = |at: usize, size: usize| size >= 16 && at.abs_diff(size / 2) < 2;
    (7 * x + 13 * y).is_multiple_of(97) || (is_in_block(y, height) && is_in_block(x, width))
}

/// The image with a value in the damaged pixels.
pub fn damaged(image: &Image, value: impl Fn(f32) -> f32) -> Image {
    let shape = image.pixels.dim();
    let mut result = image.clone();
    for (at, pixel) in result.pixels.indexed_iter_mut() {
        if is_damaged(shape, at) {
            *pixel = value(*pixel);
        }
    }
    result
}

/// The image with mask bits on the damaged pixels; BAD and NO_DATA in turn.
pub fn masked(image: &Image) -> Image {
    let shape = image.pixels.dim();
    let mut result = image.clone();
    let mask = result.mask.get_or_insert_with(|| Mask::zeros(shape));
    for (at, bits) in mask.indexed_iter_mut() {
        if is_damaged(shape, at) {
            *bits |= if at.1.is_multiple_of(2) { MaskBits::BAD } else { MaskBits::NO_DATA };
        }
    }
    result
}

/// The image with all pixels masked.
pub fn all_masked(image: &Image) -> Image {
    Image { mask: Some(Mask::from_elem(image.pixels.dim(), MaskBits::BAD)), ..image.clone() }
}

/// The first rows and columns of the image.
pub fn corner(image: &Image, height: usize, width: usize) -> Image {
    let (height, width) = (height.min(image.height()), width.min(image.width()));
    let mask = image.mask.as_ref().map(|mask| mask.slice(s![..height, ..width]).to_owned());
    Image { pixels: image.pixels.slice(s![..height, ..width]).to_owned(), mask, ..image.clone() }
}

/// The image beside and below itself until it has so many pixels a side, with a mask plane.
pub fn repeated(image: &Image, side: usize) -> Image {
    let (height, width) = image.pixels.dim();
    if height == 0 || width == 0 {
        return image.clone();
    }
    let shape = (side.max(height), side.max(width));
    let pixels = Array2::from_shape_fn(shape, |(y, x)| image.pixels[[y % height, x % width]]);
    let bits = |(y, x): (usize, usize)| image.mask.as_ref().map_or(0, |mask| mask[[y % height, x % width]]);
    Image { pixels, mask: Some(Array2::from_shape_fn(shape, bits)), ..image.clone() }
}

/// The table under itself until it has so many rows.
pub fn repeated_rows(table: &Table, rows: usize) -> Table {
    if table.n_rows() == 0 {
        return table.clone();
    }
    let copies = vec![table; rows.div_ceil(table.n_rows())];
    Table::stack(&copies).unwrap_or_else(|_| table.clone())
}

/// The table without its rows.
pub fn without_rows(table: &Table) -> Table {
    Table::from_batch(table.batch().slice(0, 0))
}

/// The table with NaN in every third row of its columns of floats.
pub fn with_nan(table: &Table) -> Table {
    with_columns(table, |column| {
        let floats = column.as_any().downcast_ref::<Float64Array>()?;
        let values = floats.iter().enumerate().map(|(i, v)| if i.is_multiple_of(3) { Some(f64::NAN) } else { v });
        Some(Arc::new(values.collect::<Float64Array>()))
    })
}

/// The table with null in every third row of its columns of numbers.
pub fn with_null(table: &Table) -> Table {
    with_columns(table, |column| {
        let is_kept = |i: usize| !i.is_multiple_of(3);
        if let Some(floats) = column.as_any().downcast_ref::<Float64Array>() {
            let values = floats.iter().enumerate().map(|(i, v)| v.filter(|_| is_kept(i)));
            return Some(Arc::new(values.collect::<Float64Array>()));
        }
        let ints = column.as_any().downcast_ref::<Int64Array>()?;
        let values = ints.iter().enumerate().map(|(i, v)| v.filter(|_| is_kept(i)));
        Some(Arc::new(values.collect::<Int64Array>()))
    })
}

fn with_columns(table: &Table, change: impl Fn(&dyn Array) -> Option<ArrayRef>) -> Table {
    let columns = table.batch().columns().iter().map(|c| change(c).unwrap_or_else(|| Arc::clone(c))).collect();
    // Columns keep type and length; only a schema that forbids nulls could refuse them, and is left as it is then.
    RecordBatch::try_new(table.batch().schema(), columns).map_or_else(|_| table.clone(), Table::from_batch)
}
