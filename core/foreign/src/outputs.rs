//! What a program made: read, and compared with what its descriptor promises, before anything of it is a product.

use std::path::Path;

use ndarray::Array2;
use serde::de::DeserializeOwned;
use skyloom_data::fits::{self, FitsErrorKind, FitsImageReader, HduChoice, carried_elsewhere, header_wcs};
use skyloom_data::{Card, Image, ImageMeta, Isophotes, Mask, PsfField, PsfSet, parquet_io};
use skyloom_engine::{Context, Deliverable, ErrorClass, In, Out, ProductType, StageError};

use crate::descriptor::{Kind, OutputSpec, ProductWord};
use crate::job::Job;
use crate::names::keep;
use crate::port::Format;
use crate::tables::conform;

/// Reads all outputs and sets them; when one breaks a promise none is set, and all that is wrong is said.
pub(crate) fn take(cx: &mut Context<'_>, kind: &Kind, job: &Job) -> Result<(), StageError> {
    let mut problems = Vec::new();
    let mut made = Vec::new();
    for (name, spec) in &kind.descriptor.outputs {
        cx.check_cancelled()?;
        match read(cx, spec, &job.output(name, spec.file_extension())) {
            Ok(product) => made.push((name, product)),
            Err(list) => problems.extend(list.into_iter().map(|problem| format!("output {name:?}: {problem}"))),
        }
    }
    if !problems.is_empty() {
        // What is cut short by a wish to stop is no broken promise.
        cx.check_cancelled()?;
        return Err(StageError::new(ErrorClass::Panic, problems.join("; ")));
    }
    for (name, product) in made {
        product.set(cx, keep(name));
    }
    Ok(())
}

/// A product that keeps its promises.
enum Made {
    Image(Box<Image>),
    Table(skyloom_data::Table),
    Isophotes(Isophotes),
    Psf(PsfField),
    PsfSet(PsfSet),
    File(Deliverable),
}

impl Made {
    fn set(self, cx: &mut Context<'_>, port: &'static str) {
        fn put<T: ProductType>(cx: &mut Context<'_>, port: &'static str, product: T) {
            cx.set(&Out::new(port, ""), product);
        }
        match self {
            Self::Image(image) => put(cx, port, *image),
            Self::Table(table) => put(cx, port, table),
            Self::Isophotes(isophotes) => put(cx, port, isophotes),
            Self::Psf(psf) => put(cx, port, psf),
            Self::PsfSet(set) => put(cx, port, set),
            Self::File(file) => put(cx, port, file),
        }
    }
}

fn read(cx: &Context<'_>, spec: &OutputSpec, path: &Path) -> Result<Made, Vec<String>> {
    let one = |problem: String| vec![problem];
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A pipe in place of a file would make us wait for ever.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(one(format!("out/{name} is no plain file"))),
        Err(_) => return Err(one(format!("the program ended well, but wrote no out/{name}"))),
    }
    match spec.product {
        ProductWord::Image => image(cx, spec, path).map(|image| Made::Image(Box::new(image))).map_err(one),
        ProductWord::Table => table(spec, path).map(Made::Table),
        ProductWord::Isophotes => {
            Isophotes::decode(path).map(Made::Isophotes).map_err(|e| one(format!("out/{name}: {e}")))
        }
        ProductWord::Psf => from_json(path).map(Made::Psf).map_err(one),
        ProductWord::PsfSet => from_json(path).map(Made::PsfSet).map_err(one),
        ProductWord::Json => {
            let bytes = bytes(path).map_err(one)?;
            let json: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(&bytes);
            json.map_err(|e| one(format!("out/{name} is no JSON: {e}")))?;
            Ok(Made::File(Deliverable::new(spec.file_extension(), bytes)))
        }
        ProductWord::File => bytes(path).map(|b| Made::File(Deliverable::new(spec.file_extension(), b))).map_err(one),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn from_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    serde_json::from_slice(&bytes(path)?).map_err(|e| format!("{e}, in a product as JSON"))
}

fn table(spec: &OutputSpec, path: &Path) -> Result<skyloom_data::Table, Vec<String>> {
    match spec.format.unwrap_or_default() {
        Format::Parquet => {
            let batch = parquet_io::read_batch(path).map_err(|e| vec![format!("no whole Parquet file: {e}")])?;
            conform(&batch, spec)
        }
        Format::Fits => {
            let read = fits::read_bintable(path, None).map_err(|e| vec![said(&e)])?;
            if !read.skipped.is_empty() {
                return Err(vec![format!("columns that tables do not have: {}", read.skipped.join(", "))]);
            }
            conform(read.table.batch(), spec)
        }
    }
}

