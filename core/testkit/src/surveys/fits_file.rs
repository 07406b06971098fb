//! FITS files of several HDUs, written record by record.

use ndarray::Array2;
use skyloom_data::{Card, CardValue};

const BLOCK: usize = 2880;

/// A file that grows by an HDU at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct FitsFile {
    pub(super) bytes: Vec<u8>,
}

/// A card without comment.
pub(super) fn card(key: &str, value: impl Into<Value>) -> Card {
    Card { key: key.to_owned(), value: value.into().0, comment: String::new() }
}

/// What becomes the value of a card.
pub(super) struct Value(CardValue);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(CardValue::Text(text.to_owned()))
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self(CardValue::Float(value))
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self(CardValue::Int(value))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self(CardValue::Bool(value))
    }
}

fn record(card: &Card) -> String {
    let value = match &card.value {
        CardValue::Text(text) => format!("'{:<8}'", text.replace('\'', "''")),
        CardValue::Bool(v) => (if *v { "T" } else { "F" }).to_owned(),
        CardValue::Int(v) => v.to_string(),
        CardValue::Float(v) => {
            let text = format!("{v:?}");
            if text.contains('.') { text.replace('e', "E") } else { text.replace('e', ".0E") }
        }
        CardValue::Undefined => String::new(),
    };
    let text = if card.key.len() <= 8 {
        format!("{:<8}= {value:>20}", card.key)
    } else {
        format!("HIERARCH {} = {value}", card.key)
    };
    assert!(text.len() <= 80, "{text}: too long for a record");
    format!("{text:<80}")
}

impl FitsFile {
    fn header(&mut self, layout: &[Card], cards: &[Card]) {
        let text: String = layout.iter().chain(cards).map(record).collect();
        self.bytes.extend(text.into_bytes());
        self.bytes.extend(format!("{:<80}", "END").into_bytes());
        self.pad(b' ');
    }

    fn pad(&mut self, with: u8) {
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), with);
    }

    /// The primary HDU, without data.
    pub(super) fn primary(cards: &[Card]) -> Self {
        let mut file = Self::default();
        file.header(&[card("SIMPLE", true), card("BITPIX", 8_i64), card("NAXIS", 0_i64), card("EXTEND", true)], cards);
        file
    }

    fn image_header(&mut self, name: Option<&str>, bitpix: i64, (height, width): (usize, usize), cards: &[Card]) {
        let mut layout = vec![
            card("XTENSION", "IMAGE"),
            card("BITPIX", bitpix),
            card("NAXIS", 2_i64),
            card("NAXIS1", width as i64),
            card("NAXIS2", height as i64),
            card("PCOUNT", 0_i64),
            card("GCOUNT", 1_i64),
        ];
        layout.extend(name.map(|name| card("EXTNAME", name)));
        self.header(&layout, cards);
    }

    /// An image of floats.
    pub(super) fn floats(&mut self, name: Option<&str>, cards: &[Card], pixels: &Array2<f32>) {
        self.image_header(name, -32, pixels.dim(), cards);
        self.bytes.extend(pixels.iter().flat_map(|v| v.to_be_bytes()));
        self.pad(0);
    }

    /// An image of integers.
    pub(super) fn integers(&mut self, name: Option<&str>, cards: &[Card], pixels: &Array2<i32>) {
        self.image_header(name, 32, pixels.dim(), cards);
        self.bytes.extend(pixels.iter().flat_map(|v| v.to_be_bytes()));
        self.pad(0);
    }

    /// A table with one row of numbers.
    pub(super) fn row(&mut self, name: &str, columns: &[(&str, f64)]) {
        let mut layout = vec![
            card("XTENSION", "BINTABLE"),
            card("BITPIX", 8_i64),
            card("NAXIS", 2_i64),
            card("NAXIS1", 8 * columns.len() as i64),
            card("NAXIS2", 1_i64),
            card("PCOUNT", 0_i64),
            card("GCOUNT", 1_i64),
            card("TFIELDS", columns.len() as i64),
            card("EXTNAME", name),
        ];
        for (i, (column, _)) in (1..).zip(columns) {
            layout.push(card(&format!("TTYPE{i}"), *column));
            layout.push(card(&format!("TFORM{i}"), "1D"));
        }
        self.header(&layout, &[]);
        self.bytes.extend(columns.iter().flat_map(|(_, v)| v.to_be_bytes()));
        self.pad(0);
    }
}
