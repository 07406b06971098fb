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

/// The ISO form of a date as FITS files before 1999 have it: `19/09/98` (day, month, two-digit year of the 1900s) is
/// `1998-09-19`. `None` when the text is no such date.
#[must_use]
pub fn iso_date(text: &str) -> Option<String> {
    let mut parts = text.trim().split('/');
    let mut number = || {
        let part = parts.next()?;
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u32>().ok()).flatten()
    };
    let (day, month, year) = (number()?, number()?, number()?);
    let is_date = (1..=31).contains(&day) && (1..=12).contains(&month) && parts.next().is_none();
    is_date.then(|| format!("19{year:02}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digit_years_become_iso_dates() {
        assert_eq!(iso_date("19/09/98").as_deref(), Some("1998-09-19"));
        assert_eq!(iso_date("29/11/51   ").as_deref(), Some("1951-11-29"));
        for other in ["2001-09-20", "19/9/98", "40/01/98", "01/13/98", "01/02/1998", "", "01/02/03/04"] {
            assert_eq!(iso_date(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_in_quotes_count_and_the_last_of_equal_keywords_wins() {
        let mut header = Header::new();
        header.set("EXPTIME", CardValue::Text("53.907456".into()));
        assert_eq!(header.float("EXPTIME"), Some(53.907456));
        header.cards.push(Card { key: "EXPTIME".into(), value: CardValue::Int(2), comment: String::new() });
        assert_eq!(header.float("EXPTIME"), Some(2.0));
        assert_eq!(header.int("NONE"), None);
    }
}
