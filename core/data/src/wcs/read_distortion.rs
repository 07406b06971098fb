//! SIP and TPV coefficients of a header.

use super::error::WcsError;
use super::keywords::Keywords;
use super::sip::{MAX_ORDER, Sip, SipPolynomial};
use super::tpv::{N_TERMS, Tpv};

/// Whether PV cards go beyond what a TAN projection can have: SCAMP before 2012 wrote TPV's terms under CTYPE TAN.
pub(crate) fn is_tan_with_tpv_terms(keywords: &Keywords<'_>) -> bool {
    [1, 2].into_iter().any(|axis| keywords.last_pv(axis).is_some_and(|m| m >= 5))
}

/// PV1_m and PV2_m. By the convention, PVi_1 defaults to 1 and all others to 0, so that no card means no distortion.
pub(crate) fn read_tpv(keywords: &Keywords<'_>) -> Result<Tpv, WcsError> {
    for axis in [1, 2] {
        if let Some(last) = keywords.last_pv(axis).filter(|m| *m >= N_TERMS) {
            return Err(WcsError::invalid(format!(
                "PV{axis}_{last}: TPV has terms up to {}: correct the card",
                N_TERMS - 1
            )));
        }
    }
    let axes = [1, 2].map(|axis| {
        let term = |m| keywords.pv(axis, m).unwrap_or(if m == 1 { 1.0 } else { 0.0 });
        (0..N_TERMS).map(term).collect()
    });
    Ok(Tpv { axes })
}

/// The SIP polynomials; `None` without A_ORDER and B_ORDER.
pub(crate) fn read_sip(keywords: &Keywords<'_>) -> Result<Option<Sip>, WcsError> {
    let Some((a, b)) = read_pair(keywords, "A", "B")? else { return Ok(None) };
    Ok(Some(Sip { a, b, inverse: read_pair(keywords, "AP", "BP")? }))
}

fn read_pair(
    keywords: &Keywords<'_>,
    first: &str,
    second: &str,
) -> Result<Option<(SipPolynomial, SipPolynomial)>, WcsError> {
    match (read_polynomial(keywords, first)?, read_polynomial(keywords, second)?) {
        (None, None) => Ok(None),
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (Some(_), None) => Err(WcsError::invalid(format!(
            "{first}_ORDER is there without {second}_ORDER; SIP needs both: add the card, with 0 for no distortion"
        ))),
        (None, Some(_)) => Err(WcsError::invalid(format!(
            "{second}_ORDER is there without {first}_ORDER; SIP needs both: add the card, with 0 for no distortion"
        ))),
    }
}

fn read_polynomial(keywords: &Keywords<'_>, name: &str) -> Result<Option<SipPolynomial>, WcsError> {
    let key = format!("{name}_ORDER");
    let Some(order) = keywords.number(&key)? else { return Ok(None) };
    if order.fract() != 0.0 || !(0.0..=MAX_ORDER as f64).contains(&order) {
        return Err(WcsError::invalid(format!(
            "{key} = {order}; SIP knows orders from 0 to {MAX_ORDER}: correct the card"
        )));
    }
    let order = order as usize;
    let mut terms = Vec::new();
    for i in 0..=order {
        for j in 0..=order - i {
            if let Some(c) = keywords.number(&format!("{name}_{i}_{j}"))?.filter(|c| *c != 0.0) {
                terms.push((i, j, c));
            }
        }
    }
    Ok(Some(SipPolynomial { order, terms }))
}
