//! Sexagesimal text.

/// `12:34:56.7`, `12 34 56.7`, `12h34m56.7s` or `-12d34m56s` as a number of the first unit; `None` for anything else.
pub(super) fn sexagesimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_mark = |c: char| c == ':' || c.is_whitespace() || matches!(c, 'h' | 'd' | 'm' | 's' | '\'' | '"' | '°');
    let mut parts = digits.split(is_mark).filter(|p| !p.is_empty());
    let mut value = 0.0;
    let mut scale = 1.0;
    let mut n = 0;
    for part in parts.by_ref() {
        let number: f64 = part.parse().ok()?;
        if n == 3 || !(number >= 0.0 && number.is_finite()) || (n > 0 && number >= 60.0 + 1e-9) {
            return None;
        }
        value += number / scale;
        scale *= 60.0;
        n += 1;
    }
    (n > 0).then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::sexagesimal;

    #[test]
    fn every_common_spelling_is_read_and_the_sign_of_zero_degrees_counts() {
        for text in ["05:30:36", "5 30 36.0", "05h30m36s", "+05d30m36s", "5°30'36\""] {
            assert!((sexagesimal(text).unwrap() - 5.51).abs() < 1e-12, "{text}");
        }
        assert_eq!(sexagesimal("-00:30:00"), Some(-0.5));
        for text in ["", "-", "a:b", "1:61:00", "1:2:3:4", "1:-2:3"] {
            assert_eq!(sexagesimal(text), None, "{text}");
        }
    }
}
