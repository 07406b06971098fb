//! `plot.overview`: the adapter.

use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, Table};
use skyloom_engine::{
    Context, Deliverable, Demand, Facets, FacetsOut, In, Opt, Out, Place, Problems, Signature, Stage, StageError,
    register_stage,
};

use super::drawing::{Outline, Panels, draw_overview};
use super::stretch::median_and_scatter;
use crate::io::write_regions::{label, outlines, require_column};

/// Draws image, residual, and the residual with the isophotes of the candidates, side by side, as a PNG.
///
/// All panels share one asinh stretch about their own sky, from -2 sigma (dark) to the brightest 0.2 % of the image, at
/// most 1000 sigma; the colour bar gives it in sigma. The map (cividis) reads the same with every colour vision. Large
/// images are shown by block means, small ones magnified by a whole number. `y` increases upwards.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// Title above the panels; none by default.
    #[serde(default)]
    pub title: String,
    /// Largest width of the picture. It comes out smaller where whole blocks of pixels do not fill it.
    #[serde(default = "default_width")]
    #[schemars(range(min = 600, max = 20000), extend("x-unit" = "px"))]
    pub width_px: usize,
    /// Column of the table whose values label the isophotes.
    #[serde(default = "default_label")]
    pub label: String,
}

/// Fits a page of a README and most screens.
fn default_width() -> usize {
    1800
}

fn default_label() -> String {
    "id".to_owned()
}

impl Overview {
    /// First panel.
    pub const IMAGE: In<Image> = In::new("image", "Image in which candidates were looked for, or the frame itself.");
    /// Second and third panel.
    pub const RESIDUAL: In<Image> = In::new("residual", "The same frame after the point sources were removed.");
    /// Scale of the stretch.
    pub const NOISE: Opt<Image> =
        Opt::new("noise", "Noise map; without it the robust scatter of the residual sets the stretch.");
    /// Candidates.
    pub const TABLE: Opt<Table> =
        Opt::new("table", "Candidates whose isophotes are drawn; without it all isophotes are drawn.");
    /// Contours.
    pub const ISOPHOTES: Opt<Isophotes> = Opt::new("isophotes", "Contours that the column id of the table indexes.");
    /// The picture.
    pub const FILE: Out<Deliverable> = Out::new("file", "PNG.");
}

#[typetag::serde(name = "plot.overview")]
impl Stage for Overview {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::RESIDUAL)
            .optional(&Self::NOISE)
            .optional(&Self::TABLE)
            .optional(&Self::ISOPHOTES)
            .output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if !(600..=20_000).contains(&self.width_px) {
            problems.param("width_px", self.width_px, "a number from 600 to 20000");
        }
    }

    fn infer(&self, inputs: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        let facet = |port: &str| ImageFacet::from_facet(&inputs.get(port));
        let (image, residual) = (facet(Self::IMAGE.name), facet(Self::RESIDUAL.name));
        if let (Some(w), Some(h), Some(rw), Some(rh)) = (image.width, image.height, residual.width, residual.height)
            && (w, h) != (rw, rh)
        {
            let expected = format!("an image of {w} x {h} pixels, like the one at `image`");
            problems.input(Self::RESIDUAL.name, format!("an image of {rw} x {rh} pixels"), &expected);
        }
        if inputs.is_wired(Self::TABLE.name) {
            if !inputs.is_wired(Self::ISOPHOTES.name) {
                problems
                    .input(Self::TABLE.name, "a table without isophotes", "both table and isophotes, or no table")
                    .help("wire the isophotes that the column id indexes");
            }
            if let Some(columns) = TableFacet::from_facet(&inputs.get(Self::TABLE.name)).columns {
                let place = || Place::Input(Self::TABLE.name.to_owned());
                require_column(&columns, "id", place(), problems);
                if self.label != "id" {
                    require_column(&columns, &self.label, Place::Param("label".to_owned()), problems);
                }
            }
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let bytes = |port: &str| ImageFacet::from_facet(&inputs.get(port)).bytes();
        let images = bytes(Self::IMAGE.name) + bytes(Self::RESIDUAL.name) + bytes(Self::NOISE.name);
        // The picture is at most about as high as wide; canvas, block means and PNG.
        let picture = 12 * (self.width_px as u64).pow(2);
        // Two samples of a million pixels for the median.
        Demand { peak_bytes: images + picture + (16 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, residual) = (cx.input(&Self::IMAGE)?, cx.input(&Self::RESIDUAL)?);
        let (table, isophotes) = (cx.optional(&Self::TABLE)?, cx.optional(&Self::ISOPHOTES)?);
        let noise = cx.optional(&Self::NOISE)?;
        let outlines = match (&table, &isophotes) {
            (Some(table), Some(isophotes)) => {
                if table.batch().column_by_name(&self.label).is_none() {
                    let names = table.column_names().join(", ");
                    return Err(StageError::config(format!(
                        "no column {:?} to label with; there are {names}",
                        self.label
                    )));
                }
                let mut list = Vec::with_capacity(table.n_rows());
                for (row, contour) in outlines(table, isophotes)?.into_iter().enumerate() {
                    list.push(Outline { label: label(table, &self.label, row), vertices: &contour.vertices });
                }
                list
            }
            (None, Some(isophotes)) => {
                let mut list = Vec::with_capacity(isophotes.contours.len());
                for (i, contour) in isophotes.contours.iter().enumerate() {
                    list.push(Outline { label: i.to_string(), vertices: &contour.vertices });
                }
                list
            }
            (Some(_), None) => {
                return Err(StageError::config("a table without isophotes")
                    .with_help("wire the isophotes that the column id of the table indexes"));
            }
            (None, None) => Vec::new(),
        };
        cx.check_cancelled()?;
        cx.metric("n_isophotes", outlines.len() as f64);
        let sigma = noise.and_then(|noise| median_and_scatter(&noise)).map(|(median, _)| median);
        let panels =
            Panels { image: &image, residual: &residual, outlines, sigma, title: &self.title, width_px: self.width_px };
        let png = cx.pool().install(|| draw_overview(&panels)).map_err(StageError::data)?;
        cx.set(&Self::FILE, Deliverable::new("png", png));
        Ok(())
    }
}

register_stage!(Overview, kind: "plot.overview", example: r#"(title: "M2 in SDSS r", width_px: 1800)"#);
