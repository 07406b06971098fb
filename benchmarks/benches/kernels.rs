//! Micro-benchmarks: `cargo bench --package skyloom-benchmarks`. One megapixel, one thread.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use skyloom_benchmarks::{kernels, sky};
use skyloom_data::PsfModel;

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the first pool of the program");
    divan::main();
}

const SIZE: usize = 1024;

#[divan::bench(args = [(90, 30, 3), (30, 10, 1)], sample_count = 10)]
fn nebuliser(bencher: Bencher<'_, '_>, (median, linear, iterations): (usize, usize, usize)) {
    let image = sky::field(SIZE, 1);
    bencher
        .counter(ItemsCount::new(SIZE * SIZE))
        .bench(|| kernels::nebuliser(black_box(image.view()), median, linear, iterations));
}

#[divan::bench(args = [31, 91], sample_count = 10)]
fn running_medians(bencher: Bencher<'_, '_>, window: usize) {
    let image = sky::field(SIZE, 1);
    bencher.counter(ItemsCount::new(SIZE * SIZE)).bench(|| kernels::medians(black_box(image.view()), window));
}

#[divan::bench(args = [24, 64], sample_count = 10)]
fn mesh(bencher: Bencher<'_, '_>, box_px: usize) {
    let image = sky::field(SIZE, 1);
    bencher.counter(ItemsCount::new(SIZE * SIZE)).bench(|| kernels::mesh(black_box(image.view()), box_px));
}

#[divan::bench(sample_count = 10)]
fn sources(bencher: Bencher<'_, '_>) {
    let image = sky::field(SIZE, 1).mapv(|v| v - 1002.0);
    bencher.counter(ItemsCount::new(SIZE * SIZE)).bench(|| kernels::sources(black_box(image.view()), 15.0));
}

#[divan::bench(sample_count = 10)]
fn contours(bencher: Bencher<'_, '_>) {
    let image = sky::field(SIZE, 1).mapv(|v| v - 1002.0);
    bencher.counter(ItemsCount::new(SIZE * SIZE)).bench(|| kernels::contours(black_box(image.view()), 15.0));
}

#[divan::bench(args = [PsfModel::Gaussian, PsfModel::Moffat, PsfModel::Compound])]
fn fit(bencher: Bencher<'_, '_>, model: PsfModel) {
    let stamps = sky::stamps(16, 1);
    bencher
        .counter(ItemsCount::new(stamps.len()))
        .bench(|| stamps.iter().map(|pixels| kernels::star(model, black_box(pixels)).chi2).fold(0.0, |a, b| a + b));
}
