//! `psf.select_isolated` as a stage.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Table, TableBuilder};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{Selection, select_isolated};
use super::params::SelectIsolated;
use crate::psf::star_columns::require_star_columns;
use crate::psf::{CatalogueStar, check_same_shape, require_same_shape};

impl SelectIsolated {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// The catalogue.
    pub const STARS: In<Table> = In::new("stars", "star catalogue with x, y, mag and, if known, id, prob, sharp");
    /// The faint group.
    pub const FAINT: Out<Table> = Out::new("faint", "isolated stars of the faint group");
    /// The bright group.
    pub const BRIGHT: Out<Table> = Out::new("bright", "isolated stars of the bright group");
}

/// Columns of both tables.
const COLUMNS: [(&str, ColumnKind); 7] = [
    ("id", ColumnKind::Int),
    ("x", ColumnKind::Float),
    ("y", ColumnKind::Float),
    ("mag", ColumnKind::Float),
    ("x_contour", ColumnKind::Float),
    ("y_contour", ColumnKind::Float),
    ("peak_sigma", ColumnKind::Float),
];

/// Fewer stars than this deserve a warning: the cells of the PSF field ask for ten.
const FEW_STARS: usize = 10;

fn read_catalogue(table: &Table) -> Result<Vec<CatalogueStar>, StageError> {
    CatalogueStar::from_table(table).map_err(|e| {
        StageError::config(format!("input \"stars\": {e}")).with_help(
            "wire a star catalogue with x, y and mag; io.read_catalogue maps the columns of a file to these names",
        )
    })
}

fn to_table(stars: &[CatalogueStar], selection: &Selection) -> Result<Table, StageError> {
    let of = |f: fn(&CatalogueStar) -> f64| selection.stars.iter().map(|s| f(&stars[s.row])).collect::<Vec<_>>();
    TableBuilder::new()
        .int("id", "", "identifier in the catalogue", selection.stars.iter().map(|s| stars[s.row].id).collect())
        .float("x", "px", "column in the catalogue", of(|s| s.x))
        .float("y", "px", "row in the catalogue", of(|s| s.y))
        .float("mag", "mag", "magnitude in the catalogue", of(|s| s.mag))
        .float(
            "x_contour",
            "px",
            "centroid of the lowest contour",
            selection.stars.iter().map(|s| s.x_contour).collect(),
        )
        .float(
            "y_contour",
            "px",
            "centroid of the lowest contour",
            selection.stars.iter().map(|s| s.y_contour).collect(),
        )
        .float("peak_sigma", "", "peak over noise", selection.stars.iter().map(|s| s.peak_sigma).collect())
        .build()
        .map_err(|e| StageError::new(skyloom_engine::ErrorClass::Panic, e))
}

/// What a user can turn when few stars of a group are isolated.
fn advice(name: &str, selection: &Selection) -> String {
    let reasons: Vec<String> =
        selection.reasons.list().iter().filter(|(_, n)| *n > 0).map(|(reason, n)| format!("{n} {reason}")).collect();
    let reasons = if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") };
    let most = selection.reasons.list().into_iter().max_by_key(|(_, n)| *n).filter(|(_, n)| *n > 0);
    let what = match most {
        None => format!("widen {name}_min_mag and {name}_max_mag, or check the magnitudes of the catalogue"),
        Some(("prob", _)) => "lower min_prob".into(),
        Some(("sharp", _)) => "raise max_sharp".into(),
        Some(("faint", _)) => format!("make {name}_max_mag brighter, or check the noise map"),
        Some(("off_centre", _)) => "raise max_offset_px, or check the positions of the catalogue".into(),
        Some(("saturated", _)) => format!("make {name}_min_mag fainter"),
        Some(_) => format!("make {name}_stamp_px smaller, or raise {name}_first_level_sigma"),
    };
    format!(
        "{} isolated stars in the {name} group, of {} in its range of magnitude; rejected: {reasons}. To have more, {what}",
        selection.stars.len(),
        selection.n_in_range,
    )
}

#[typetag::serde(name = "psf.select_isolated")]
impl Stage for SelectIsolated {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .output(&Self::FAINT)
            .output(&Self::BRIGHT)
    }

    fn version(&self) -> u32 {
        2
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        require_same_shape(inputs, problems);
        require_star_columns(inputs, "stars", &["x", "y", "mag"], problems);
        let columns: Vec<_> = COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        for port in [Self::FAINT.name, Self::BRIGHT.name] {
            outputs.set(port, TableFacet { columns: Some(columns.clone()) }.to_facet());
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name)).bytes();
        let noise = ImageFacet::from_facet(&inputs.get(Self::NOISE.name)).bytes();
        // A crowded catalogue has a star per 150 px; a row, its copy, the verdict and the output come to about 300 bytes.
        let stars = image / 6 / 150 * 300;
        Demand { peak_bytes: image + noise + stars + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise, table) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?, cx.input(&Self::STARS)?);
        check_same_shape(&image, &noise)?;
        let stars = read_catalogue(&table)?;
        for (name, group, port) in [("faint", self.faint(), &Self::FAINT), ("bright", self.bright(), &Self::BRIGHT)] {
            let n = stars.iter().filter(|s| s.mag >= group.min_mag && s.mag <= group.max_mag).count();
            let progress = cx.progress(&format!("{name} stars"), n as u64);
            let tick = || {
                progress.advance(1);
                !progress.is_cancelled()
            };
            let selection = cx
                .pool()
                .install(|| select_isolated(&image, &noise, &stars, &group, self, &tick))
                .ok_or_else(StageError::cancelled)?;
            cx.metric(&format!("{name}_in_range"), selection.n_in_range as f64);
            cx.metric(&format!("{name}_isolated"), selection.stars.len() as f64);
            for (reason, count) in selection.reasons.list() {
                cx.metric(&format!("{name}_rejected_{reason}"), count as f64);
            }
            if selection.stars.len() < FEW_STARS {
                cx.warn(advice(name, &selection));
            }
            cx.set(port, to_table(&stars, &selection)?);
        }
        Ok(())
    }
}

skyloom_engine::register_stage!(SelectIsolated, kind: "psf.select_isolated", example: "(faint_stamp_px: 31, bright_stamp_px: 51)");
