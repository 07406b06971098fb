//! Typed look-ups in a header, with errors that name the card.

use std::collections::BTreeMap;

use crate::header::{CardValue, Header};

use super::error::WcsError;

/// A header seen by the WCS reader.
pub(crate) struct Keywords<'a> {
    header: &'a Header,
    /// PVi_m of the first two axes, by axis (1 or 2) and m.
    pv: BTreeMap<(usize, usize), f64>,
}

impl<'a> Keywords<'a> {
    pub(crate) fn new(header: &'a Header) -> Result<Self, WcsError> {
        let mut keywords = Self { header, pv: BTreeMap::new() };
        for card in &header.cards {
            let Some((axis, term)) = card.key.strip_prefix("PV").and_then(|rest| rest.split_once('_')) else {
                continue;
            };
            let (Ok(axis @ 1..=2), Ok(term)) = (axis.parse::<usize>(), term.parse::<usize>()) else { continue };
            if let Some(value) = keywords.number(&card.key)? {
                keywords.pv.insert((axis, term), value);
            }
        }
        Ok(keywords)
    }

    /// Whether a card with a value is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        match self.header.get(key) {
            None | Some(CardValue::Undefined) => false,
            Some(CardValue::Text(text)) => !text.trim().is_empty(),
            Some(_) => true,
        }
    }

    /// A finite number; `None` without the card.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, WcsError> {
        if !self.has(key) {
            return Ok(None);
        }
        match self.header.float(key) {
            Some(v) if v.is_finite() => Ok(Some(v)),
            _ => Err(WcsError::invalid(format!(
                "{key} = {}; expected a finite number: correct the card",
                display(self.header.get(key))
            ))),
        }
    }

    /// A number that must be there.
    pub(crate) fn required(&self, key: &str, purpose: &str) -> Result<f64, WcsError> {
        self.number(key)?
            .ok_or_else(|| WcsError::invalid(format!("{key} is missing; {purpose} needs it: add the card")))
    }

    /// A trimmed string that is not blank, in upper case: old headers write `fk5` and `deg` as they please.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.header.text(key).filter(|t| !t.is_empty()).map(str::to_uppercase)
    }

    /// PVi_m of an axis (1 or 2).
    pub(crate) fn pv(&self, axis: usize, term: usize) -> Option<f64> {
        self.pv.get(&(axis, term)).copied()
    }

    /// Largest m of PVi_m of an axis.
    pub(crate) fn last_pv(&self, axis: usize) -> Option<usize> {
        self.pv.keys().filter(|(i, _)| *i == axis).map(|(_, m)| *m).next_back()
    }
}

fn display(value: Option<&CardValue>) -> String {
    match value {
        Some(CardValue::Text(t)) => format!("'{t}'"),
        Some(CardValue::Bool(v)) => (if *v { "T" } else { "F" }).to_owned(),
        Some(CardValue::Int(v)) => v.to_string(),
        Some(CardValue::Float(v)) => v.to_string(),
        Some(CardValue::Undefined) | None => "(no value)".to_owned(),
    }
}
