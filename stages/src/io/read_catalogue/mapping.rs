//! Which column of a file becomes which of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ColumnKind;
use skyloom_engine::nearest;

use super::file::{FileColumn, FileHeader};
use super::units::{Conversion, Quantity, conversion, known};

/// A column of the file: its name, or its name and the unit that its values have, where the file does not say or is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ColumnChoice {
    /// The name in the file.
    Name(String),
    /// Name and unit.
    WithUnit(ColumnWithUnit),
}

/// A column of the file and the unit of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnWithUnit {
    /// The name in the file.
    pub column: String,
    /// The unit of its values; counts before the one in the file.
    pub unit: String,
}

impl ColumnChoice {
    pub(super) fn column(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::WithUnit(c) => &c.column,
        }
    }

    fn unit(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::WithUnit(c) => Some(&c.unit),
        }
    }
}

/// One of our columns and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) ours: String,
    pub(super) column: String,
    pub(super) kind: ColumnKind,
    pub(super) unit: String,
    pub(super) conversion: Conversion,
    /// Whether the graph names it; a default may be absent.
    pub(super) is_written: bool,
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) param: String,
    pub(super) code: &'static str,
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) help: String,
}

/// What the graph says of the columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes<'a> {
    pub(super) columns: &'a BTreeMap<String, Option<ColumnChoice>>,
    pub(super) band: Option<&'a str>,
    pub(super) is_mag_required: bool,
    pub(super) flux_zero_point: Option<f64>,
}

/// Our names for which the file's column has the same name.
const SAME_NAME: [&str; 9] = ["id", "x", "y", "ra", "dec", "prob", "sharp", "parallax", "parallax_error"];

/// The order of our columns; the others follow.
const ORDER: [&str; 11] =
    ["id", "x", "y", "ra", "dec", "mag", "mag_err", "prob", "sharp", "parallax", "parallax_error"];

/// Finds a column for each of ours. What is wrong with single columns is listed; they are then left out.
pub(super) fn resolve(wishes: Wishes<'_>, header: &FileHeader) -> (Vec<Source>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for (ours, choice) in wishes.columns {
        let Some(choice) = choice else { continue };
        match header.columns.iter().find(|c| c.name == choice.column()) {
            Some(column) => match source(ours, column, choice.unit(), wishes.flux_zero_point, true) {
                Ok(source) => sources.push(source),
                Err(finding) => findings.push(finding),
            },
            None => findings.push(unknown(ours, choice.column(), header)),
        }
    }
    let mut add_default = |sources: &mut Vec<Source>, ours: &str, name: &str| {
        if wishes.columns.contains_key(ours) {
            return;
        }
        if let Some(column) = header.columns.iter().find(|c| c.name == name) {
            match source(ours, column, None, wishes.flux_zero_point, false) {
                Ok(source) => sources.push(source),
                // A column that only happens to have the name is no mistake of the user, unless it is needed.
                Err(finding) if finding.code != "bad-column-type" => findings.push(finding),
                Err(_) => {}
            }
        }
    };
    for name in SAME_NAME {
        add_default(&mut sources, name, name);
    }
    if let Some(band) = wishes.band {
        add_default(&mut sources, "mag", band);
    }
    let mag_column = match wishes.columns.get("mag") {
        Some(choice) => choice.as_ref().map(|c| c.column().to_owned()),
        None => wishes.band.map(str::to_owned),
    };
    if let Some(column) = &mag_column {
        add_default(&mut sources, "mag_err", &format!("e{column}"));
    }
    // A band is a column that has its error, named with an `e` in front, beside it.
    for column in &header.columns {
        let error = format!("e{}", column.name);
        let is_band = header.columns.iter().any(|c| c.name == error) && mag_column.as_ref() != Some(&column.name);
        if is_band {
            add_default(&mut sources, &format!("mag_{}", column.name), &column.name);
            add_default(&mut sources, &format!("mag_err_{}", column.name), &error);
        }
    }
    pairs(&mut sources, &mut findings);
    require(wishes, header, &sources, &mut findings);
    flux_errors(&mut sources, &mut findings);
    let place = |s: &Source| ORDER.iter().position(|o| *o == s.ours).unwrap_or(ORDER.len());
    sources.sort_by_key(place);
    (sources, findings)
}

fn list(header: &FileHeader) -> String {
    const MOST: usize = 40;
    let names: Vec<&str> = header.columns.iter().map(|c| c.name.as_str()).collect();
    match names.len() {
        0 => "the file has no columns".to_owned(),
        n if n <= MOST => format!("the file has {}", names.join(", ")),
        n => format!("the file has {}, and {} more", names[..MOST].join(", "), n - MOST),
    }
}

fn with_nearest(name: &str, header: &FileHeader) -> String {
    match nearest(name, header.columns.iter().map(|c| c.name.as_str())) {
        Some(near) => format!("did you mean {near:?}? {}", list(header)),
        None => list(header),
    }
}

fn unknown(ours: &str, column: &str, header: &FileHeader) -> Finding {
    Finding {
        param: format!("columns.{ours}"),
        code: "unknown-column",
        found: format!("{column:?}, which the file does not have"),
        expected: "a column of the file".to_owned(),
        help: with_nearest(column, header),
    }
}

