//! Images that are measured together must have the same shape: said before the run if known, and again when they are there.

use skyloom_data::Image;
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{Facets, Problems, StageError};

/// Reports an image at `port` whose known shape differs from the known shape at `reference`.
pub(crate) fn check_shape(inputs: &Facets, reference: &str, port: &str, problems: &mut Problems) {
    let size = |port: &str| {
        let facet = ImageFacet::from_facet(&inputs.get(port));
        facet.width.zip(facet.height)
    };
    if let (Some((width, height)), Some((w, h))) = (size(reference), size(port))
        && (width, height) != (w, h)
    {
        let expected = format!("{width} x {height} pixels, as {reference} has");
        problems.input(port, format!("{w} x {h} pixels"), &expected).code("shape-mismatch");
    }
}

/// Reports every product at these ports whose known shape differs from the first known one.
pub(crate) fn check_shapes(inputs: &Facets, ports: &[&str], problems: &mut Problems) {
    let mut first: Option<(&str, (usize, usize))> = None;
    for &port in ports {
        for (_, facet) in inputs.all(port) {
            let facet = ImageFacet::from_facet(facet);
            let Some(size) = facet.width.zip(facet.height) else { continue };
            match first {
                None => first = Some((port, size)),
                Some((reference, (width, height))) if size != (width, height) => {
                    let expected = format!("{width} x {height} pixels, as {reference} has");
                    problems.input(port, format!("{} x {} pixels", size.0, size.1), &expected).code("shape-mismatch");
                }
                Some(_) => {}
            }
        }
    }
}

/// Fails when the image at `port` is not `width` x `height`.
pub(crate) fn require_shape(port: &str, image: &Image, (width, height): (usize, usize)) -> Result<(), StageError> {
    if (image.width(), image.height()) == (width, height) {
        return Ok(());
    }
    let (w, h) = (image.width(), image.height());
    Err(StageError::data(format!("input {port:?} has {w} x {h} pixels, expected {width} x {height}"))
        .with_help("all images at one node must show the same pixels; resample one of them first"))
}
