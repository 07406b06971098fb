//! `skyloom show PRODUCT`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use skyloom_data::{Image, Isophotes, PsfField, Table};
use skyloom_engine::{Deliverable, NodeReport, ProductType, RunReport, nearest};

use super::output;
use crate::args::ShowArgs;
use crate::failure::CommandFailure;
use crate::setup;
use crate::size::{show_bytes, show_count};

mod image_view;
mod table_view;

/// Shows a product of the last run, or a file.
pub fn run(args: &ShowArgs) -> Result<(), CommandFailure> {
    let (path, type_name, name) = find(args)?;
    let decode_error = |e: skyloom_engine::CodecError| CommandFailure::io(format!("{}: {e}", path.display()));
    let (value, text) = match type_name.as_str() {
        Image::TYPE => {
            let image = Image::decode(&path).map_err(decode_error)?;
            if let Some(png) = &args.png {
                image_view::write_png(&image, png)?;
            }
            image_view::describe(&image)
        }
        Table::TYPE => {
            let table = Table::decode(&path).map_err(decode_error)?;
            table_view::describe(&table, args.rows)
        }
        Isophotes::TYPE => {
            let isophotes = Isophotes::decode(&path).map_err(decode_error)?;
            describe_isophotes(&isophotes)
        }
        PsfField::TYPE => {
            let psf = PsfField::decode(&path).map_err(decode_error)?;
            let value = serde_json::to_value(&psf).map_err(|e| CommandFailure::io(format!("JSON: {e}")))?;
            let text = ron::ser::to_string_pretty(&psf, ron::ser::PrettyConfig::default())
                .map_err(|e| CommandFailure::io(format!("RON: {e}")))?;
            (value, text + "\n")
        }
        _ => {
            let file = Deliverable::decode(&path).map_err(decode_error)?;
            let size = file.bytes().map_err(|e| decode_error(e.into()))?.len() as u64;
            (json!({ "bytes": size }), format!("{}\n", show_bytes(size)))
        }
    };
    if args.png.is_some() && type_name != Image::TYPE {
        return Err(CommandFailure::usage(format!("{name} is {type_name}, and only an image has a preview")));
    }
    if args.format.json {
        output::json(&json!({ "product": name, "type": type_name, "path": path, "content": value }))
    } else {
        output::text(&format!("{name}: {type_name}\n{}\n\n{text}", path.display()))
    }
}

/// The file of a product, its type, and its name.
fn find(args: &ShowArgs) -> Result<(PathBuf, String, String), CommandFailure> {
    let as_file = Path::new(&args.product);
    if as_file.is_file() {
        let type_name = match as_file.extension().and_then(|e| e.to_str()) {
            Some("fits" | "fit" | "fz" | "gz") => Image::TYPE,
            Some("parquet") => Table::TYPE,
            _ => Deliverable::TYPE,
        };
        return Ok((as_file.to_path_buf(), type_name.to_owned(), args.product.clone()));
    }
    let store = setup::store(&args.place.cache)?;
    let report = setup::report(&args.place, &store)?;
    let (node, port) = product_name(&report, &args.product)?;
    let entry = setup::store_entry(&store, &node.outputs[&port])?.ok_or_else(|| {
        CommandFailure::io(format!("the artefact of {}.{port} is not in the cache any more", node.name))
            .with_help(format!("`skyloom run {} --force {}` makes it again", report.graph_file.display(), node.name))
    })?;
    let type_name = entry.type_name.unwrap_or_else(|| Deliverable::TYPE.to_owned());
    Ok((entry.path, type_name, format!("{}.{port}", node.name)))
}

fn product_name<'a>(report: &'a RunReport, text: &str) -> Result<(&'a NodeReport, String), CommandFailure> {
    if let Some(node) = report.node(text) {
        return match node.outputs.keys().collect::<Vec<_>>().as_slice() {
            [one] => Ok((node, (*one).clone())),
            [] => Err(CommandFailure::usage(format!("{text} has no products on record"))),
            many => Err(CommandFailure::usage(format!(
                "{text} has {} products; name one of {}",
                many.len(),
                many.iter().map(|p| format!("{text}.{p}")).collect::<Vec<_>>().join(", ")
            ))),
        };
    }
    let all: Vec<String> =
        report.nodes.iter().flat_map(|n| n.outputs.keys().map(move |p| format!("{}.{p}", n.name))).collect();
    if let Some((name, port)) = text.rsplit_once('.')
        && let Some(node) = report.node(name)
        && node.outputs.contains_key(port)
    {
        return Ok((node, port.to_owned()));
    }
    let failure = CommandFailure::usage(format!(
        "{text:?} is neither a file nor a product of the last run of {:?}",
        report.graph
    ));
    Err(match nearest(text, all.iter().map(String::as_str)) {
        Some(near) => failure.with_help(format!("did you mean {near:?}?")),
        None => failure.with_help(format!("products: {}", all.join(", "))),
    })
}

fn describe_isophotes(isophotes: &Isophotes) -> (Value, String) {
    let n = isophotes.contours.len();
    let mut levels: Vec<f64> = isophotes.contours.iter().map(|c| c.level_sigma).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let roots = isophotes.contours.iter().filter(|c| c.parent.is_none()).count();
    let text = format!(
        "{} contours, {} roots, levels {levels:?}\nimage of {} x {} px\n",
        show_count(n as u64),
        show_count(roots as u64),
        isophotes.width,
        isophotes.height
    );
    (
        json!({ "contours": n, "roots": roots, "levels": levels, "width": isophotes.width, "height": isophotes.height }),
        text,
    )
}
