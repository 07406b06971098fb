//! The nearest known name, for "did you mean".

/// The candidate most like `name`, if any is like it at all. Ties go to the first candidate.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let other = candidate.to_lowercase();
        let mut score = strsim::jaro_winkler(&lower, &other);
        // A distance of one or two letters is a typing error even in short names.
        if strsim::damerau_levenshtein(&lower, &other) <= 1 + lower.chars().count() / 6 {
            score = score.max(0.95);
        }
        if score >= 0.75 && best.is_none_or(|(s, _)| score > s) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
