//! A FITS header as a list of cards.

use serde::{Deserialize, Serialize};

/// The value of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CardValue {
    /// A character string, without quotes or trailing blanks.
    Text(String),
    /// A logical value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A keyword with an undefined value.
    Undefined,
}

/// One header card: keyword, value, comment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Keyword, upper case.
    pub key: String,
    /// Value.
    pub value: CardValue,
    /// Comment; empty when there is none.
    pub comment: String,
}

/// The valued cards of one header, in order. COMMENT, HISTORY and blank cards are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The cards.
    pub cards: Vec<Card>,
}

impl Header {
    /// An empty header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a card or replaces the value of an existing one.
    pub fn set(&mut self, key: &str, value: CardValue) {
        match self.cards.iter_mut().find(|c| c.key == key) {
            Some(card) => card.value = value,
            None => self.cards.push(Card { key: key.to_owned(), value, comment: String::new() }),
        }
    }

    /// The last card with this keyword: the one that counts when a keyword is repeated.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&CardValue> {
        self.cards.iter().rev().find(|c| c.key == key).map(|c| &c.value)
    }

    /// A number. Strings that hold a number count, because SDSS writes `EXPTIME = '53.907456'`.
    #[must_use]
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            CardValue::Float(v) => Some(*v),
            CardValue::Int(v) => Some(*v as f64),
            CardValue::Text(t) => t.trim().parse().ok(),
            CardValue::Bool(_) | CardValue::Undefined => None,
        }
    }

    /// An integer; a float without fraction counts.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            CardValue::Int(v) => Some(*v),
            CardValue::Float(v) if v.fract() == 0.0 && v.abs() < 9e15 => Some(*v as i64),
            _ => None,
        }
    }

    /// A string, trimmed.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            CardValue::Text(t) => Some(t.trim()),
            _ => None,
        }
    }
}
