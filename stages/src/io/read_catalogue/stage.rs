//! `io.read_catalogue`: the adapter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::fits::HduChoice;
use skyloom_data::{Image, Table};
use skyloom_engine::{
    Context, Demand, DigestBuilder, Facets, FacetsOut, InputPath, Opt, Out, Place, Problems, Signature, Stage,
    StageError, register_stage,
};

use crate::rules::row_filter::RowFilter;

use super::convert::{ConvertOptions, columns, convert};
use super::error::CatalogueError;
use super::file::{FileHeader, read_columns, read_header};
use super::format::{CatalogueFormat, detect};
use super::mapping::{ColumnChoice, Finding, Source, Wishes, resolve};

/// Reads a star catalogue from a FITS, Parquet, VOTable, CSV or ECSV file.
///
/// The result has `id`, `x`, `y` (zero-based pixels), `ra`, `dec` (degrees) and `mag`, and where the file has them
/// `mag_err`, `prob` (probability of being a star), `sharp` (0 = point-like), `parallax`, `parallax_error` (mas), and
/// `mag_<band>`, `mag_err_<band>` of other bands. Which column of the file becomes which is a default that `columns`
/// changes. Positions on the sky become pixels by the world coordinates of the image, if one is wired, and pixels
/// become positions on the sky.
///
/// Rows keep their order. Rows without a finite position are dropped, with a warning. `id` is the row in the file where
/// the file has no integer column for it. Units are taken from the file and converted; a column without unit is taken to
/// be in ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadCatalogue {
    /// The file, gzipped or not.
    pub path: InputPath,
    /// Format of the file. Left out, its content decides.
    #[serde(default)]
    pub format: Option<CatalogueFormat>,
    /// HDU of the table in a FITS file: its position or its EXTNAME. Left out, the first binary table.
    #[serde(default)]
    pub hdu: Option<HduChoice>,
    /// Detection band: the name of the column that becomes `mag`; `e<band>` becomes `mag_err`. Left out, the band of the
    /// wired image.
    #[serde(default)]
    pub band: Option<String>,
    /// Our name to the file's column, where it differs from the default: `{"mag": "Kmag", "ra": (column: "RA", unit: "rad")}`.
    ///
    /// The unit counts before the one in the file: deg, rad, hourangle, arcmin, arcsec, mas, uas, hms, dms for angles; mag,
    /// mmag or a flux (nJy, uJy, mJy, Jy, nanomaggy, maggy, adu, count, electron) for magnitudes; %, or `extendedness`, which is
    /// 1 less the value, for `prob`. `None` leaves a column
    /// out. Default: `id`, `x`, `y`, `ra`, `dec`, `prob`, `sharp`, `parallax`, `parallax_error` under the same names, `mag`
    /// and `mag_err` from the detection band, and `mag_<B>`, `mag_err_<B>` from every other pair of columns `B`, `eB`. A
    /// default that the file does not have is left out; a column that is written here must be there. Other names of ours
    /// are carried along as they are, those that end in `_deg`, `_arcsec`, `_mas` converted to that unit.
    #[serde(default)]
    pub columns: BTreeMap<String, Option<ColumnChoice>>,
    /// Which rows are kept: a condition over the columns of the result, in the language of `rules.cull`. Left out, all.
    ///
    /// Columns that it needs and that are none of ours are carried along by `columns`, as in `columns: {"is_primary":
    /// "detect_isPrimary"}, where: "is_primary and mag < 25"`.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
    /// Whether there must be a `mag`. Switch it off for lists of clusters or galaxies that have none.
    #[serde(default = "yes")]
    pub is_mag_required: bool,
    /// Coordinate of the centre of the first pixel in the file's `x`, `y`: 0, or 1 as in FITS and SExtractor.
    ///
    /// Wrong by one, every star is a pixel off: subtraction leaves pairs of holes and bumps.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1), extend("x-unit" = "px"))]
    pub pixel_origin: u8,
    /// The frame in which the file's `x`, `y` count.
    #[serde(default)]
    pub pixel_frame: PixelFrame,
    /// Magnitude of one flux unit, for magnitudes that are made from fluxes.
    ///
    /// Left out, the AB zero point of the unit (31.4 for nJy, 22.5 for nanomaggies). Needed for counts.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub flux_zero_point: Option<f64>,
    /// Rows farther outside the wired image than this are dropped. Left out, all are kept.
    ///
    /// Bright stars outside still shine into the image: keep about the radius of their cut-out.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub margin_px: Option<f64>,
}

