//! The facts about an image that its header declares: band, exposure, zero point, unit, and the cards to keep.

use std::fmt::Write as _;

use super::card_format::is_writable;
use super::reader::ImageHeader;
use crate::header::{Card, CardValue, iso_date};
use crate::image::ImageMeta;

/// Where facts come from. A value given here wins over the header; the first keyword that is there counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FactOptions {
    /// Band name.
    pub band: Option<String>,
    /// Exposure time in seconds that pixel values belong to.
    pub exposure_s: Option<f64>,
    /// Magnitude of 1 unit per second.
    pub zero_point: Option<f64>,
    /// Unit of the pixels.
    pub unit: Option<String>,
    /// Keywords of the band name.
    pub band_keys: Vec<String>,
    /// Keywords of the exposure time.
    pub exposure_keys: Vec<String>,
    /// Keywords of the zero point.
    pub zero_point_keys: Vec<String>,
    /// Keywords of the unit.
    pub unit_keys: Vec<String>,
    /// Keywords of cards to carry along, without their comments.
    pub keep_cards: Vec<String>,
}

/// Collects the facts. The second value lists what was found but cannot be used, in sentences.
///
/// Comments of cards are not carried: a comment that somebody edits must not change a product. What old surveys write
/// is repaired: numbers in quotes, dates with two-digit years.
#[must_use]
pub fn image_facts(header: &ImageHeader, options: &FactOptions) -> (ImageMeta, Vec<String>) {
    let mut warnings = Vec::new();
    let text = |given: &Option<String>, keys: &[String], warnings: &mut Vec<String>| -> Option<String> {
        if given.is_some() {
            return given.clone();
        }
        let (key, value) = first(header, keys)?;
        match value {
            CardValue::Text(t) if t.trim().is_empty() => None,
            CardValue::Text(t) if is_writable(t) => Some(t.trim().to_owned()),
            CardValue::Int(v) => Some(v.to_string()),
            CardValue::Undefined => None,
            other => {
                warnings.push(format!("{key} = {} is not a usable word; the value counts as unknown", show(other)));
                None
            }
        }
    };
    let band = text(&options.band, &options.band_keys, &mut warnings);
    let unit = text(&options.unit, &options.unit_keys, &mut warnings);
    let mut number = |given: Option<f64>, keys: &[String], must_be_positive: bool| -> Option<f64> {
        if given.is_some() {
            return given;
        }
        let (key, value) = first(header, keys)?;
        let number = header.header_with(key).and_then(|h| h.float(key));
        match number {
            Some(v) if v.is_finite() && (v > 0.0 || !must_be_positive) => Some(v),
            _ if *value == CardValue::Undefined => None,
            _ => {
                let expected = if must_be_positive { "a number greater than 0" } else { "a number" };
                warnings.push(format!("{key} = {} is not {expected}; the value counts as unknown", show(value)));
                None
            }
        }
    };
    let exposure_s = number(options.exposure_s, &options.exposure_keys, true);
    let zero_point = number(options.zero_point, &options.zero_point_keys, false);
    let cards = kept_cards(header, &options.keep_cards, &mut warnings);
    (ImageMeta { unit, band, exposure_s, zero_point, cards }, warnings)
}

fn first<'a>(header: &'a ImageHeader, keys: &'a [String]) -> Option<(&'a str, &'a CardValue)> {
    keys.iter().find_map(|key| header.get(key).map(|value| (key.as_str(), value)))
}

fn kept_cards(header: &ImageHeader, keys: &[String], warnings: &mut Vec<String>) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    let mut missing = String::new();
    for key in keys {
        let key = key.trim().to_ascii_uppercase();
        if cards.iter().any(|c| c.key == key) {
            continue;
        }
        match header.get(&key) {
            None => {
                let _ = write!(missing, "{}{key}", if missing.is_empty() { "" } else { ", " });
            }
            Some(CardValue::Text(t)) if !is_writable(t) => {
                warnings.push(format!("{key} = {t:?} is not ASCII text and is not kept"));
            }
            Some(CardValue::Text(t)) if key.starts_with("DATE") => {
                let value = CardValue::Text(iso_date(t).unwrap_or_else(|| t.clone()));
                cards.push(Card { key, value, comment: String::new() });
            }
            Some(value) => cards.push(Card { key, value: value.clone(), comment: String::new() }),
        }
    }
    if !missing.is_empty() {
        warnings.push(format!("not in the header, so not kept: {missing}"));
    }
    cards
}

fn show(value: &CardValue) -> String {
    match value {
        CardValue::Text(t) => format!("{t:?}"),
        CardValue::Bool(v) => if *v { "T" } else { "F" }.to_owned(),
        CardValue::Int(v) => v.to_string(),
        CardValue::Float(v) => v.to_string(),
        CardValue::Undefined => "(undefined)".to_owned(),
    }
}

/// Why a keyword cannot be among the kept cards; `None` when it can.
#[must_use]
pub fn carried_elsewhere(key: &str) -> Option<&'static str> {
    let key = key.trim().to_ascii_uppercase();
    let numbered = |stem: &str| {
        key.strip_prefix(stem).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit() || b == b'_'))
    };
    match key.as_str() {
        "COMMENT" | "HISTORY" | "CONTINUE" | "END" | "" => return Some("it is a comment, not a value"),
        "CHECKSUM" | "DATASUM" => return Some("it describes the bytes of the original file"),
        "EXPTIME" => return Some("it is carried as the exposure time; see `exposure_s`"),
        "MAGZPT" => return Some("it is carried as the zero point; see `zero_point`"),
        "FILTER" => return Some("it is carried as the band; see `band`"),
        "BUNIT" => return Some("it is carried as the unit; see `unit`"),
        _ => {}
    }
    let is_layout = matches!(
        key.as_str(),
        "SIMPLE"
            | "XTENSION"
            | "BITPIX"
            | "NAXIS"
            | "EXTEND"
            | "PCOUNT"
            | "GCOUNT"
            | "GROUPS"
            | "BSCALE"
            | "BZERO"
            | "BLANK"
            | "INHERIT"
            | "EXTNAME"
            | "EXTVER"
            | "EXTLEVEL"
            | super::writer::LONG_STRINGS_KEY
            | super::product::KEPT_KEY
    ) || numbered("NAXIS")
        || key.starts_with("MP_");
    if is_layout {
        return Some("it describes the layout of the file");
    }
    let is_wcs = matches!(
        key.as_str(),
        "WCSAXES"
            | "RADESYS"
            | "RADECSYS"
            | "EQUINOX"
            | "EPOCH"
            | "LONPOLE"
            | "LATPOLE"
            | "A_ORDER"
            | "B_ORDER"
            | "AP_ORDER"
            | "BP_ORDER"
            | "A_DMAX"
            | "B_DMAX"
    ) || [
        "CTYPE", "CRVAL", "CRPIX", "CDELT", "CROTA", "CUNIT", "CD", "PC", "PV", "PROJP", "A_", "B_", "AP_", "BP_",
    ]
    .iter()
    .any(|stem| numbered(stem));
    is_wcs.then_some("it is carried as the world coordinate system")
}
