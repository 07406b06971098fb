//! The YAML header of ECSV files, as far as it describes columns.
//!
//! astropy writes one flow mapping per column (`- {name: ra, unit: deg, datatype: float64}`), wrapped where it is long; other
//! writers use block mappings. Both are read here. A full YAML parser is not needed: nested values (`meta`) are stepped over.

/// What the header says of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EcsvColumn {
    pub(super) name: String,
    pub(super) unit: Option<String>,
    pub(super) datatype: String,
}

/// The columns that the header lines (without `# `) describe, in order.
pub(super) fn columns<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<EcsvColumn> {
    let mut items: Vec<Vec<&str>> = Vec::new();
    let mut is_inside = false;
    for line in lines {
        let is_top = line.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_top {
            is_inside = line.starts_with("datatype:");
        } else if is_inside {
            match line.trim_start().strip_prefix("- ") {
                // An item of the outer list is indented no more than the first one.
                Some(rest) if line.len() - line.trim_start().len() <= 2 => items.push(vec![rest]),
                _ => {
                    if let Some(item) = items.last_mut() {
                        item.push(line);
                    }
                }
            }
        }
    }
    items.iter().filter_map(|lines| column(lines)).collect()
}

fn column(lines: &[&str]) -> Option<EcsvColumn> {
    let pairs = if lines[0].trim_start().starts_with('{') { flow(&lines.join(" ")) } else { block(lines) };
    let get = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    Some(EcsvColumn { name: get("name")?, unit: get("unit"), datatype: get("datatype").unwrap_or_default() })
}

/// `key: value` lines; deeper lines belong to a value that is not needed.
fn block(lines: &[&str]) -> Vec<(String, String)> {
    let depth = lines.get(1).map_or(0, |l| l.len() - l.trim_start().len());
    lines
        .iter()
        .enumerate()
        .filter(|(i, line)| *i == 0 || line.len() - line.trim_start().len() == depth)
        .filter_map(|(_, line)| line.trim().split_once(':'))
        .map(|(key, value)| (key.trim().to_owned(), scalar(value)))
        .collect()
}

/// The pairs of one flow mapping.
fn flow(text: &str) -> Vec<(String, String)> {
    let inner = text.trim().trim_start_matches('{');
    let mut pairs = Vec::new();
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    let mut escaped = false;
    let mut end_of = |from: usize, to: usize| {
        if let Some((key, value)) = inner[from..to].split_once(':') {
            pairs.push((key.trim().to_owned(), scalar(value)));
        }
    };
    for (i, c) in inner.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(q), c) if c == q && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if inner[..i].trim_end().ends_with([':', ',', '[', '{']) => quote = Some(c),
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}') if depth == 0 => {
                end_of(start, i);
                return pairs;
            }
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                end_of(start, i);
                start = i + 1;
            }
            _ => {}
        }
        escaped = false;
    }
    end_of(start, inner.len());
    pairs
}

/// A plain or quoted scalar.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    if let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        // JSON's escapes are those of YAML's double quotes, but for a few that no name or unit needs.
        return serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.to_owned());
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flow_wrapped_and_block_mappings_are_read() {
        let text = "%ECSV 1.0\n---\ndelimiter: ','\ndatatype:\n- {name: ra, unit: deg, datatype: float64, format: '{:.4f}',\n  description: 'a, b: c'}\n\
                    - {name: \"sb\", unit: \"mag/arcsec**2\", datatype: float64, description: \"it's {so}\"}\n- name: n\n  datatype: int64\n  unit: pix\n\
                    - {name: flux, datatype: float32}\nmeta: !!omap\n- {name: no, datatype: float64}\nschema: astropy-2.0";
        let found = columns(text.lines());
        let short: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.unit.as_deref(), c.datatype.as_str())).collect();
        assert_eq!(
            short,
            [
                ("ra", Some("deg"), "float64"),
                ("sb", Some("mag/arcsec**2"), "float64"),
                ("n", Some("pix"), "int64"),
                ("flux", None, "float32"),
            ]
        );
        assert!(columns("".lines()).is_empty());
    }
}