/// What pixel positions of a file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PixelFrame {
    /// The pixels of the wired image.
    #[default]
    Image,
    /// The pixels of the larger image that the wired one is a part of, as in the object tables of a tract: the place of the part is
    /// kept in the image (LTV1, LTV2; `io.read_exposure`).
    Parent,
}

fn yes() -> bool {
    true
}

impl ReadCatalogue {
    /// The image whose pixels `x` and `y` count.
    pub const IMAGE: Opt<Image> = Opt::new(
        "image",
        "image whose world coordinates turn ra, dec into x, y, or the reverse; its band is the default",
    );
    /// The catalogue.
    pub const TABLE: Out<Table> = Out::new("table", "one row per star, in the order of the file");

    /// Reads a file with defaults for everything else.
    #[must_use]
    pub fn new(path: impl Into<InputPath>) -> Self {
        Self {
            path: path.into(),
            format: None,
            hdu: None,
            band: None,
            columns: BTreeMap::new(),
            condition: None,
            is_mag_required: true,
            pixel_origin: 0,
            pixel_frame: PixelFrame::Image,
            flux_zero_point: None,
            margin_px: None,
        }
    }

    fn filter(&self) -> RowFilter<'_> {
        RowFilter::new("where", self.condition.as_deref())
    }

    fn header(&self) -> Result<(CatalogueFormat, FileHeader), CatalogueError> {
        let format = match self.format {
            Some(format) => format,
            None => detect(self.path.as_path())?,
        };
        if self.hdu.is_some() && format != CatalogueFormat::Fits {
            return Err(CatalogueError::malformed("hdu for a file that is not FITS", "a FITS file, or no hdu"));
        }
        Ok((format, read_header(self.path.as_path(), format, self.hdu.as_ref())?))
    }

    fn resolve(&self, band: Option<&str>, header: &FileHeader) -> (Vec<Source>, Vec<Finding>) {
        let band = self.band.as_deref().or(band);
        let wishes = Wishes {
            columns: &self.columns,
            band,
            is_mag_required: self.is_mag_required,
            flux_zero_point: self.flux_zero_point,
        };
        resolve(wishes, header)
    }
}

