//! Units of table columns: those that the FITS standard knows go into `TUNITn`, the others into the description.
//!
//! Readers that follow the standard (4.0, section 4.3) complain about a word such as `nanomaggy` in `TUNITn`. It becomes the
//! beginning of `TCOMMn` instead, in brackets as comments of FITS cards give units: `[nanomaggy] Flux inside the contour`.

/// Words that take a prefix (tables 3 to 6 of the standard).
const WITH_PREFIX: [&str; 34] = [
    "m", "g", "s", "rad", "sr", "K", "A", "mol", "cd", "Hz", "J", "W", "V", "N", "Pa", "C", "Ohm", "S", "F", "Wb", "T",
    "H", "lm", "lx", "a", "yr", "eV", "pc", "Jy", "mag", "R", "G", "barn", "bit",
];

/// Words that stand alone.
const ALONE: [&str; 30] = [
    "deg", "arcmin", "arcsec", "mas", "min", "h", "d", "erg", "Ry", "solMass", "u", "solLum", "Angstrom", "solRad",
    "AU", "lyr", "count", "ct", "photon", "ph", "pixel", "pix", "D", "Sun", "chan", "bin", "voxel", "beam", "adu",
    "byte",
];

const PREFIXES: [&str; 20] =
    ["y", "z", "a", "f", "p", "n", "u", "m", "c", "d", "da", "h", "k", "M", "G", "T", "P", "E", "Z", "Y"];

/// The unit as the standard writes it (`px` is `pixel`), or `None` when it does not know it.
///
/// Taken are products and quotients of words with integer powers, with a power of ten before them. Parentheses are not:
/// readers disagree about them, as they do about `a/b c`.
pub(super) fn standard(unit: &str) -> Option<String> {
    let unit = unit.trim();
    let (mut out, mut rest) = power_of_ten(unit);
    let mut has_slash = false;
    loop {
        let (word, after) = split_at(rest, |c| !c.is_ascii_alphabetic());
        let word = if word == "px" { "pixel" } else { word };
        if !is_known(word) {
            return None;
        }
        out.push_str(word);
        let (power, after) = power(after)?;
        out.push_str(power);
        if after.is_empty() {
            return Some(out);
        }
        let (between, after) = split_at(after, |c| !" *./".contains(c));
        match between.trim() {
            "/" => has_slash = true,
            "" | "*" | "." if !has_slash && !between.is_empty() => {}
            _ => return None,
        }
        out.push_str(between);
        rest = after;
    }
}

/// The unit and the description as one comment, such that [`split`] finds both again. Blanks in the unit become dots.
pub(super) fn join(unit: &str, description: &str) -> String {
    let dotted = unit.split_whitespace().collect::<Vec<_>>().join(".");
    // A description that looks like a unit itself is told apart by an empty one.
    if dotted.is_empty() && split(description) == ("", description) {
        return description.to_owned();
    }
    format!("[{dotted}] {description}").trim_end().to_owned()
}

/// The unit at the beginning of a comment and what follows.
pub(super) fn split(comment: &str) -> (&str, &str) {
    let inner = comment.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match inner {
        Some((unit, description)) if is_unit_like(unit) && (description.is_empty() || description.starts_with(' ')) => {
            (unit, description.strip_prefix(' ').unwrap_or_default())
        }
        _ => ("", comment),
    }
}

fn is_unit_like(text: &str) -> bool {
    text.is_empty()
        || (text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '\\') && !text.contains(['[', ',', ' ']))
}

fn is_known(word: &str) -> bool {
    ALONE.contains(&word)
        || WITH_PREFIX.contains(&word)
        || PREFIXES.iter().any(|p| word.strip_prefix(p).is_some_and(|w| WITH_PREFIX.contains(&w)))
}

/// The power of ten before the words with the blanks behind it, and the rest.
fn power_of_ten(unit: &str) -> (String, &str) {
    let after = ["10**", "10^"].iter().find_map(|start| unit.strip_prefix(start));
    let Some(after) = after else { return (String::new(), unit) };
    let (_, rest) = split_at(after.strip_prefix(['+', '-']).unwrap_or(after), |c| !c.is_ascii_digit());
    let words = rest.trim_start();
    let is_power = after.len() > rest.len() && after.as_bytes()[after.len() - rest.len() - 1].is_ascii_digit();
    if is_power && words.len() < rest.len() {
        (unit[..unit.len() - words.len()].to_owned(), words)
    } else {
        (String::new(), unit)
    }
}

/// The power behind a word, which may be empty, and the rest; `None` when it is malformed.
fn power(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix("**").or_else(|| text.strip_prefix('^')).unwrap_or(text);
    let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
    let (digits, rest) = split_at(signed, |c| !c.is_ascii_digit());
    let has_mark = signed.len() < text.len();
    // Powers that anyone uses have one or two digits; a long one is a number that got here by mistake.
    if digits.len() > 2 || (digits.is_empty() && has_mark) {
        return None;
    }
    Some((&text[..text.len() - rest.len()], rest))
}

fn split_at(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_the_standard_keep_their_spelling_but_for_pixels() {
        for unit in [
            "mag",
            "mmag",
            "deg",
            "arcsec",
            "s",
            "ks",
            "adu",
            "count",
            "ct",
            "Jy",
            "mJy",
            "Mpc",
            "mag/arcsec^2",
            "mag/arcsec2",
            "mag/arcsec**2",
            "mag arcsec-2",
            "mag.arcsec-2",
            "erg/s/cm^2",
            "10**-3 Jy",
            "pix2",
            "dam",
        ] {
            assert_eq!(standard(unit).as_deref(), Some(unit));
        }
        assert_eq!(standard("px").as_deref(), Some("pixel"));
        assert_eq!(standard("adu/px^2").as_deref(), Some("adu/pixel^2"));
        assert_eq!(standard(" px ").as_deref(), Some("pixel"));
    }

    #[test]
    fn other_units_are_not_of_the_standard() {
        for unit in [
            "",
            "nanomaggy",
            "electron",
            "e-",
            "DN",
            "%",
            "1/s",
            "m/",
            "/s",
            "m//s",
            "m**",
            "m^a",
            "m/(s Hz)",
            "mag/arcsec^2 s",
            "log(Jy)",
            "kdeg",
            "kkm",
            "10**3",
            "10** Jy",
            "10**-Jy",
            "10**3Jy",
            "µJy",
            "m2/3",
            "m^100",
            "adu 10",
            "m . * s",
        ] {
            assert_eq!(standard(unit), None, "{unit:?}");
        }
    }

    #[test]
    fn a_unit_in_a_comment_is_found_again() {
        for (unit, description, comment) in [
            ("nanomaggy", "Flux", "[nanomaggy] Flux"),
            ("nanomaggy", "", "[nanomaggy]"),
            ("", "Flux", "Flux"),
            ("", "", ""),
            ("", "[0, 1] share", "[0, 1] share"),
            ("", "[x] marks it", "[] [x] marks it"),
            ("\\u{b5}Jy", "Flux", "[\\u{b5}Jy] Flux"),
        ] {
            assert_eq!(join(unit, description), comment);
            assert_eq!(split(comment), (unit, description));
        }
        assert_eq!(join("erg s-1 maggy", ""), "[erg.s-1.maggy]");
        assert_eq!(split("[open bracket"), ("", "[open bracket"));
        assert_eq!(split("[a]b"), ("", "[a]b"));
    }
}
