//! Which HDU of a file is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use skyloom_engine::schemars;

use super::error::{FitsError, FitsErrorKind};
use super::hdu::{Hdu, HduKind};

/// An HDU by position or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(crate = "skyloom_engine::schemars")]
pub enum HduChoice {
    /// Position in the file; 0 is the primary HDU.
    Index(usize),
    /// Value of `EXTNAME`, in upper or lower case; `PRIMARY` is the primary HDU.
    Name(String),
}

impl fmt::Display for HduChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(i) => write!(f, "HDU {i}"),
            Self::Name(name) => write!(f, "HDU {name:?}"),
        }
    }
}

/// Whether this is the HDU that [`find_image`] would look at.
pub(super) fn is_meant(hdu: &Hdu, choice: Option<&HduChoice>) -> bool {
    match choice {
        None => hdu.is_image() && hdu.shape.len() == 2 && !hdu.shape.contains(&0),
        Some(HduChoice::Index(i)) => hdu.index == *i,
        Some(HduChoice::Name(name)) => hdu.has_name(name),
    }
}

/// The HDU with a 2-D image that is meant; without a choice the first one.
pub(super) fn find_image<'a>(
    path: &std::path::Path,
    hdus: &'a [Hdu],
    choice: Option<&HduChoice>,
) -> Result<&'a Hdu, FitsError> {
    let Some(choice) = choice else {
        return match hdus.iter().find(|h| is_meant(h, None)) {
            Some(hdu) => Ok(hdu),
            None => Err(no_image(path, hdus)),
        };
    };
    let hdu = find(path, hdus, choice)?;
    if !hdu.is_image() || hdu.shape.is_empty() || hdu.shape.contains(&0) {
        return Err(FitsError::new(
            FitsErrorKind::NoImage,
            path,
            format!("no image in {}: {}", hdu.label(), hdu.describe()),
            "a 2-D image",
        )
        .help(format!("the file holds: {}", list(hdus))));
    }
    if hdu.shape.len() != 2 {
        return Err(not_2d(path, hdu));
    }
    Ok(hdu)
}

/// The HDU with a binary table that is meant; without a choice the first one.
pub(super) fn find_table<'a>(
    path: &std::path::Path,
    hdus: &'a [Hdu],
    choice: Option<&HduChoice>,
) -> Result<&'a Hdu, FitsError> {
    let hdu = match choice {
        Some(choice) => Some(find(path, hdus, choice)?),
        None => hdus.iter().find(|h| h.kind == HduKind::Table),
    };
    match hdu {
        Some(hdu) if hdu.kind == HduKind::Table => Ok(hdu),
        _ => Err(FitsError::new(
            FitsErrorKind::NoImage,
            path,
            hdu.map_or_else(|| "no binary table".to_owned(), |h| format!("no binary table in {}", h.label())),
            "a binary table",
        )
        .help(format!("the file holds: {}", list(hdus)))),
    }
}

fn find<'a>(path: &std::path::Path, hdus: &'a [Hdu], choice: &HduChoice) -> Result<&'a Hdu, FitsError> {
    let found = hdus.iter().find(|h| is_meant(h, Some(choice)));
    found.ok_or_else(|| {
        FitsError::new(FitsErrorKind::UnknownHdu, path, format!("no {choice}"), format!("one of: {}", list(hdus)))
    })
}

fn no_image(path: &std::path::Path, hdus: &[Hdu]) -> FitsError {
    // An image of another dimension is more interesting than the tables around it.
    match hdus.iter().find(|h| h.is_image() && !h.shape.is_empty() && !h.shape.contains(&0)) {
        Some(hdu) => not_2d(path, hdu),
        None => FitsError::new(
            FitsErrorKind::NoImage,
            path,
            format!("no image among: {}", list(hdus)),
            "an HDU with a 2-D image",
        ),
    }
}

fn not_2d(path: &std::path::Path, hdu: &Hdu) -> FitsError {
    let axes = hdu.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
    FitsError::new(
        FitsErrorKind::NotTwoDimensional,
        path,
        format!("a {}-D image in {} (axes {axes})", hdu.shape.len(), hdu.label()),
        "a 2-D image",
    )
    .help("write the plane that is meant to a file of its own, or name another HDU with `hdu`")
}

fn list(hdus: &[Hdu]) -> String {
    // A mosaic file may have dozens; the message stays readable.
    const SHOWN: usize = 20;
    let mut parts: Vec<String> = hdus.iter().take(SHOWN).map(|h| format!("{} ({})", h.label(), h.describe())).collect();
    if hdus.len() > SHOWN {
        parts.push(format!("and {} more", hdus.len() - SHOWN));
    }
    parts.join(", ")
}