#[typetag::serde(name = "io.read_catalogue")]
impl Stage for ReadCatalogue {
    fn signature(&self) -> Signature {
        Signature::new().optional(&Self::IMAGE).output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if self.pixel_origin > 1 {
            problems.param("pixel_origin", self.pixel_origin, "0 or 1");
        }
        if let Some(zero_point) = self.flux_zero_point {
            problems.require_range("flux_zero_point", zero_point, -100.0, 100.0);
        }
        if let Some(margin) = self.margin_px
            && !(margin >= 0.0 && margin.is_finite())
        {
            problems.param("margin_px", margin, "a finite number of 0 or more");
        }
        if self.band.as_deref().is_some_and(|b| b.trim().is_empty()) {
            problems.param("band", "an empty name", "the name of a column, such as \"Ks\"");
        }
        self.filter().check(problems);
        for (ours, choice) in &self.columns {
            let is_word = !ours.is_empty() && ours.chars().all(|c| c.is_alphanumeric() || c == '_');
            if !is_word {
                problems.param("columns", format!("{ours:?}"), "a name of letters, digits and _");
            }
            if choice.as_ref().is_some_and(|c| c.column().is_empty()) {
                problems.param(&format!("columns.{ours}"), "an empty name", "the name of a column of the file");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let (_, header) = match self.header() {
            Ok(found) => found,
            Err(error) => {
                let found = format!("{} ({})", error.found, self.path.as_path().display());
                let problem = problems.push(error.code, Place::Param("path".to_owned()), found, &error.expected);
                if let Some(help) = error.help {
                    problem.help(help);
                }
                return;
            }
        };
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let is_wired = inputs.is_wired("image");
        if self.band.is_none() && is_wired && image.band.is_none() && !self.columns.contains_key("mag") {
            // The band is the image's, and that is not known before the run.
            return;
        }
        let (sources, findings) = self.resolve(image.band.as_deref(), &header);
        for finding in &findings {
            let place = Place::Param(finding.param.clone());
            problems.push(finding.code, place, finding.found.clone(), &finding.expected).help(finding.help.as_str());
        }
        let has = |name: &str| sources.iter().any(|s| s.ours == name);
        if has("ra") && !has("x") {
            if !is_wired {
                let place = Place::Input("image".to_owned());
                problems
                    .push("missing-input", place, "nothing".to_owned(), "an image, as the file has ra, dec but no x, y")
                    .help("wire the image whose pixels the catalogue is for");
            } else if image.has_wcs == Some(false) {
                problems
                    .input("image", "an image without world coordinates", "one with, as the file has no x, y")
                    .code("missing-wcs");
            }
        }
        if self.margin_px.is_some() && !is_wired {
            let place = Place::Input("image".to_owned());
            problems.push("missing-input", place, "nothing".to_owned(), "an image, as margin_px is set");
        }
        if self.pixel_frame == PixelFrame::Parent && !is_wired {
            let place = Place::Input("image".to_owned());
            problems.push("missing-input", place, "nothing".to_owned(), "an image, as pixel_frame is parent");
        }
        if findings.is_empty() {
            let columns = columns(&sources, is_wired, image.has_wcs);
            if let Some(columns) = &columns {
                self.filter().infer(columns, problems);
            }
            outputs.set(Self::TABLE.name, TableFacet { columns }.to_facet());
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        // A file that cannot be read has been reported by `infer`.
        let Ok((_, header)) = self.header() else { return Demand::default() };
        let image = ImageFacet::from_facet(&inputs.get("image")).bytes();
        // Columns of the file, ours, and a filtered copy; about 16 of them are wanted.
        let columns = header.columns.len().min(16) as u64 * 8;
        // A number takes about twice as many bytes in text as in a column.
        let rows = header.n_rows.map_or(header.memory_bytes / 4, |n| n.saturating_mul(columns));
        let peak_bytes = header.memory_bytes.saturating_add(rows.saturating_mul(3)).saturating_add(image + (8 << 20));
        Demand { peak_bytes, threads: 4 }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        digest.file("path", self.path.as_path()).map_err(|e| CatalogueError::from_read(&e).into())
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.optional(&Self::IMAGE)?;
        let (format, header) = self.header()?;
        let band = image.as_ref().and_then(|i| i.meta.band.clone());
        let (sources, findings) = self.resolve(band.as_deref(), &header);
        if let Some(f) = findings.first() {
            let error = StageError::data(format!("{}: found {}; expected {}", f.param, f.found, f.expected));
            return Err(error.with_help(f.help.as_str()));
        }
        let wcs = image.as_ref().and_then(|i| i.wcs.as_ref());
        if !sources.iter().any(|s| s.ours == "x") && wcs.is_none() {
            return Err(StageError::data(
                "the file has ra, dec but no x, y, and there is no image with world coordinates",
            )
            .with_help("wire the image whose pixels the catalogue is for"));
        }
        let names: Vec<&str> = sources.iter().map(|s| s.column.as_str()).collect();
        let (x0, y0) = match (&image, self.pixel_frame) {
            (Some(image), PixelFrame::Parent) => image.parent_origin(),
            _ => (0.0, 0.0),
        };
        let options = ConvertOptions {
            pixel_origin: [x0, y0].map(|v| v + f64::from(self.pixel_origin)),
            flux_zero_point: self.flux_zero_point,
            frame: image.as_ref().map(|i| (i.width(), i.height())),
            wcs,
            margin_px: self.margin_px,
        };
        let (n_rows, converted) = cx.pool().install(|| {
            let table = read_columns(self.path.as_path(), format, self.hdu.as_ref(), &names)?;
            cx.check_cancelled()?;
            let converted = convert(&table, &sources, options)?;
            Ok::<_, StageError>((table.n_rows(), converted))
        })?;
        cx.metric("n_rows", n_rows as f64);
        cx.metric("n_stars", converted.table.n_rows() as f64);
        if converted.n_dropped > 0 {
            cx.metric("n_dropped", converted.n_dropped as f64);
            cx.warn(format!("{} of {n_rows} rows have no finite position and are dropped", converted.n_dropped));
        }
        if converted.n_outside > 0 {
            cx.metric("n_outside", converted.n_outside as f64);
        }
        if !converted.has_own_ids && sources.iter().any(|s| s.ours == "id") {
            cx.warn("the file's column of identifiers holds no integers: id is the row in the file");
        }
        let table = self.filter().apply(&converted.table)?;
        if self.condition.is_some() {
            cx.metric("n_kept", table.n_rows() as f64);
        }
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

register_stage!(ReadCatalogue, kind: "io.read_catalogue", example: r#"(path: "catalogue.fits.gz", band: "Ks", columns: {"sharp": None, "ra": (column: "RA", unit: "deg")})"#);
