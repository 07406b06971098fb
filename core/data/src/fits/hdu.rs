//! The structure of a file: its HDUs, their headers and where their data lie.

use super::card_parse::{CARD_LEN, is_end, parse_header};
use super::error::{FitsError, FitsErrorKind};
use super::source::Source;
use crate::header::{CardValue, Header};

/// FITS files are made of blocks of this size.
pub(super) const BLOCK: u64 = 2880;

/// What an HDU holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HduKind {
    /// An array of pixels, perhaps without any.
    Image,
    /// A tile-compressed image, kept in a binary table.
    CompressedImage,
    /// A binary table.
    Table,
    /// Anything else (ASCII table, random groups, compressed table).
    Other,
}

/// One HDU.
#[derive(Debug, Clone)]
pub(super) struct Hdu {
    pub(super) index: usize,
    pub(super) kind: HduKind,
    /// The header as it is in the file.
    pub(super) header: Header,
    /// Axis lengths of the (unpacked) image, NAXIS1 first; of a table: bytes per row, rows.
    pub(super) shape: Vec<u64>,
    /// BITPIX of the (unpacked) image.
    pub(super) bitpix: i64,
    pub(super) data_start: u64,
}

impl Hdu {
    /// Whether it holds pixels or could hold them.
    pub(super) fn is_image(&self) -> bool {
        matches!(self.kind, HduKind::Image | HduKind::CompressedImage)
    }

    /// EXTNAME; the primary HDU is PRIMARY when it has none.
    pub(super) fn name(&self) -> Option<&str> {
        match self.header.text("EXTNAME") {
            Some(name) if !name.is_empty() => Some(name),
            _ if self.index == 0 => Some("PRIMARY"),
            _ => None,
        }
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        let is_primary = self.index == 0 && name.trim().eq_ignore_ascii_case("PRIMARY");
        is_primary || self.name().is_some_and(|n| n.eq_ignore_ascii_case(name.trim()))
    }

    /// `HDU 1 "SCI"`.
    pub(super) fn label(&self) -> String {
        match self.name() {
            Some(name) => format!("HDU {} {name:?}", self.index),
            None => format!("HDU {}", self.index),
        }
    }

    /// `image 2048 x 1489`.
    pub(super) fn describe(&self) -> String {
        let axes = self.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        match self.kind {
            HduKind::Image if self.shape.is_empty() => "no data".to_owned(),
            HduKind::Image => format!("image {axes}"),
            HduKind::CompressedImage => format!("compressed image {axes}"),
            HduKind::Table => format!("table of {} rows", self.shape.get(1).unwrap_or(&0)),
            HduKind::Other => self.header.text("XTENSION").unwrap_or("no image").to_owned(),
        }
    }

