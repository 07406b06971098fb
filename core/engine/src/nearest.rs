//! The nearest known name, for "did you mean".

/// The known name that is most like a misspelt one, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // One slip in a short word, more in a long one; beyond that a suggestion misleads. Single letters are all alike.
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    let lower = word.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let distance = if name.to_lowercase() == lower {
            0
        } else if family_member(name, word) || family_member(word, name) {
            1
        } else if name.chars().count().abs_diff(length) > limit {
            continue;
        } else {
            strsim::osa_distance(word, name)
        };
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Whether `full` is `family.word` or `word_suffix`: people forget the family of a kind and the band of a column.
fn family_member(full: &str, word: &str) -> bool {
    full.strip_suffix(word).is_some_and(|rest| rest.ends_with('.'))
        || full.strip_prefix(word).is_some_and(|rest| rest.starts_with('_') && !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_a_missing_family_and_another_case_are_understood() {
        let known = ["background.nebulise", "background.mesh", "psf.fit"];
        assert_eq!(nearest("background.nebulize", known), Some("background.nebulise"));
        assert_eq!(nearest("nebulise", known), Some("background.nebulise"));
        assert_eq!(nearest("PSF.FIT", known), Some("psf.fit"));
        assert_eq!(nearest("contour", known), None);
        assert_eq!(nearest("mag", ["x", "mag_r"]), Some("mag_r"));
    }
}
