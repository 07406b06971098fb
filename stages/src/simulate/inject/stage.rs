//! `simulate.inject`: the adapter.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, PsfField, Table, TableBuilder, TableError};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::super::render::PointSource;
use super::algorithm::{InjectionPsf, add_light};
use super::entries::{Entry, Seeing, add_entries, entry_draws, list_stars, sky_sigma};
use super::params::Inject;
use super::placing::{Ground, place_objects};
use super::sources::{Injected, make_object};

/// Rows that a thread makes at a time.
const BLOCK_ROWS: usize = 64;

impl Inject {
    /// The image to plant into.
    pub const IMAGE: In<Image> = In::new("image", "Image with a zero point; its masked pixels stay as they are.");
    /// The PSF.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "PSF field of the image; without it fwhm_px is needed.");
    /// Star list.
    pub const STARS: Opt<Table> = Opt::new("stars", "Star list that bright planted stars are appended to.");
    /// The image with them.
    pub const PLANTED: Out<Image> = Out::new("image", "The image with the planted objects.");
    /// What was planted.
    pub const TRUTH: Out<Table> =
        Out::new("truth", "One row per planted object: id, kind, place, magnitude, radius, shape, members.");
    /// The longer list.
    pub const LIST: Out<Table> = Out::new("stars", "The star list with planted stars above catalogue_limit.");
}

/// Columns of the truth table.
const COLUMNS: [(&str, ColumnKind); 16] = [
    ("id", ColumnKind::Int),
    ("kind", ColumnKind::Text),
    ("x", ColumnKind::Float),
    ("y", ColumnKind::Float),
    ("ra", ColumnKind::Float),
    ("dec", ColumnKind::Float),
    ("mag", ColumnKind::Float),
    ("flux", ColumnKind::Float),
    ("r_half", ColumnKind::Float),
    ("shape", ColumnKind::Text),
    ("concentration", ColumnKind::Float),
    ("q", ColumnKind::Float),
    ("pa_deg", ColumnKind::Float),
    ("n_stars", ColumnKind::Int),
    ("mag_brightest", ColumnKind::Float),
    ("n_catalogued", ColumnKind::Int),
];

/// A planted object with its place.
struct Planted {
    id: usize,
    x: f64,
    y: f64,
    flux: f64,
    object: Injected,
    n_catalogued: usize,
}

