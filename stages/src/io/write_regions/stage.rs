//! The adapter.

use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Isophotes, Table};
use skyloom_engine::{
    Context, Deliverable, Demand, Facets, FacetsOut, In, Out, Place, Problems, Signature, Stage, StageError, nearest,
    register_stage,
};

use super::ds9::ds9_text;
use super::geojson::geojson_text;

/// Format of a region file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegionFormat {
    /// DS9 polygons in image coordinates, counted from one.
    Ds9,
    /// GeoJSON polygons in pixels counted from zero, with every column as a property.
    Geojson,
}

/// Writes the outlines of candidates as DS9 regions or GeoJSON polygons.
///
/// Row by row, the column `id` of the table says which contour of the isophotes belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteRegions {
    /// Format of the file.
    pub format: RegionFormat,
    /// Column whose values label the regions of DS9; in GeoJSON every column is a property.
    #[serde(default = "default_label")]
    pub label: String,
    /// Colour of the regions of DS9: a name (`green`) or `#rrggbb`. GeoJSON has none.
    #[serde(default = "default_colour")]
    pub colour: String,
}

fn default_label() -> String {
    "id".to_owned()
}

/// DS9's own default.
fn default_colour() -> String {
    "green".to_owned()
}

impl WriteRegions {
    /// The candidates.
    pub const TABLE: In<Table> = In::new("table", "Candidates; the column id indexes the isophotes.");
    /// Their contours.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "Contours of the candidates.");
    /// The file.
    pub const FILE: Out<Deliverable> = Out::new("file", "Region file: .reg or .geojson.");
}

/// Reports a missing column, with the nearest name.
pub(crate) fn require_column(
    columns: &[(String, ColumnKind)],
    name: &str,
    place: Place,
    problems: &mut Problems,
) -> Option<ColumnKind> {
    if let Some((_, kind)) = columns.iter().find(|(known, _)| known == name) {
        return Some(*kind);
    }
    let near = nearest(name, columns.iter().map(|(n, _)| n.as_str()));
    let problem = problems.push("unknown-column", place, format!("{name:?}"), "one of the table's columns");
    if let Some(near) = near {
        problem.help(format!("did you mean {near:?}?"));
    }
    None
}

#[typetag::serde(name = "io.write_regions")]
impl Stage for WriteRegions {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).input(&Self::ISOPHOTES).output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        let is_name = !self.colour.is_empty() && self.colour.chars().all(|c| c.is_ascii_alphanumeric());
        let is_hex = self
            .colour
            .strip_prefix('#')
            .is_some_and(|digits| digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()));
        if !is_name && !is_hex {
            problems.param("colour", format!("{:?}", self.colour), "a colour name such as green, or #rrggbb");
        }
    }

    fn infer(&self, inputs: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        let Some(columns) = TableFacet::from_facet(&inputs.get(Self::TABLE.name)).columns else { return };
        match columns.iter().find(|(name, _)| name == "id") {
            Some((_, ColumnKind::Int)) => {}
            Some((_, kind)) => {
                let found = format!("a column \"id\" of kind {}", kind.name());
                problems.input(Self::TABLE.name, found, "an integer column \"id\" that indexes the isophotes");
            }
            None => {
                let expected = "an integer column \"id\" that indexes the isophotes";
                problems.input(Self::TABLE.name, "no column \"id\"", expected);
            }
        }
        if self.label != "id" && self.format == RegionFormat::Ds9 {
            require_column(&columns, &self.label, Place::Param("label".to_owned()), problems);
        }
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // Contours are not known before: a million vertices, in memory and as text.
        Demand { peak_bytes: 128 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (table, isophotes) = (cx.input(&Self::TABLE)?, cx.input(&Self::ISOPHOTES)?);
        let file = match self.format {
            RegionFormat::Ds9 => {
                if table.batch().column_by_name(&self.label).is_none() {
                    let names = table.column_names().join(", ");
                    return Err(StageError::config(format!(
                        "no column {:?} to label with; there are {names}",
                        self.label
                    )));
                }
                let text = ds9_text(&table, &isophotes, &self.label, &self.colour)?;
                Deliverable::new("reg", text.into_bytes())
            }
            RegionFormat::Geojson => Deliverable::new("geojson", geojson_text(&table, &isophotes)?.into_bytes()),
        };
        cx.metric("n_regions", table.n_rows() as f64);
        cx.set(&Self::FILE, file);
        Ok(())
    }
}

register_stage!(WriteRegions, kind: "io.write_regions", example: r#"(format: ds9, label: "id", colour: "green")"#);
