//! `measure.evidence`: the adapter.

use rayon::prelude::*;
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, PsfField, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::catalogue::{CatalogueOptions, EvidenceCatalogue};
use super::columns::{evidence_columns, with_evidence};
use super::judge::{Evidence, Witnesses, judge};
use super::params::MeasureEvidence;
use super::star_light::{check_star_light, flux_of_magnitude, star_light};
use crate::contour::rows_of;
use crate::measure::shape::{check_shapes, require_shape};
use crate::psf::require_columns;

impl MeasureEvidence {
    /// The objects.
    pub const TABLE: In<Table> = In::new("table", "objects, with columns id, r_geo, r_light");
    /// The contours.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "the contours that the ids point to");
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "star-subtracted image in which the objects were found");
    /// The noise.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel");
    /// The PSF.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "PSF field: gives psf_misfit");
    /// The stars in.
    pub const WITH_STARS: Opt<Image> = Opt::new("with_stars", "image before the stars were subtracted");
    /// The stars out.
    pub const RESIDUAL: Opt<Image> =
        Opt::new("residual", "image after the stars were subtracted: with `with_stars` it gives star_light_ratio");
    /// The catalogue.
    pub const STARS: Opt<Table> =
        Opt::new("stars", "star catalogue with x, y, mag and, where known, prob, sharp, mag_<colour_band>");
    /// The objects with the evidence.
    pub const OUT: Out<Table> = Out::new("table", "the table with the columns of the evidence added");
}

#[typetag::serde(name = "measure.evidence")]
impl Stage for MeasureEvidence {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::TABLE)
            .input(&Self::ISOPHOTES)
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .optional(&Self::PSF)
            .optional(&Self::WITH_STARS)
            .optional(&Self::RESIDUAL)
            .optional(&Self::STARS)
            .output(&Self::OUT)
    }

    fn version(&self) -> u32 {
        3
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("peak_smooth_px", self.peak_smooth_px, 0.0, 100.0);
        problems.require_range("psf_max_r_light_px", self.psf_max_r_light_px, 0.0, f64::MAX);
        problems.require_range("bad_reach_px", self.bad_reach_px as f64, 0.0, 100.0);
        problems.require_range("min_prob", self.min_prob, 0.0, 1.0);
        problems.require_range("max_sharp", self.max_sharp, -1e9, 1e9);
        problems.require_range("overdensity_mag", self.overdensity_mag, -100.0, 100.0);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shapes(inputs, &["isophotes", "image", "noise", "with_stars", "residual"], problems);
        check_star_light(inputs, problems);
        require_columns(inputs, "stars", &["x", "y", "mag"], problems);
        let columns = TableFacet::from_facet(&inputs.get("table")).columns;
        let added = evidence_columns();
        for (name, _) in columns.iter().flatten().filter(|c| added.iter().any(|(name, _)| *name == c.0)) {
            problems
                .input("table", format!("a column {name:?}"), "a table without it")
                .help("measure.evidence adds this column; is this the table of another measure.evidence?");
        }
        for name in ["id", "r_geo", "r_light"] {
            if columns.as_ref().is_some_and(|c| c.iter().all(|(known, _)| known != name)) {
                let found = format!("no column {name:?}");
                problems.input("table", found, "the columns of measure.isophotes").code("unknown-column");
            }
        }
        let columns = columns.map(|c| c.into_iter().chain(added).collect());
        outputs.set("table", TableFacet { columns }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // Four images of 6, the light of the stars 4, bad 1; contours and catalogue about as much as one image.
        Demand { peak_bytes: image.n_pixels() * 35 + (16 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.input(&Self::NOISE)?;
        let psf = cx.optional(&Self::PSF)?;
        let with_stars = cx.optional(&Self::WITH_STARS)?;
        let residual = cx.optional(&Self::RESIDUAL)?;
        let stars = cx.optional(&Self::STARS)?;
        let frame = (isophotes.width, isophotes.height);
        require_shape("image", &image, frame)?;
        require_shape("noise", &noise, frame)?;
        let rows = rows_of("table", &table, &isophotes)?;
        let catalogue = match &stars {
            Some(stars) => Some(self.catalogue(stars, cx)?),
            None => None,
        };
        let unit_flux = match (&catalogue, image.meta.zero_point) {
            (Some(_), Some(_)) => flux_of_magnitude(&image, 0.0)?,
            (Some(_), None) => {
                cx.warn("the image has no zero point: extended_fraction is not known");
                f64::NAN
            }
            (None, _) => f64::NAN,
        };
        let bad = image.bad_pixels();
        let light = star_light(with_stars.as_deref(), residual.as_deref(), &bad)?;
        let witnesses = Witnesses {
            image: image.pixels.view(),
            bad: bad.view(),
            noise: noise.pixels.view(),
            psf: psf.as_deref(),
            star_light: light.as_ref().map(|l| l.view()),
            catalogue: catalogue.as_ref(),
            unit_flux,
        };
        let progress = cx.progress("objects", rows.len() as u64);
        let evidence: Option<Vec<Evidence>> = cx.pool().install(|| {
            rows.par_iter()
                .map(|(_, isophote)| {
                    let evidence = judge(&isophote.vertices, &witnesses, self);
                    progress.advance(1);
                    (!progress.is_cancelled()).then_some(evidence)
                })
                .collect()
        });
        let evidence = evidence.ok_or_else(StageError::cancelled)?;
        let table = with_evidence(&table, &evidence, &image).map_err(StageError::data)?;
        cx.set(&Self::OUT, table);
        Ok(())
    }
}

impl MeasureEvidence {
    fn catalogue(&self, stars: &Table, cx: &Context<'_>) -> Result<EvidenceCatalogue, StageError> {
        let options = CatalogueOptions {
            min_prob: self.min_prob,
            max_sharp: self.max_sharp,
            overdensity_mag: self.overdensity_mag,
        };
        if let Some(band) = &self.colour_band
            && !stars.has_column(&format!("mag_{band}"))
        {
            cx.warn(format!("the catalogue has no column mag_{band}: extended_colour is not known"));
        }
        EvidenceCatalogue::new(stars, self.colour_band.as_deref(), options).map_err(StageError::data)
    }
}

register_stage!(MeasureEvidence, kind: "measure.evidence", example: "(colour_band: \"J\")");
