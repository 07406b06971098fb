//! What every stage promises. In a file of its own, because it measures memory and other tests would be counted.

use ndarray::Array2;
use skyloom_data::Image;
use skyloom_testkit::Conformance;

use acme_unsharp::Unsharp;

skyloom_testkit::install_allocator!();

/// Two stars on a slope.
fn frame() -> Image {
    let star = |y: usize, x: usize, y0: f32, x0: f32| {
        let (dy, dx) = (y as f32 - y0, x as f32 - x0);
        let wing = 1.0 + (dx * dx + dy * dy) / 4.0;
        20.0 / (wing * wing)
    };
    let slope = |y: usize, x: usize| 0.125 * x as f32 + 0.25 * y as f32;
    Image::from_pixels(Array2::from_shape_fn((48, 64), |(y, x)| {
        slope(y, x) + star(y, x, 12.0, 20.5) + star(y, x, 30.25, 45.0)
    }))
}

#[test]
fn acme_unsharp_keeps_the_promises_of_a_stage() {
    let stage = Unsharp { sigma_px: 2.0, amount: 1.0 };
    Conformance::new("acme.unsharp", stage)
        .of_crate(&acme_unsharp::STAGE_CRATE)
        .input("image", frame())
        .golden(1, "b09d72bfe41d")
        .check();
}
