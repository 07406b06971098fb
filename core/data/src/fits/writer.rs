//! Writing HDUs: header records, data, padding. Nothing depends on the clock or the machine.

use std::io::{self, Write};

use ndarray::ArrayView2;

use super::card_format::push_card;
use super::card_parse::CARD_LEN;
use super::error::FitsError;
use super::hdu::BLOCK;
use crate::header::{Card, CardValue};

/// Bytes that are encoded at a time.
const CHUNK: usize = 1 << 18;

/// Keyword of the card that announces continued strings.
pub(super) const LONG_STRINGS_KEY: &str = "LONGSTRN";

/// The records of one header, in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct HeaderRecords {
    bytes: Vec<u8>,
    keys: std::collections::BTreeSet<String>,
}

impl HeaderRecords {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a card; each keyword may appear once.
    pub(super) fn card(&mut self, card: &Card) -> Result<(), FitsError> {
        if !self.keys.insert(card.key.clone()) {
            return Err(FitsError::unwritable(format!("the keyword {:?} twice", card.key), "each keyword once"));
        }
        let start = self.bytes.len();
        push_card(&mut self.bytes, card)?;
        // The standard no longer asks for this card, older checkers do.
        if self.bytes.len() > start + CARD_LEN && !self.keys.contains(LONG_STRINGS_KEY) {
            let record = self.bytes.split_off(start);
            self.text(LONG_STRINGS_KEY, "OGIP 1.0", "strings may be continued")?;
            self.bytes.extend(record);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, key: &str, value: CardValue, comment: &str) -> Result<(), FitsError> {
        self.card(&Card { key: key.to_owned(), value, comment: comment.to_owned() })
    }

    pub(super) fn int(&mut self, key: &str, value: i64, comment: &str) -> Result<(), FitsError> {
        self.add(key, CardValue::Int(value), comment)
    }

    pub(super) fn length(&mut self, key: &str, value: usize, comment: &str) -> Result<(), FitsError> {
        let value = i64::try_from(value).map_err(|_| FitsError::unwritable(value, "a length below 2^63"))?;
        self.int(key, value, comment)
    }

    pub(super) fn bool(&mut self, key: &str, value: bool, comment: &str) -> Result<(), FitsError> {
        self.add(key, CardValue::Bool(value), comment)
    }

    pub(super) fn text(&mut self, key: &str, value: &str, comment: &str) -> Result<(), FitsError> {
        self.add(key, CardValue::Text(value.to_owned()), comment)
    }

    /// END and blanks up to a whole block.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend(format!("{:<80}", "END").into_bytes());
        let len = self.bytes.len().next_multiple_of(BLOCK as usize);
        self.bytes.resize(len, b' ');
        self.bytes
    }
}

/// Writes big-endian numbers and zeros up to a whole block.
pub(super) fn write_numbers<T: Copy, const N: usize>(
    out: &mut dyn Write,
    values: impl Iterator<Item = T>,
    encode: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK + N);
    let mut len = 0_u64;
    for value in values {
        buffer.extend_from_slice(&encode(value));
        if buffer.len() >= CHUNK {
            out.write_all(&buffer)?;
            len += buffer.len() as u64;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    write_padding(out, len + buffer.len() as u64)
}

/// Writes an array of big-endian numbers and zeros up to a whole block.
pub(super) fn write_rows<T: Copy, const N: usize>(
    out: &mut dyn Write,
    array: ArrayView2<'_, T>,
    encode: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer: Vec<[u8; N]> = Vec::with_capacity(CHUNK / N);
    let mut put = |mut values: &[T]| -> io::Result<()> {
        while !values.is_empty() {
            let (now, later) = values.split_at(values.len().min(CHUNK / N - buffer.len()));
            buffer.extend(now.iter().map(|&value| encode(value)));
            if buffer.len() == CHUNK / N {
                out.write_all(buffer.as_flattened())?;
                buffer.clear();
            }
            values = later;
        }
        Ok(())
    };
    match array.as_slice() {
        Some(all) => put(all)?,
        None => array.rows().into_iter().try_for_each(|row| put(&row.to_vec()))?,
    }
    out.write_all(buffer.as_flattened())?;
    write_padding(out, (array.len() * N) as u64)
}

/// Zeros after `len` bytes of data, up to a whole block.
pub(super) fn write_padding(out: &mut dyn Write, len: u64) -> io::Result<()> {
    let rest = (len.next_multiple_of(BLOCK) - len) as usize;
    out.write_all(&[0; BLOCK as usize][..rest])
}
