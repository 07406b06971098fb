//! The products at the input ports as files.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};
use skyloom_data::{Image, Isophotes, PsfField, PsfSet, Table, fits};
use skyloom_engine::{Arity, Context, Deliverable, In, Many, Opt, Product, ProductType, StageError};

use crate::descriptor::{InputSpec, ProductWord};
use crate::names::keep;
use crate::port::Format;

/// Writes what is wired to a port into a folder. Gives the entry of `job.json`: one file, none, or a list of files.
pub(crate) fn write(cx: &Context<'_>, name: &str, spec: &InputSpec, folder: &Path) -> Result<Json, StageError> {
    match spec.product {
        ProductWord::Image => each::<Image>(cx, name, spec, folder, |image, path| Ok(image.encode(path)?)),
        ProductWord::Table => {
            each::<Table>(cx, name, spec, folder, |table, path| match spec.format.unwrap_or_default() {
                Format::Parquet => Ok(table.encode(path)?),
                Format::Fits => Ok(fits::write_bintable(table, path)?),
            })
        }
        ProductWord::Isophotes => each::<Isophotes>(cx, name, spec, folder, |i, path| Ok(i.encode(path)?)),
        ProductWord::Psf => each::<PsfField>(cx, name, spec, folder, write_json),
        ProductWord::PsfSet => each::<PsfSet>(cx, name, spec, folder, write_json),
        ProductWord::Json | ProductWord::File => {
            each::<Deliverable>(cx, name, spec, folder, |file, path| Ok(file.encode(path)?))
        }
    }
}

fn write_json<T: Serialize>(product: &T, path: &Path) -> Result<(), StageError> {
    let text = serde_json::to_vec(product).map_err(|e| StageError::data(format!("{}: {e}", path.display())))?;
    std::fs::write(path, text).map_err(|e| StageError::io(format!("{}: {e}", path.display())))
}

fn each<T: ProductType>(
    cx: &Context<'_>,
    name: &str,
    spec: &InputSpec,
    folder: &Path,
    encode: impl Fn(&T, &Path) -> Result<(), StageError>,
) -> Result<Json, StageError> {
    let put = |product: &Arc<T>, stem: &str| -> Result<Json, StageError> {
        let extension = match spec.product {
            ProductWord::File | ProductWord::Json => product.extension(),
            other => other.extension(spec.format),
        };
        let path = folder.join(format!("{stem}.{extension}"));
        encode(product, &path)?;
        Ok(json!({ "path": path.to_string_lossy(), "type": spec.product.name(), "format": extension }))
    };
    let name = keep(name);
    match spec.engine_arity() {
        Arity::One => put(&cx.input(&In::<T>::new(name, ""))?, name),
        Arity::Optional => match cx.optional(&Opt::<T>::new(name, ""))? {
            Some(product) => put(&product, name),
            None => Ok(Json::Null),
        },
        Arity::Many => {
            let port = Many::<T>::new(name, "");
            (0..cx.count(&port)).map(|i| put(&cx.nth(&port, i)?, &format!("{name}.{i}"))).collect()
        }
    }
}
