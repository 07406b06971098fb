//! Units as the IVOA and astropy write them.

/// Words that VOUnits 1.0 knows, as far as images and catalogues use them.
const KNOWN: [&str; 41] = [
    "deg", "rad", "mas", "arcsec", "arcmin", "uarcsec", "sr", "s", "min", "h", "d", "a", "yr", "m", "cm", "mm", "um",
    "nm", "Angstrom", "AU", "pc", "kpc", "Mpc", "g", "kg", "K", "Hz", "J", "W", "erg", "eV", "keV", "Jy", "mJy", "mag",
    "adu", "ct", "count", "photon", "electron", "pix",
];

/// The unit with `px` written `pix` and powers written `**`: `mag/arcsec^2` is `mag/arcsec**2`.
pub(super) fn plain(unit: &str) -> String {
    rewrite(unit, |word| word.to_owned())
}

/// The same as VOUnits wants it: a word that it does not know (`nanomaggy`) stands in quotes.
pub(super) fn vounit(unit: &str) -> String {
    rewrite(unit, |word| if KNOWN.contains(&word) { word.to_owned() } else { format!("'{word}'") })
}

fn rewrite(unit: &str, finish: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = unit.trim();
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_alphabetic() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            let word = &rest[..end];
            text.push_str(&finish(if matches!(word, "px" | "pixel") { "pix" } else { word }));
            rest = &rest[end..];
        } else {
            match c {
                '^' => text.push_str("**"),
                other => text.push(other),
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_powers_and_unknown_words_are_rewritten() {
        for (unit, as_plain, as_vounit) in [
            ("px", "pix", "pix"),
            ("px^2", "pix**2", "pix**2"),
            ("mag/arcsec^2", "mag/arcsec**2", "mag/arcsec**2"),
            ("nanomaggy", "nanomaggy", "'nanomaggy'"),
            ("adu/s", "adu/s", "adu/s"),
            ("", "", ""),
        ] {
            assert_eq!((plain(unit).as_str(), vounit(unit).as_str()), (as_plain, as_vounit));
        }
    }
}
