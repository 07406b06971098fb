//! Sizes and settings, as people type them and read them.

use std::num::NonZeroUsize;

/// `KEY=VALUE` of `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Graph parameter or `node.parameter`.
    pub key: String,
    /// RON, or text.
    pub value: String,
}

/// Splits at the first equals sign.
pub fn parse_setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(Setting { key: key.trim().to_owned(), value: value.to_owned() })
        }
        _ => Err("expected KEY=VALUE, for instance box_px=60".to_owned()),
    }
}

/// Bytes from `6GiB`, `500MB`, `2G` (binary), `1048576`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "tb" => 1e12,
        other => return Err(format!("unknown unit {other:?}; use KiB, MiB, GiB, TiB or kB, MB, GB, TB")),
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok((value * factor) as u64),
        _ => Err(format!("{text:?} is not a size; expected for instance 6GiB")),
    }
}

/// A number of threads that a machine may have.
pub fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .ok()
        .filter(|n: &NonZeroUsize| n.get() <= 1024)
        .ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

/// Bytes for people: `5.3 MiB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Seconds for people: `0.8 s`, `2 min 5 s`.
#[must_use]
pub fn show_seconds(seconds: f64) -> String {
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round() as u64;
        if whole < 3600 {
            format!("{} min {} s", whole / 60, whole % 60)
        } else {
            format!("{} h {} min", whole / 3600, whole % 3600 / 60)
        }
    }
}

/// A whole number with commas: `412,300`.
#[must_use]
pub fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        assert_eq!(parse_size("6GiB"), Ok(6 << 30));
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("6 parsecs").is_err());
        assert!(parse_size("").is_err());
    }

    #[test]
    fn counts_have_commas() {
        assert_eq!(show_count(1_048_668), "1,048,668");
        assert_eq!(show_count(12), "12");
    }

    #[test]
    fn a_setting_is_split_at_the_first_equals_sign() {
        assert_eq!(parse_setting("a=b=c"), Ok(Setting { key: "a".into(), value: "b=c".into() }));
        assert!(parse_setting("=3").is_err());
        assert!(parse_setting("box").is_err());
    }
}
