//! What is known of products beforehand, and whether it turns out to be true.

use arrow::datatypes::DataType;
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Table};
use skyloom_engine::{Facet, Facets, FacetsOut, Problems};

use super::samples::{AnyProduct, as_image, as_table};
use super::{Conformance, Sample};

/// What the loader would know of the samples.
pub fn input_facets(samples: &[Sample]) -> Facets {
    let mut facets = Facets::new();
    for (i, sample) in samples.iter().enumerate() {
        facets.add(&sample.port, &format!("test{i}.{}", sample.port), facet(&*sample.product));
    }
    facets
}

fn facet(product: &AnyProduct) -> Facet {
    match (as_image(product), as_table(product)) {
        (Some(image), _) => image_facet(image).to_facet(),
        (_, Some(table)) => table_facet(table).to_facet(),
        _ => Facet::new(),
    }
}

fn image_facet(image: &Image) -> ImageFacet {
    ImageFacet {
        width: Some(image.width()),
        height: Some(image.height()),
        unit: image.meta.unit.clone(),
        band: image.meta.band.clone(),
        has_wcs: Some(image.wcs.is_some()),
        has_mask: Some(image.mask.is_some()),
    }
}

fn table_facet(table: &Table) -> TableFacet {
    let kind = |data_type: &DataType| match data_type {
        DataType::Float64 | DataType::Float32 => ColumnKind::Float,
        DataType::Boolean => ColumnKind::Bool,
        DataType::Utf8 => ColumnKind::Text,
        _ => ColumnKind::Int,
    };
    let schema = table.batch().schema();
    TableFacet { columns: Some(schema.fields().iter().map(|f| (f.name().clone(), kind(f.data_type()))).collect()) }
}

/// See [`Check::Facets`](super::Check::Facets).
pub fn check(suite: &Conformance, problems: &mut Vec<String>) {
    let (mut promised, mut refused) = (FacetsOut::new(), Problems::new());
    suite.stage.infer(&input_facets(&suite.samples), &mut promised, &mut refused);
    problems.extend(refused.list().iter().map(|p| format!("`infer` refuses the sample: {}", p.found)));
    let outcome = match suite.run(&suite.samples) {
        Ok(outcome) => outcome,
        Err(failed) => return problems.push(format!("the stage fails on the sample: {failed}")),
    };
    let ports: Vec<String> = suite.stage.signature().outputs.into_iter().map(|port| port.name).collect();
    for (port, product) in &outcome.outputs {
        if !ports.contains(port) {
            problems.push(format!("output {port:?} is set, and `signature` does not name it"));
        }
        if let Some(broken) = broken(&promised.get(port), &**product) {
            problems.push(format!("output {port:?}: {broken}"));
        }
    }
}

/// What was promised of a product and is not so.
fn broken(promised: &Facet, product: &AnyProduct) -> Option<String> {
    fn differs<T: PartialEq + std::fmt::Debug>(what: &str, promised: &Option<T>, found: &Option<T>) -> Option<String> {
        let is_other = promised.is_some() && promised != found;
        is_other.then(|| format!("`infer` said {what} {promised:?}, and it is {found:?}"))
    }
    if let Some(image) = as_image(product) {
        let (promised, found) = (ImageFacet::from_facet(promised), image_facet(image));
        return differs("width", &promised.width, &found.width)
            .or_else(|| differs("height", &promised.height, &found.height))
            .or_else(|| differs("unit", &promised.unit, &found.unit))
            .or_else(|| differs("band", &promised.band, &found.band))
            .or_else(|| differs("has_wcs", &promised.has_wcs, &found.has_wcs))
            // Only `false` is a promise: a mask that may be there may also be missing.
            .or_else(|| differs("has_mask", &promised.has_mask.filter(|has| !has), &found.has_mask));
    }
    let table = as_table(product)?;
    differs("columns", &TableFacet::from_facet(promised).columns, &table_facet(table).columns)
}
