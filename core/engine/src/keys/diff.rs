//! What differs between two canonical values, leaf by leaf.

use serde::{Deserialize, Serialize};

use super::canonical::Canonical;

/// One leaf that differs, as RON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where: `params.median_px`, `params.rules.2.when`.
    pub path: String,
    /// What it was; `absent` when it is new.
    pub old: String,
    /// What it is; `absent` when it is gone.
    pub new: String,
}

const ABSENT: &str = "absent";

impl Canonical {
    /// All leaves that differ, in the order of the new value. Empty exactly when the canonical bytes are equal: paths of
    /// input files are not compared.
    ///
    /// `root` is the first word of every path. In lists the equal beginning and end are set aside first, so that one
    /// rule put in front of ten others is one change and not eleven; positions are those of the new list, or of the old
    /// one for what is gone.
    #[must_use]
    pub fn diff(old: &Self, new: &Self, root: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        compare(old, new, root, &mut changes);
        changes
    }
}

fn compare(old: &Canonical, new: &Canonical, path: &str, changes: &mut Vec<Change>) {
    if old.is_same_value(new) {
        return;
    }
    match (old, new) {
        (Canonical::Some(a), Canonical::Some(b)) => compare(a, b, path, changes),
        (Canonical::Variant(a, Some(x)), Canonical::Variant(b, Some(y))) if a == b => compare(x, y, path, changes),
        (Canonical::Struct(a), Canonical::Struct(b)) => {
            for (name, new) in b {
                one_side(a.get(name), Some(new), &format!("{path}.{name}"), changes);
            }
            for (name, old) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
                one_side(Some(old), None, &format!("{path}.{name}"), changes);
            }
        }
        (Canonical::Map(a), Canonical::Map(b)) => compare_maps(a, b, path, changes),
        (Canonical::Seq(a), Canonical::Seq(b)) => compare_lists(a, b, path, changes),
        _ => leaf(old, new, path, changes),
    }
}

fn one_side(old: Option<&Canonical>, new: Option<&Canonical>, path: &str, changes: &mut Vec<Change>) {
    let text = |value: Option<&Canonical>| value.map_or_else(|| ABSENT.to_owned(), Canonical::text);
    match (old, new) {
        (Some(old), Some(new)) => compare(old, new, path, changes),
        _ => changes.push(Change { path: path.to_owned(), old: text(old), new: text(new) }),
    }
}

fn leaf(old: &Canonical, new: &Canonical, path: &str, changes: &mut Vec<Change>) {
    let (mut was, mut is) = (old.text(), new.text());
    if was == is {
        // Same text, other type or other bits: say which.
        (was, is) = (typed_text(old), typed_text(new));
    }
    changes.push(Change { path: path.to_owned(), old: was, new: is });
}

fn typed_text(value: &Canonical) -> String {
    match value {
        Canonical::F32(bits) => format!("{value} (f32, bits {bits:#010x})"),
        Canonical::F64(bits) => format!("{value} (f64, bits {bits:#018x})"),
        Canonical::Int { .. } => format!("{value} (integer)"),
        Canonical::Str(_) => format!("{value} (text)"),
        Canonical::Char(_) => format!("{value} (character)"),
        Canonical::Bytes(_) => format!("{value} (bytes)"),
        Canonical::Path(_) => format!("{value} (path)"),
        Canonical::Unit => format!("{value} (unit)"),
        Canonical::Bool(_) => format!("{value} (truth value)"),
        Canonical::None => format!("{value} (absent option)"),
        Canonical::Some(inner) => format!("Some({})", typed_text(inner)),
        Canonical::Variant(..) => format!("{value} (variant)"),
        Canonical::Seq(_) => format!("{value} (list)"),
        Canonical::Map(_) => format!("{value} (map)"),
        Canonical::Struct(_) => format!("{value} (struct)"),
    }
}

fn compare_maps(old: &[(Canonical, Canonical)], new: &[(Canonical, Canonical)], path: &str, changes: &mut Vec<Change>) {
    let find =
        |entries: &[(Canonical, Canonical)], key: &Canonical| entries.iter().position(|(k, _)| k.is_same_value(key));
    let place = |key: &Canonical| match key {
        Canonical::Str(text) => format!("{path}.{text}"),
        other => format!("{path}.{other}"),
    };
    let before = changes.len();
    for (key, value) in new {
        one_side(find(old, key).map(|i| &old[i].1), Some(value), &place(key), changes);
    }
    for (key, value) in old.iter().filter(|(key, _)| find(new, key).is_none()) {
        one_side(Some(value), None, &place(key), changes);
    }
    if changes.len() == before {
        // Only a map that says a key twice gets here; show it whole.
        leaf(&Canonical::Map(old.to_vec()), &Canonical::Map(new.to_vec()), path, changes);
    }
}

fn compare_lists(old: &[Canonical], new: &[Canonical], path: &str, changes: &mut Vec<Change>) {
    let shorter = old.len().min(new.len());
    let start = (0..shorter).take_while(|&i| old[i].is_same_value(&new[i])).count();
    let end =
        (0..shorter - start).take_while(|&i| old[old.len() - 1 - i].is_same_value(&new[new.len() - 1 - i])).count();
    let (old, new) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    for i in 0..old.len().max(new.len()) {
        one_side(old.get(i), new.get(i), &format!("{path}.{}", start + i), changes);
    }
}