#[typetag::serde(name = "simulate.inject")]
impl Stage for Inject {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .optional(&Self::PSF)
            .optional(&Self::STARS)
            .output(&Self::PLANTED)
            .output(&Self::TRUTH)
            .output(&Self::LIST)
    }

    fn version(&self) -> u32 {
        4
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        if !inputs.is_wired(Self::PSF.name) && self.fwhm_px.is_none() {
            problems
                .param("fwhm_px", "no value, and no PSF field at `psf`", "one of the two")
                .help("set fwhm_px, or wire a PSF field");
        }
        let facet = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        for (axis, size) in [("columns", facet.width), ("rows", facet.height)] {
            if let Some(size) = size.filter(|n| (*n as f64) < 2.0 * self.edge_px + 1.0) {
                problems.param("edge_px", self.edge_px, &format!("less than half of the image's {size} {axis}"));
            }
        }
        outputs.set(Self::PLANTED.name, inputs.get(Self::IMAGE.name));
        let columns = COLUMNS.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
        outputs.set(Self::TRUTH.name, TableFacet { columns: Some(columns) }.to_facet());
        if inputs.is_wired(Self::STARS.name) {
            outputs.set(Self::LIST.name, inputs.get(Self::STARS.name));
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let facet = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        // Per cluster some thousand points of 50 bytes, twice; a block per thread.
        let points = 100 * (6000 * self.n_clusters + self.n_stars) as u64;
        let block = 64 * 8 * (BLOCK_ROWS * facet.width.unwrap_or(0)) as u64;
        Demand { peak_bytes: 2 * facet.bytes() + points + block + (64 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let input = cx.input(&Self::IMAGE)?;
        let (field, list) = (cx.optional(&Self::PSF)?, cx.optional(&Self::STARS)?);
        let psf = self.psf(field.as_deref())?;
        let Some(zero_point) = input.meta.zero_point else {
            return Err(StageError::data("the image has no zero point, so a magnitude has no flux")
                .with_help("give the reader of the image its zero point"));
        };
        let exposure = input.meta.exposure_s.unwrap_or(1.0);

        let (objects, streams): (Vec<_>, Vec<_>) =
            (0..self.n_clusters + self.n_stars).map(|i| make_object(self, i)).unzip();
        cx.check_cancelled()?;
        let ground = Ground {
            image: &input,
            edge_px: self.edge_px,
            clearance_px: self.clearance_px,
            separation_px: self.separation_px,
        };
        let places = place_objects(&ground, streams.into_iter());
        let mut planted: Vec<Planted> = Vec::new();
        for (id, (object, place)) in objects.into_iter().zip(places).enumerate() {
            if let Some((x, y)) = place {
                let flux = exposure * libm::exp10(0.4 * (zero_point - object.mag));
                planted.push(Planted { id, x, y, flux, object, n_catalogued: 0 });
            }
        }
        let n_left_out = self.n_clusters + self.n_stars - planted.len();
        if n_left_out > 0 {
            cx.warn(format!(
                "{n_left_out} objects found no place: the image is too small for them, or too much is masked"
            ));
        }

        let point = |p: &Planted, m: &super::sources::Member| PointSource {
            x: p.x + m.dx,
            y: p.y + m.dy,
            flux: p.flux * m.part,
        };
        let sources: Vec<PointSource> =
            planted.iter().flat_map(|p| p.object.members.iter().map(move |m| point(p, m))).collect();
        let mut image = (*input).clone();
        let rows = cx.band_rows().map_or(BLOCK_ROWS, usize::from);
        let cancel = cx.cancel_token();
        let noise = self.gain.map(|gain| (gain, self.seed));
        let added = cx.pool().install(|| add_light(&mut image, &sources, &psf, noise, rows, || !cancel.is_cancelled()));
        cx.check_cancelled()?;

        let mut bright: Vec<(Entry, f64)> = Vec::new();
        if let Some(limit) = self.catalogue_limit {
            let flux_limit = exposure * libm::exp10(0.4 * (zero_point - limit));
            let seeing = Seeing {
                flux_limit,
                crowding_limit: self.crowding_limit,
                sky_sigma: sky_sigma(&input),
                gain: self.gain,
            };
            for p in planted.iter_mut().filter(|p| p.object.is_resolved) {
                let stars: Vec<PointSource> = p.object.members.iter().map(|m| point(p, m)).collect();
                let draws = |i: usize| entry_draws(self.seed, p.id, i);
                let seen = list_stars(&stars, seeing, |x, y| psf.fwhm(x, y), draws);
                p.n_catalogued = seen.len();
                bright.extend(seen.into_iter().map(|e| (e, limit - 2.5 * libm::log10(e.source.flux / flux_limit))));
            }
        }
        let longer = add_entries(list.as_deref(), &bright, &self.mag_column, input.wcs.as_ref())
            .map_err(|e| StageError::data(format!("the star list: {e}")))?;
        cx.metric("n_clusters", planted.iter().filter(|p| p.object.cluster.is_some()).count() as f64);
        cx.metric("n_stars", planted.iter().filter(|p| p.object.cluster.is_none()).count() as f64);
        cx.metric("n_left_out", n_left_out as f64);
        cx.metric("n_catalogued", bright.len() as f64);
        cx.metric("flux_added", added);
        cx.set(&Self::TRUTH, truth_table(&planted, &input).map_err(StageError::data)?);
        cx.set(&Self::LIST, longer);
        cx.set(&Self::PLANTED, image);
        Ok(())
    }
}

impl Inject {
    fn psf<'a>(&self, field: Option<&'a PsfField>) -> Result<InjectionPsf<'a>, StageError> {
        let psf = match (field, self.fwhm_px, self.moffat_alpha) {
            (Some(field), _, _) => InjectionPsf::Field(field),
            (None, Some(fwhm), None) => InjectionPsf::Gaussian(fwhm),
            (None, Some(fwhm), Some(alpha)) => InjectionPsf::Moffat(fwhm, alpha),
            (None, None, _) => {
                return Err(
                    StageError::config("neither fwhm_px nor a PSF field").with_help("set fwhm_px, or wire a PSF field")
                );
            }
        };
        if !psf.is_sound() {
            return Err(StageError::data("the PSF field has a cell whose model has no finite flux")
                .with_help("look at its Moffat exponents: they must be above 1"));
        }
        Ok(psf)
    }
}

