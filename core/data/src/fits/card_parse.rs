//! From 80-character records to cards (FITS standard 4.0, section 4).

use crate::header::{Card, CardValue, Header};

/// Length of a record.
pub(super) const CARD_LEN: usize = 80;

/// Whether a record ends the header.
pub(super) fn is_end(record: &[u8]) -> bool {
    record.starts_with(b"END") && record[3..].iter().all(|&b| b == b' ')
}

/// Reads the records before END. COMMENT, HISTORY and whatever else has no value are left out; CONTINUE records are
/// joined to the string that they continue; the keyword of a HIERARCH record is what stands before its `=`.
pub(super) fn parse_header(records: &[u8]) -> Header {
    let mut cards: Vec<Card> = Vec::new();
    for record in records.chunks_exact(CARD_LEN) {
        if is_end(record) {
            break;
        }
        // Latin-1, so that a stray byte in a comment is no error; NUL appears in headers of careless writers.
        let text: String = record.iter().map(|&b| if b == 0 { ' ' } else { char::from(b) }).collect();
        if let Some(rest) = text.strip_prefix("CONTINUE  ") {
            continue_string(cards.last_mut(), rest);
        } else if let Some(card) = parse_record(&text) {
            cards.push(card);
        }
    }
    Header { cards }
}

fn parse_record(text: &str) -> Option<Card> {
    let (keyword, rest) = split_at_chars(text, 8);
    let (key, value_field) = if keyword.trim_end() == "HIERARCH" {
        let (key, value) = rest.split_once('=')?;
        (key.trim().to_ascii_uppercase(), value)
    } else {
        let key = keyword.trim_end().to_ascii_uppercase();
        if key.is_empty() || matches!(key.as_str(), "COMMENT" | "HISTORY") {
            return None;
        }
        (key, rest.strip_prefix('=')?)
    };
    let (value, comment) = parse_value(value_field);
    Some(Card { key, value, comment })
}

fn split_at_chars(text: &str, n: usize) -> (&str, &str) {
    let at = text.char_indices().nth(n).map_or(text.len(), |(i, _)| i);
    text.split_at(at)
}

fn continue_string(card: Option<&mut Card>, rest: &str) {
    let Some(Card { value: CardValue::Text(text), comment, .. }) = card else { return };
    let (CardValue::Text(more), more_comment) = parse_value(rest) else { return };
    if text.ends_with('&') {
        text.pop();
        text.push_str(&more);
        if !more_comment.is_empty() {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(&more_comment);
        }
    }
}

fn parse_value(field: &str) -> (CardValue, String) {
    let field = field.trim_start();
    if let Some(quoted) = field.strip_prefix('\'') {
        let mut text = String::new();
        let mut chars = quoted.char_indices().peekable();
        let mut rest = "";
        while let Some((i, c)) = chars.next() {
            if c != '\'' {
                text.push(c);
            } else if chars.next_if(|&(_, next)| next == '\'').is_some() {
                text.push('\'');
            } else {
                rest = &quoted[i + 1..];
                break;
            }
        }
        let comment = rest.split_once('/').map_or("", |(_, comment)| comment);
        return (CardValue::Text(text.trim_end().to_owned()), comment.trim().to_owned());
    }
    let (token, comment) = field.split_once('/').unwrap_or((field, ""));
    (parse_token(token.trim()), comment.trim().to_owned())
}

fn parse_token(token: &str) -> CardValue {
    match token {
        "" => return CardValue::Undefined,
        "T" => return CardValue::Bool(true),
        "F" => return CardValue::Bool(false),
        _ => {}
    }
    // Only what looks like a number is one: Rust's parser would also take "inf" and "nan", which FITS does not know.
    let is_number = token.bytes().all(|b| b.is_ascii_digit() || b"+-.EeDd".contains(&b))
        && token.bytes().any(|b| b.is_ascii_digit());
    if is_number {
        if let Ok(value) = token.parse() {
            return CardValue::Int(value);
        }
        if let Ok(value) = token.replace(['D', 'd'], "E").parse() {
            return CardValue::Float(value);
        }
    }
    CardValue::Text(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Card {
        parse_header(format!("{text:<80}").as_bytes()).cards.remove(0)
    }

    #[test]
    fn values_of_all_kinds_are_read() {
        assert_eq!(card("A       =                    T / c").value, CardValue::Bool(true));
        assert_eq!(card("A       =                  -12 / c").value, CardValue::Int(-12));
        assert_eq!(card("A       =               1.5D-3").value, CardValue::Float(1.5e-3));
        assert_eq!(card("A       =                  10.").value, CardValue::Float(10.0));
        assert_eq!(card("A       = 123456789012345678901").value, CardValue::Float(123456789012345678901.0));
        assert_eq!(card("A       =").value, CardValue::Undefined);
        assert_eq!(card("A       = 'it''s / so  ' / why").value, CardValue::Text("it's / so".into()));
        assert_eq!(card("A       = 'it''s / so  ' / why").comment, "why");
        assert_eq!(card("A       = nan").value, CardValue::Text("nan".into()));
    }

    #[test]
    fn hierarch_keywords_keep_their_words() {
        let card = card("HIERARCH ESO DET DIT = 10.0 / s");
        assert_eq!((card.key.as_str(), card.value), ("ESO DET DIT", CardValue::Float(10.0)));
    }

    #[test]
    fn continued_strings_are_joined_and_comments_left_out() {
        let text = ["A       = 'one &'", "CONTINUE  'two&' / c", "COMMENT = 'no card'", "B       = 1", "END"]
            .map(|t| format!("{t:<80}"))
            .concat();
        let header = parse_header(text.as_bytes());
        assert_eq!(header.text("A"), Some("one two&"));
        assert_eq!(header.cards.len(), 2);
    }
}
