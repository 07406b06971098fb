//! From cards to 80-character records that every reader takes without a warning.

use super::error::FitsError;
use crate::header::{Card, CardValue};

/// Appends the record(s) of a card. Strings too long for one record are continued (CONTINUE); keywords that are longer
/// than eight characters or hold blanks use the HIERARCH convention; a comment that does not fit is cut.
///
/// Floats are written with as many digits as are needed to read the same bits back.
pub(super) fn push_card(out: &mut Vec<u8>, card: &Card) -> Result<(), FitsError> {
    let prefix = prefix(&card.key)?;
    let value = match &card.value {
        CardValue::Text(text) => return push_text(out, &prefix, card, text),
        CardValue::Bool(v) => if *v { "T" } else { "F" }.to_owned(),
        CardValue::Int(v) => v.to_string(),
        CardValue::Float(v) => float(*v)
            .ok_or_else(|| FitsError::unwritable(format!("{} = {v}", card.key), "a finite number in a FITS header"))?,
        CardValue::Undefined => String::new(),
    };
    // Fixed format: the value ends in column 30.
    let width = 30_usize.saturating_sub(prefix.len());
    let record = format!("{prefix}{value:>width$}");
    if record.len() > 80 {
        return Err(FitsError::unwritable(
            format!("the keyword {:?}", card.key),
            "one that fits a record with its value",
        ));
    }
    push_record(out, record, &card.comment);
    Ok(())
}

/// A text with every character outside printable ASCII written as `\u{e9}`: FITS headers and strings know no others.
pub(super) fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if is_printable(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}

/// Whether a text can stand in a header as it is.
pub(super) fn is_writable(text: &str) -> bool {
    text.chars().all(is_printable)
}

fn is_printable(c: char) -> bool {
    (' '..='~').contains(&c)
}

fn prefix(key: &str) -> Result<String, FitsError> {
    let is_word = |k: &str| {
        !k.is_empty() && k.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if is_word(key) && key.len() <= 8 {
        Ok(format!("{key:<8}= "))
    } else if key.len() <= 60 && !key.is_empty() && key.split(' ').all(is_word) {
        Ok(format!("HIERARCH {key} = "))
    } else {
        Err(FitsError::unwritable(
            format!("the keyword {key:?}"),
            "upper-case letters, digits, - and _ (words with single blanks between them, 60 characters at most)",
        ))
    }
}

fn push_text(out: &mut Vec<u8>, prefix: &str, card: &Card, text: &str) -> Result<(), FitsError> {
    if !is_writable(text) {
        return Err(FitsError::unwritable(format!("{} = {text:?}", card.key), "printable ASCII in a FITS header"));
    }
    // One unit per character of the text: a doubled quote must not be split between records.
    let mut units = text.trim_end().chars().map(|c| if c == '\'' { "''".to_owned() } else { c.to_string() }).peekable();
    let mut start = prefix.to_owned();
    loop {
        // Two quotes and the & of a string that goes on.
        let room = 80 - start.len() - 2;
        let mut part = String::new();
        while let Some(unit) = units.next_if(|u| part.len() + u.len() < room) {
            part.push_str(&unit);
        }
        // The last character may take the place of the &.
        if units.clone().nth(1).is_none()
            && let Some(last) = units.next_if(|u| part.len() + u.len() <= room)
        {
            part.push_str(&last);
        }
        if units.peek().is_none() {
            push_record(out, format!("{start}'{part:<8}'"), &card.comment);
            return Ok(());
        }
        push_record(out, format!("{start}'{part}&'"), "");
        "CONTINUE  ".clone_into(&mut start);
    }
}

fn push_record(out: &mut Vec<u8>, mut record: String, comment: &str) {
    let comment = escape(comment);
    // A comment of less than a few characters helps nobody.
    if !comment.is_empty() && record.len() < 70 {
        record = format!("{record:<30} / {comment}");
        record.truncate(80);
    }
    out.extend(format!("{record:<80}").into_bytes());
}

/// The shortest decimal form that reads back as the same number, with a point, so that it is no integer.
fn float(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{value:?}");
    Some(match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::super::card_parse::parse_header;
    use super::*;

    fn round_trip(key: &str, value: CardValue) -> usize {
        let mut bytes = Vec::new();
        push_card(&mut bytes, &Card { key: key.into(), value: value.clone(), comment: "why".into() }).unwrap();
        assert_eq!(bytes.len() % 80, 0);
        let header = parse_header(&bytes);
        assert_eq!(header.cards.len(), 1, "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(header.cards[0].key, key);
        assert_eq!(header.cards[0].value, value, "{}", String::from_utf8_lossy(&bytes));
        bytes.len() / 80
    }

    #[test]
    fn floats_read_back_as_the_same_bits() {
        for v in [0.0, -0.0, 1.0, 0.1, 1e20, -1.2345678901234567e-300, f64::MAX, f64::MIN_POSITIVE, 22.5, 5e-324] {
            let mut bytes = Vec::new();
            push_card(&mut bytes, &Card { key: "X".into(), value: CardValue::Float(v), comment: String::new() })
                .unwrap();
            assert_eq!(parse_header(&bytes).float("X").unwrap().to_bits(), v.to_bits());
            round_trip("X", CardValue::Float(v));
        }
        round_trip("HIERARCHICAL", CardValue::Int(i64::MIN));
        round_trip("ESO DET DIT", CardValue::Bool(true));
        round_trip("A", CardValue::Undefined);
    }

    #[test]
    fn strings_of_every_length_are_continued_and_read_back() {
        for n in 0..300 {
            let plain: String = ('a'..='z').cycle().take(n).collect();
            round_trip("TEXT", CardValue::Text(plain.clone()));
            round_trip("A LONG KEY", CardValue::Text(plain));
            round_trip("TEXT", CardValue::Text("'".repeat(n)));
            round_trip("TEXT", CardValue::Text(format!("{}'x", "y".repeat(n))));
        }
        assert_eq!(round_trip("TEXT", CardValue::Text("x".repeat(68))), 1);
        assert_eq!(round_trip("TEXT", CardValue::Text("x".repeat(69))), 2);
        round_trip("TEXT", CardValue::Text("ends with &".into()));
    }

    #[test]
    fn what_fits_cannot_express_is_refused() {
        for (key, value) in [
            ("X", CardValue::Float(f64::NAN)),
            ("X", CardValue::Float(f64::INFINITY)),
            ("X", CardValue::Text("µJy".into())),
            ("lower", CardValue::Int(1)),
            ("", CardValue::Int(1)),
        ] {
            let card = Card { key: key.into(), value, comment: String::new() };
            assert!(push_card(&mut Vec::new(), &card).is_err(), "{card:?}");
        }
        assert_eq!(escape("é"), "\\u{e9}");
    }
}