fn truth_table(planted: &[Planted], image: &Image) -> Result<Table, TableError> {
    let of = |f: &dyn Fn(&Planted) -> f64| planted.iter().map(f).collect::<Vec<f64>>();
    let (ra, dec): (Vec<f64>, Vec<f64>) = planted
        .iter()
        .map(|p| image.wcs.as_ref().and_then(|w| w.pixel_to_icrs(p.x, p.y)).unwrap_or((f64::NAN, f64::NAN)))
        .unzip();
    let brightest = |p: &Planted| {
        let part = p.object.members.iter().map(|m| m.part).fold(0.0, f64::max);
        if p.object.is_resolved { p.object.mag - 2.5 * libm::log10(part) } else { f64::NAN }
    };
    let n_stars = |p: &Planted| if p.object.is_resolved { p.object.members.len() as i64 } else { 0 };
    let kind = |p: &Planted| if p.object.cluster.is_some() { "cluster" } else { "star" }.to_owned();
    let shape = |p: &Planted| p.object.cluster.map_or("point", |(_, shape)| shape.name()).to_owned();
    TableBuilder::new()
        .int("id", "", "number of the object", planted.iter().map(|p| p.id as i64).collect())
        .text("kind", "cluster or star", planted.iter().map(kind).collect())
        .float("x", "px", "centre, column, zero-based", of(&|p| p.x))
        .float("y", "px", "centre, row, zero-based", of(&|p| p.y))
        .float("ra", "deg", "right ascension (ICRS)", ra)
        .float("dec", "deg", "declination (ICRS)", dec)
        .float("mag", "mag", "total magnitude", of(&|p| p.object.mag))
        .float("flux", "", "total flux in pixel units", of(&|p| p.flux))
        .float(
            "r_half",
            "px",
            "half-light radius before blurring; 0 for stars",
            of(&|p| p.object.cluster.map_or(0.0, |c| c.0)),
        )
        .text("shape", "profile; point for stars", planted.iter().map(shape).collect())
        .float("concentration", "", "c of King, gamma of EFF, 0 otherwise", of(&|p| p.object.concentration))
        .float("q", "", "axis ratio", of(&|p| p.object.q))
        .float("pa_deg", "deg", "direction of the major axis, from +x towards +y", of(&|p| p.object.pa.to_degrees()))
        .int("n_stars", "", "stars; 0 for smooth light", planted.iter().map(n_stars).collect())
        .float("mag_brightest", "mag", "magnitude of the brightest star", of(&brightest))
        .int(
            "n_catalogued",
            "",
            "stars appended to the star list",
            planted.iter().map(|p| p.n_catalogued as i64).collect(),
        )
        .build()
}

register_stage!(
    Inject,
    kind: "simulate.inject",
    example: "(seed: 1, n_clusters: 100, mag_bright: 12.0, mag_faint: 18.0, fwhm_px: 2.7)"
);