/// A FITS error without the path, which is gone when it is read.
fn said(error: &fits::FitsError) -> String {
    format!("found {}; expected {}", error.found, error.expected)
}

/// The layout of [`fits::write_product`], read as other programs write it: any pixel type; a mask plane of any integer type, named
/// MASK, anywhere behind; further HDUs and cards are passed over.
fn image(cx: &Context<'_>, spec: &OutputSpec, path: &Path) -> Result<Image, String> {
    let cancel = cx.cancel_token();
    let go_on = |_| !cancel.is_cancelled();
    let mut reader = FitsImageReader::open(path, Some(&HduChoice::Index(0))).map_err(|e| said(&e))?;
    let header = reader.header().clone();
    let shape = (header.height, header.width);
    if let Some(port) = &spec.same_shape_as {
        let like = cx.input(&In::<Image>::new(keep(port), "")).map_err(|e| e.message)?;
        if like.pixels.dim() != shape {
            let (width, height) = (like.width(), like.height());
            return Err(format!(
                "an image of {} x {} pixels, promised is the shape of {port:?}, {width} x {height}",
                header.width, header.height
            ));
        }
    }
    let pixels = reader.read_all(None, &go_on).map_err(|e| said(&e))?;
    let pixels = Array2::from_shape_vec(shape, pixels).map_err(|e| e.to_string())?;
    let mask = mask(path, shape, &go_on)?;
    if spec.finite {
        let is_bad = |(i, v): (usize, &f32)| {
            !v.is_finite() && mask.as_ref().is_none_or(|m| m[[i / header.width, i % header.width]] == 0)
        };
        let n = pixels.iter().enumerate().filter(|p| is_bad(*p)).count();
        if n > 0 {
            return Err(format!("{n} pixels are not finite and have no mask bit, where finite values are promised"));
        }
    }
    let (wcs, warning) = header_wcs(path, &header).map_err(|e| said(&e))?;
    if let Some(warning) = warning {
        cx.warn(warning);
    }
    let (own, kept) = kept_cards(&header.header.cards);
    let text = |key: &str| own.text(key).filter(|t| !t.is_empty()).map(str::to_owned);
    let number = |key: &str| own.float(key).filter(|v| v.is_finite());
    let meta = ImageMeta {
        unit: text("BUNIT"),
        band: text("FILTER"),
        exposure_s: number("EXPTIME"),
        zero_point: number("MAGZPT"),
        cards: kept,
    };
    Ok(Image { pixels, mask, wcs, meta })
}

/// The header before the card that counts the kept ones, and those.
fn kept_cards(cards: &[Card]) -> (skyloom_data::Header, Vec<Card>) {
    let header = skyloom_data::Header { cards: cards.to_vec() };
    let Some(at) = cards.iter().position(|c| c.key == "SKYKEEP") else { return (header, Vec::new()) };
    let n = header.int("SKYKEEP").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    // A library may have put cards of its own between them.
    let kept = cards[at + 1..].iter().filter(|c| carried_elsewhere(&c.key).is_none()).take(n).cloned().collect();
    (header, kept)
}

fn mask(path: &Path, shape: (usize, usize), go_on: &(dyn Fn(usize) -> bool + Sync)) -> Result<Option<Mask>, String> {
    let mut reader = match FitsImageReader::open(path, Some(&HduChoice::Name("MASK".to_owned()))) {
        Ok(reader) => reader,
        Err(error) if error.kind == FitsErrorKind::UnknownHdu => return Ok(None),
        Err(error) => return Err(said(&error)),
    };
    let header = reader.header();
    if (header.height, header.width) != shape {
        let (height, width) = shape;
        let found = format!("a mask plane of {} x {} pixels", header.width, header.height);
        return Err(format!("{found}, and an image of {width} x {height}"));
    }
    if header.bitpix < 0 {
        return Err("a mask plane of floats; expected integers".to_owned());
    }
    let values = reader.read_all(None, go_on).map_err(|e| said(&e))?;
    // Every 16-bit integer is exact as a float.
    let bits = |v: f32| (v >= 0.0 && v <= f32::from(u16::MAX)).then_some(v as u16);
    let mask: Option<Vec<u16>> = values.into_iter().map(bits).collect();
    let mask = mask.ok_or("a mask plane with values outside of 0 to 65535")?;
    Ok(Some(Mask::from_shape_vec(shape, mask).map_err(|e| e.to_string())?))
}
