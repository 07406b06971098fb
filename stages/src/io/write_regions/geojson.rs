//! GeoJSON (RFC 7946) in pixel coordinates.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use skyloom_data::{Isophotes, Table};
use skyloom_engine::CodecError;

use super::outlines::{json_cell, outlines};

/// The rows of a table as a FeatureCollection: one polygon per row, every column as a property.
///
/// Coordinates are `[x, y]` in pixels counted from zero, pixel centres at integers; the exterior ring is closed and runs
/// counter-clockwise with y upwards, as RFC 7946 asks. The member `image` holds the size of the frame. Null, NaN and the
/// infinities are `null`. Numbers are the shortest text that reads back to the same value. One feature per line.
///
/// # Errors
/// When an id of the table names no usable contour.
pub fn geojson_text(table: &Table, isophotes: &Isophotes) -> Result<String, CodecError> {
    let outlines = outlines(table, isophotes)?;
    let names = table.column_names();
    let image = json!({
        "width": isophotes.width,
        "height": isophotes.height,
        "coordinates": "zero-based pixels, pixel centres at integers, x column, y row",
    });
    let mut text = format!("{{\"type\":\"FeatureCollection\",\"image\":{image},\"features\":[");
    for (row, contour) in outlines.iter().enumerate() {
        let mut ring: Vec<[f64; 2]> = contour.vertices.clone();
        if contour.signed_area() < 0.0 {
            ring.reverse();
        }
        if ring.first() != ring.last() {
            ring.push(ring[0]);
        }
        let properties: Map<String, Value> = names
            .iter()
            .zip(table.batch().columns())
            .map(|(name, array)| (name.clone(), json_cell(array, row)))
            .collect();
        let feature = json!({
            "type": "Feature",
            "id": properties.get("id"),
            "geometry": { "type": "Polygon", "coordinates": [ring] },
            "properties": properties,
        });
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n{feature}");
    }
    text.push_str("\n]}\n");
    Ok(text)
}