fn source(
    ours: &str,
    column: &FileColumn,
    unit: Option<&str>,
    zero_point: Option<f64>,
    is_written: bool,
) -> Result<Source, Finding> {
    let finding = |code, found, expected: String, help: &str| Finding {
        param: if is_written { format!("columns.{ours}") } else { "columns".to_owned() },
        code,
        found,
        expected,
        help: help.to_owned(),
    };
    let of_type = |found: &str, expected: &str| {
        finding(
            "bad-column-type",
            format!("column {:?}, which holds {found}", column.name),
            expected.to_owned(),
            "name another column, or give the unit: (column: \"..\", unit: \"..\")",
        )
    };
    let Some(kind) = column.kind else {
        return Err(of_type("arrays or complex numbers", "one value per row"));
    };
    let quantity = Quantity::of(ours);
    let unit = unit.unwrap_or(&column.unit);
    let Some(how) = conversion(unit, quantity) else {
        return Err(finding(
            "bad-unit",
            format!("unit {unit:?} of column {:?}", column.name),
            format!("for {ours}: {}", known(quantity)),
            "give the unit in the graph: (column: \"..\", unit: \"..\")",
        ));
    };
    if how == Conversion::Flux(None) && zero_point.is_none() {
        return Err(finding(
            "missing-param",
            format!("column {:?} in {unit:?} and no flux_zero_point", column.name),
            "the magnitude of one unit".to_owned(),
            "set flux_zero_point",
        ));
    }
    let is_text = kind == ColumnKind::Text;
    match (how, quantity) {
        (Conversion::Hours | Conversion::DegreesMinutes, _) if !is_text => {
            return Err(of_type(kind.name(), "text such as 05:30:00"));
        }
        (Conversion::Hours | Conversion::DegreesMinutes, _) => {}
        _ if ours == "id" && kind != ColumnKind::Int => return Err(of_type(kind.name(), "integers")),
        (_, Quantity::Plain) if ours != "sharp" => {}
        _ if matches!(kind, ColumnKind::Text | ColumnKind::Bool) => return Err(of_type(kind.name(), "numbers")),
        _ => {}
    }
    Ok(Source {
        ours: ours.to_owned(),
        column: column.name.clone(),
        kind,
        unit: unit.to_owned(),
        conversion: how,
        is_written,
    })
}

/// Half a position is none: a default is dropped, a written one reported.
fn pairs(sources: &mut Vec<Source>, findings: &mut Vec<Finding>) {
    for (one, other) in [("x", "y"), ("y", "x"), ("ra", "dec"), ("dec", "ra")] {
        let has = |name: &str| sources.iter().position(|s| s.ours == name);
        if let (Some(i), None) = (has(one), has(other)) {
            let is_reported = findings.iter().any(|f| f.param == format!("columns.{other}"));
            let half = sources.remove(i);
            if half.is_written && !is_reported {
                findings.push(Finding {
                    param: format!("columns.{one}"),
                    code: "missing-column",
                    found: format!("{one} without {other}"),
                    expected: "both".to_owned(),
                    help: format!("name the column of {other} too: columns: {{\"{other}\": \"..\"}}"),
                });
            }
        }
    }
}

fn require(wishes: Wishes<'_>, header: &FileHeader, sources: &[Source], findings: &mut Vec<Finding>) {
    let has = |name: &str| sources.iter().any(|s| s.ours == name);
    let is_reported = |findings: &[Finding], names: &[&str]| {
        findings.iter().any(|f| names.iter().any(|n| f.param == format!("columns.{n}")))
    };
    if !has("x") && !has("ra") && !is_reported(findings, &["x", "y", "ra", "dec"]) {
        findings.push(Finding {
            param: "columns".to_owned(),
            code: "missing-column",
            found: "no positions: neither x and y nor ra and dec".to_owned(),
            expected: "columns for one of these pairs".to_owned(),
            help: format!("columns: {{\"ra\": \"..\", \"dec\": \"..\"}}; {}", list(header)),
        });
    }
    if wishes.is_mag_required
        && !has("mag")
        && findings.iter().all(|f| f.param != "columns.mag" && f.code != "bad-unit")
    {
        let (param, found) = match wishes.band {
            Some(band) if !wishes.columns.contains_key("mag") => {
                ("band", format!("no column {band:?} with the magnitudes"))
            }
            _ => ("columns", "no column for mag".to_owned()),
        };
        let name = wishes.band.unwrap_or("mag");
        findings.push(Finding {
            param: param.to_owned(),
            code: "missing-column",
            found,
            expected: "a column with magnitudes".to_owned(),
            help: format!("columns: {{\"mag\": \"..\"}}; {}", with_nearest(name, header)),
        });
    }
}

/// The error of a flux becomes that of a magnitude only beside the flux itself.
fn flux_errors(sources: &mut Vec<Source>, findings: &mut Vec<Finding>) {
    let is_flux = |s: &Source| matches!(s.conversion, Conversion::Flux(_));
    let fluxes: Vec<String> = sources.iter().filter(|s| is_flux(s)).map(|s| s.ours.clone()).collect();
    sources.retain(|s| {
        let Some(flux) = flux_of_error(&s.ours) else { return true };
        let is_sound = !is_flux(s) || fluxes.contains(&flux);
        if !is_sound {
            findings.push(Finding {
                param: if s.is_written { format!("columns.{}", s.ours) } else { "columns".to_owned() },
                code: "bad-unit",
                found: format!("{:?} in {:?} for {}, without a flux for {flux}", s.column, s.unit, s.ours),
                expected: "the flux and its error, or an error in mag".to_owned(),
                help: format!("map {flux} to the flux as well"),
            });
        }
        is_sound
    });
}

/// The column whose error a column is: `mag` of `mag_err`, `mag_J` of `mag_err_J`.
pub(super) fn flux_of_error(ours: &str) -> Option<String> {
    match ours.strip_prefix("mag_err")? {
        "" => Some("mag".to_owned()),
        band => band.strip_prefix('_').map(|band| format!("mag_{band}")),
    }
}