    /// The header of the image; for a tile-compressed one that of the unpacked image, without the table around it.
    pub(super) fn image_header(&self) -> Header {
        if self.kind != HduKind::CompressedImage {
            return self.header.clone();
        }
        let numbered = |key: &str, stem: &str| {
            key.strip_prefix(stem).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        let is_of_table = |key: &str| {
            matches!(key, "XTENSION" | "BITPIX" | "NAXIS" | "PCOUNT" | "GCOUNT" | "TFIELDS" | "THEAP")
                || ["NAXIS", "TTYPE", "TFORM", "TUNIT", "TNULL", "TSCAL", "TZERO", "TDISP", "TDIM"]
                    .iter()
                    .any(|stem| numbered(key, stem))
        };
        // "Tiled image compression", FITS standard 4.0, section 10.1: what describes the packing, not the image.
        let is_of_packing = |key: &str| {
            matches!(
                key,
                "ZIMAGE"
                    | "ZCMPTYPE"
                    | "ZQUANTIZ"
                    | "ZDITHER0"
                    | "ZSCALE"
                    | "ZZERO"
                    | "ZBLANK"
                    | "ZMASKCMP"
                    | "ZSIMPLE"
                    | "ZEXTEND"
                    | "ZTENSION"
                    | "ZBLOCKED"
                    | "ZPCOUNT"
                    | "ZGCOUNT"
                    | "ZHECKSUM"
                    | "ZDATASUM"
                    | "CHECKSUM"
                    | "DATASUM"
            ) || ["ZTILE", "ZNAME", "ZVAL"].iter().any(|stem| numbered(key, stem))
        };
        let cards = self.header.cards.iter().filter(|c| !is_of_table(&c.key) && !is_of_packing(&c.key)).map(|c| {
            let mut card = c.clone();
            if card.key == "ZBITPIX" || card.key == "ZNAXIS" || numbered(&card.key, "ZNAXIS") {
                card.key.remove(0);
            }
            card
        });
        Header { cards: cards.collect() }
    }
}

/// Reads all headers of a file and checks that the file is as long as they say. A gzip file is unpacked to its end.
pub(super) fn scan(source: &mut Source) -> Result<Vec<Hdu>, FitsError> {
    source.unpack()?;
    scan_until(source, &|_| false)
}

/// The same, but a packed file is read only as far as the header that `is_wanted` accepts, without its data.
pub(super) fn scan_until(source: &mut Source, is_wanted: &dyn Fn(&Hdu) -> bool) -> Result<Vec<Hdu>, FitsError> {
    let mut hdus: Vec<Hdu> = Vec::new();
    let mut offset = 0;
    while source.reaches(offset + 1)? {
        let index = hdus.len();
        if index > 0 && !begins_extension(source, offset)? {
            // The standard allows other records behind the last HDU; they are none of ours.
            break;
        }
        let (header, data_start) = read_header_records(source, offset, index)?;
        let (hdu, data_len) = interpret(source, index, header, data_start)?;
        if source.is_packed() && is_wanted(&hdu) {
            hdus.push(hdu);
            break;
        }
        let end = data_len.div_ceil(BLOCK).checked_mul(BLOCK).and_then(|len| data_start.checked_add(len));
        match end {
            Some(end) if source.reaches(end)? => offset = end,
            _ => {
                let needed = end.map_or_else(|| "more than 2^64".to_owned(), |end| end.to_string());
                return Err(FitsError::new(
                    FitsErrorKind::Truncated,
                    source.path(),
                    format!("a file that ends early, after {} bytes", source.known_len()),
                    format!("at least {needed} bytes, as the header of {} says ({})", hdu.label(), hdu.describe()),
                )
                .help("fetch the file again"));
            }
        }
        hdus.push(hdu);
    }
    Ok(hdus)
}

fn begins_extension(source: &mut Source, offset: u64) -> Result<bool, FitsError> {
    const START: &[u8] = b"XTENSION";
    let mut start = [0; START.len()];
    if !source.reaches(offset + START.len() as u64)? {
        return Ok(false);
    }
    source.read_at(offset, &mut start)?;
    Ok(start == START)
}

/// The header that begins at `offset`, and where its data begin.
fn read_header_records(source: &mut Source, offset: u64, index: usize) -> Result<(Header, u64), FitsError> {
    let mut records = Vec::new();
    let mut at = offset;
    loop {
        let mut block = [0_u8; BLOCK as usize];
        if !source.reaches(at + BLOCK)? {
            return Err(FitsError::new(
                FitsErrorKind::Truncated,
                source.path(),
                format!("a file that ends inside the header of HDU {index}, after {} bytes", source.known_len()),
                "a header that is closed by END",
            )
            .help("fetch the file again"));
        }
        source.read_at(at, &mut block)?;
        at += BLOCK;
        records.extend_from_slice(&block);
        if block.chunks_exact(CARD_LEN).any(is_end) {
            return Ok((parse_header(&records), at));
        }
    }
}

/// Makes an HDU of a header; the second value is the length of its data in bytes, without padding.
fn interpret(source: &Source, index: usize, header: Header, data_start: u64) -> Result<(Hdu, u64), FitsError> {
    let malformed = |found: String, expected: &str| {
        FitsError::new(FitsErrorKind::Malformed, source.path(), format!("{found} in HDU {index}"), expected)
    };
    let integer = |key: &str| header.get(key).map(|_| header.int(key));
    let required = |key: &str| match integer(key) {
        Some(Some(v)) => Ok(v),
        Some(None) => Err(malformed(format!("{key} = {:?}", header.get(key)), "an integer")),
        None => Err(malformed(format!("no {key}"), "the keywords that the standard requires")),
    };
    let axes = |prefix: &str| -> Result<Vec<u64>, FitsError> {
        let n = required(&format!("{prefix}NAXIS"))?;
        if !(0..=999).contains(&n) {
            return Err(malformed(format!("{prefix}NAXIS = {n}"), "0 to 999"));
        }
        (1..=n)
            .map(|i| {
                let key = format!("{prefix}NAXIS{i}");
                let v = required(&key)?;
                u64::try_from(v).map_err(|_| malformed(format!("{key} = {v}"), "a length of 0 or more"))
            })
            .collect()
    };
    let known_bitpix = |key: &str| {
        let v = required(key)?;
        if [8, 16, 32, 64, -32, -64].contains(&v) {
            Ok(v)
        } else {
            Err(malformed(format!("{key} = {v}"), "8, 16, 32, 64, -32 or -64"))
        }
    };

    let bitpix = known_bitpix("BITPIX")?;
    let naxes = axes("")?;
    let count = |key: &str, default: i64| match integer(key) {
        None => Ok(default),
        Some(Some(v)) if v >= 0 => Ok(v),
        _ => Err(malformed(format!("{key} = {:?}", header.get(key)), "a count of 0 or more")),
    };
    let (pcount, gcount) = (count("PCOUNT", 0)?, count("GCOUNT", 1)?);
    let is_groups = index == 0 && header.get("GROUPS") == Some(&CardValue::Bool(true)) && naxes.first() == Some(&0);
    let lengths = if is_groups { &naxes[1..] } else { &naxes[..] };
    let data_len = if naxes.is_empty() {
        Some(0)
    } else {
        lengths
            .iter()
            .try_fold(1_u64, |product, &n| product.checked_mul(n))
            .and_then(|n| n.checked_add(pcount as u64))
            .and_then(|n| n.checked_mul(gcount as u64))
            .and_then(|n| n.checked_mul(bitpix.unsigned_abs() / 8))
    };
    let data_len = data_len.ok_or_else(|| malformed(format!("axes {naxes:?}"), "data of less than 2^64 bytes"))?;

    let is_true = |key: &str| header.get(key) == Some(&CardValue::Bool(true));
    let kind = match header.text("XTENSION") {
        None if is_groups => HduKind::Other,
        None | Some("IMAGE" | "IUEIMAGE") => HduKind::Image,
        Some("BINTABLE" | "A3DTABLE") if is_true("ZIMAGE") => HduKind::CompressedImage,
        Some("BINTABLE" | "A3DTABLE") if is_true("ZTABLE") => HduKind::Other,
        Some("BINTABLE" | "A3DTABLE") => HduKind::Table,
        Some(_) => HduKind::Other,
    };
    let (shape, bitpix) =
        if kind == HduKind::CompressedImage { (axes("Z")?, known_bitpix("ZBITPIX")?) } else { (naxes, bitpix) };
    Ok((Hdu { index, kind, header, shape, bitpix, data_start }, data_len))
}
