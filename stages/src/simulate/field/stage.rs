//! `simulate.field`: the adapter.

use arrow::datatypes::DataType;
use ndarray::Array2;
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Card, CardValue, Image, ImageMeta, Table};
use skyloom_engine::{
    Context, Deliverable, Demand, Facets, FacetsOut, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::bands::Band;
use super::catalogue::make_catalogue;
use super::crowding::measure_crowding;
use super::pixels::make_pixels;
use super::psf::FieldPsf;
use super::stage_params::Field;
use super::tables::{blend_table, catalogue_table, cluster_table, field_wcs, galaxy_table, star_table, summary};
use super::truth::{Truth, make_truth};
use crate::io::frame;

/// Rows that a thread makes at a time: 64 rows of a 60,000 px tile are 30 MB.
const BLOCK_ROWS: usize = 64;

impl Field {
    /// The image.
    pub const IMAGE: Out<Image> =
        Out::new("image", "The image in counts per integration, sky included; 0 where saturated or dead.");
    /// The frame.
    pub const FRAME: Out<Table> = Out::new(
        "frame",
        "One row, as readers give it: width, height, and x0, y0, which are 0: no part of a larger image.",
    );
    /// Exposure.
    pub const CONFIDENCE: Out<Image> =
        Out::new("confidence", "Exposure in percent of the full one; 0 for dead pixels.");
    /// The catalogue.
    pub const CATALOGUE: Out<Table> =
        Out::new("catalogue", "What PSF photometry would find, with gaps, false entries and duplicates.");
    /// True clusters.
    pub const CLUSTERS: Out<Table> = Out::new("clusters", "The true clusters.");
    /// True stars.
    pub const STARS: Out<Table> = Out::new("stars", "All true stars, cluster members included.");
    /// True galaxies.
    pub const GALAXIES: Out<Table> = Out::new("galaxies", "The true galaxies.");
    /// True pairs.
    pub const BLENDS: Out<Table> = Out::new("blends", "Close pairs of stars outside clusters.");
    /// Facts.
    pub const SUMMARY: Out<Deliverable> = Out::new("summary", "Size, bands and noise model as JSON.");

    fn check_ranges(&self, problems: &mut Problems) {
        for (name, value, low, high) in [
            ("pixel_scale_arcsec", self.pixel_scale_arcsec, 0.01, 10.0),
            ("ra_deg", self.ra_deg, 0.0, 360.0),
            ("dec_deg", self.dec_deg, -90.0, 90.0),
            ("density_contrast", self.density_contrast, 0.0, 0.95),
            ("foreground_per_deg2", self.foreground_per_deg2, 0.0, 1e6),
            ("clusters_per_mpx", self.clusters_per_mpx, 0.0, 1e4),
            ("complexes_per_mpx", self.complexes_per_mpx, 0.0, 1e3),
            ("complex_px", self.complex_px, 1.0, 1e4),
            ("cluster_bright", self.cluster_bright, 8.0, 24.0),
            ("cluster_faint", self.cluster_faint, self.cluster_bright, 24.0),
            ("radius_min_px", self.radius_min_px, 0.1, 1e3),
            ("radius_max_px", self.radius_max_px, self.radius_min_px, 1e3),
            ("member_faint", self.member_faint, 15.0, 30.0),
            ("galaxies_per_mpx", self.galaxies_per_mpx, 0.0, 1e4),
            ("blends_per_mpx", self.blends_per_mpx, 0.0, 1e4),
            ("fwhm_min_px", self.fwhm_min_px, 1.0, 20.0),
            ("fwhm_max_px", self.fwhm_max_px, self.fwhm_min_px, 20.0),
            ("ellipticity", self.ellipticity, 0.0, 0.8),
            ("moffat_fraction", self.moffat_fraction, 0.0, 1.0),
            ("moffat_alpha", self.moffat_alpha, 1.2, 20.0),
            ("brighter_fatter", self.brighter_fatter, 0.0, 1.0),
            ("wing_limit", self.wing_limit, 1e-6, 1.0),
            ("saturation", self.saturation, 1.0, 1e9),
            ("read_noise_e", self.read_noise_e, 0.0, 1e3),
            ("coverage", self.coverage, 0.001, 1.0),
            ("nebulosity", self.nebulosity, 0.0, 1e6),
            ("gradient", self.gradient, 0.0, 1e6),
            ("catalogue_limit", self.catalogue_limit, 10.0, 30.0),
            ("crowding_limit", self.crowding_limit, 0.01, 100.0),
            ("duplicates", self.duplicates, 0.0, 1.0),
            ("false_entries", self.false_entries, 0.0, 1.0),
        ] {
            problems.require_range(name, value, low, high);
        }
        for (name, value) in [("width_px", self.width_px), ("height_px", self.height_px)] {
            if !(1..=60_000).contains(&value) {
                problems.param(name, value, "a number from 1 to 60000");
            }
        }
        if self.association_stars > 100_000 {
            problems.param("association_stars", self.association_stars, "a number from 0 to 100000");
        }
        // Members are drawn between the brightest and `member_faint`.
        if self.member_faint < self.cluster_faint + 2.5 {
            let expected = format!("at least 2.5 mag fainter than cluster_faint, {}", self.cluster_faint + 2.5);
            problems.param("member_faint", self.member_faint, &expected);
        }
    }

    fn check_bands(&self, problems: &mut Problems) {
        let names: Vec<&str> = self.bands.iter().map(|b| b.name.as_str()).collect();
        for (i, band) in self.bands.iter().enumerate() {
            if band.name.is_empty() || names[..i].contains(&band.name.as_str()) {
                problems.param("bands", format!("{:?}", band.name), "bands with names that differ");
            }
            let Band { name, zero_point, sky_mag, colour_slope, colour_offset, .. } = band;
            let positive = [band.dit_s, band.total_s, band.gain, band.fwhm_factor];
            let is_sound = positive.iter().all(|v| *v > 0.0 && v.is_finite())
                && [zero_point, sky_mag, colour_slope, colour_offset].iter().all(|v| v.abs() < 100.0)
                && (0.0..10.0).contains(&band.colour_scatter);
            if !is_sound {
                let expected = "positive dit_s, total_s, gain and fwhm_factor, magnitudes and colour terms below 100";
                problems.param("bands", format!("the numbers of {name:?}"), expected);
            }
        }
        if self.chosen_band().is_none() {
            problems.param("band", format!("{:?}", self.band), &format!("one of {}", names.join(", ")));
        }
        for range in &self.star_counts {
            let is_sound = range.bright < range.faint
                && (0.0..=40.0).contains(&range.bright)
                && range.faint <= 40.0
                && (0.0..1e8).contains(&range.per_deg2)
                && range.slope.abs() < 2.0
                && (0.0..=1.0).contains(&range.red_clump);
            if !is_sound {
                let expected =
                    "bright < faint from 0 to 40 mag, per_deg2 below 1e8, slope within 2, red_clump from 0 to 1";
                problems.param("star_counts", format!("{range:?}"), expected);
            }
        }
    }

    /// Stars to expect, members of clusters included; about 400 to 1000 per cluster with the default magnitudes.
    fn expected_stars(&self) -> f64 {
        let per_deg2: f64 = self.star_counts.iter().map(|r| r.per_deg2).fold(self.foreground_per_deg2, |a, b| a + b);
        // A cluster of the mean magnitude has as many members as its flux holds of the mean member.
        let per_cluster = 500.0
            * libm::exp10(0.4 * (14.35 - 0.5 * (self.cluster_bright + self.cluster_faint)))
            * libm::exp10(super::clusters::MEMBER_SLOPE * (self.member_faint - 24.0));
        let clusters = self.clusters_per_mpx + 6.0 * self.complexes_per_mpx;
        let loose = self.complexes_per_mpx * self.association_stars as f64;
        per_deg2 * self.square_degrees() + self.mega_pixels() * (clusters * 3.0 * per_cluster + loose)
    }
}

/// Names and kinds of the columns of a table.
fn kinds(table: &Table) -> Vec<(String, ColumnKind)> {
    let kind = |kind: &DataType| match kind {
        DataType::Int64 => ColumnKind::Int,
        DataType::Boolean => ColumnKind::Bool,
        DataType::Utf8 => ColumnKind::Text,
        _ => ColumnKind::Float,
    };
    table.batch().schema().fields().iter().map(|f| (f.name().clone(), kind(f.data_type()))).collect()
}

fn card(key: &str, value: f64, comment: &str) -> Card {
    Card { key: key.to_owned(), value: CardValue::Float(value), comment: comment.to_owned() }
}

#[typetag::serde(name = "simulate.field")]
impl Stage for Field {
    fn signature(&self) -> Signature {
        Signature::new()
            .output(&Self::IMAGE)
            .output(&Self::CONFIDENCE)
            .output(&Self::CATALOGUE)
            .output(&Self::CLUSTERS)
            .output(&Self::STARS)
            .output(&Self::GALAXIES)
            .output(&Self::BLENDS)
            .output(&Self::SUMMARY)
            .output(&Self::FRAME)
    }

    fn version(&self) -> u32 {
        4
    }

    fn check(&self, problems: &mut Problems) {
        self.check_ranges(problems);
        self.check_bands(problems);
    }

    fn infer(&self, _: &Facets, outputs: &mut FacetsOut, _: &mut Problems) {
        let facet = ImageFacet {
            width: Some(self.width_px),
            height: Some(self.height_px),
            unit: Some("count".to_owned()),
            band: Some(self.band.clone()),
            has_wcs: Some(true),
            has_mask: None,
        };
        outputs.set(Self::IMAGE.name, facet.to_facet());
        // The columns of empty tables are those of full ones.
        let nothing = Truth { stars: vec![], clusters: vec![], complexes: vec![], galaxies: vec![], blends: vec![] };
        for (port, table) in [
            (Self::CATALOGUE.name, catalogue_table(self, &[], None)),
            (Self::CLUSTERS.name, cluster_table(self, &nothing, None)),
            (Self::STARS.name, star_table(self, &nothing, &[], &[])),
            (Self::GALAXIES.name, galaxy_table(self, &nothing)),
            (Self::BLENDS.name, blend_table(&nothing)),
        ] {
            // Bands of one name are reported by check().
            if let Ok(table) = table {
                outputs.set(port, TableFacet { columns: Some(kinds(&table)) }.to_facet());
            }
        }
        outputs.set(Self::FRAME.name, frame::facet());
        outputs.set(Self::CONFIDENCE.name, ImageFacet { unit: Some("percent".to_owned()), ..facet }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        let pixels = self.width_px as u64 * self.height_px as u64;
        // Two images; stars with crowding, grids, sources, entries and the columns of two tables; a block per thread.
        let stars = 700 * self.expected_stars() as u64;
        let blocks = 8 * 64 * (BLOCK_ROWS * self.width_px) as u64;
        Demand { peak_bytes: 8 * pixels + stars + blocks + (16 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let Some((number, band)) = self.chosen_band() else {
            return Err(StageError::config(format!("there is no band {:?}", self.band)));
        };
        let pool = cx.pool();
        let truth = pool.install(|| make_truth(self));
        cx.check_cancelled()?;
        let first = &self.bands[0];
        let noise = self.noise(first);
        let psf = FieldPsf::new(self, first.fwhm_factor, noise.sigma(noise.sky, 100.0));
        let crowding = pool.install(|| measure_crowding(self, &truth.stars, &psf));
        cx.check_cancelled()?;
        let (entries, is_in) = pool.install(|| make_catalogue(self, &truth, &crowding, &psf));
        cx.check_cancelled()?;

        let wcs = field_wcs(self).map_err(StageError::config)?;
        let catalogue = catalogue_table(self, &entries, wcs.as_ref()).map_err(StageError::data)?;
        let stars = star_table(self, &truth, &crowding, &is_in).map_err(StageError::data)?;
        cx.metric("n_stars", truth.stars.len() as f64);
        cx.metric("n_clusters", truth.clusters.len() as f64);
        cx.metric("n_galaxies", truth.galaxies.len() as f64);
        cx.metric("n_catalogue", entries.len() as f64);
        drop((entries, crowding, is_in));
        cx.set(&Self::CATALOGUE, catalogue);
        cx.set(&Self::STARS, stars);
        cx.set(&Self::CLUSTERS, cluster_table(self, &truth, wcs.as_ref()).map_err(StageError::data)?);
        cx.set(&Self::GALAXIES, galaxy_table(self, &truth).map_err(StageError::data)?);
        cx.set(&Self::BLENDS, blend_table(&truth).map_err(StageError::data)?);
        let text = serde_json::to_string_pretty(&summary(self, &truth)).map_err(StageError::data)?;
        cx.set(&Self::FRAME, frame::table((self.width_px, self.height_px), (0.0, 0.0))?);
        cx.set(&Self::SUMMARY, Deliverable::new("json", text.into_bytes()));

        let rows = cx.band_rows().map_or(BLOCK_ROWS, usize::from);
        let cancel = cx.cancel_token();
        let (pixels, percents, n_saturated) =
            pool.install(|| make_pixels(self, &truth, number, rows, || !cancel.is_cancelled()));
        cx.check_cancelled()?;
        cx.metric("n_saturated_pixels", n_saturated as f64);
        let meta = self.meta(band);
        let image = |pixels: Array2<f32>, meta: ImageMeta| Image { pixels, mask: None, wcs: wcs.clone(), meta };
        cx.set(&Self::IMAGE, image(pixels, meta));
        let percent =
            ImageMeta { unit: Some("percent".to_owned()), band: Some(band.name.clone()), ..ImageMeta::default() };
        cx.set(&Self::CONFIDENCE, image(percents, percent));
        Ok(())
    }
}

impl Field {
    fn meta(&self, band: &Band) -> ImageMeta {
        ImageMeta {
            unit: Some("count".to_owned()),
            band: Some(band.name.clone()),
            exposure_s: Some(band.dit_s),
            zero_point: Some(band.zero_point),
            cards: vec![
                card("TOTEXP", band.total_s, "[s] total integration"),
                card("GAIN", band.gain, "[electron/count] of one integration"),
                card("SKYLEVEL", self.noise(band).sky, "[count] mean sky"),
                card("SATURATE", self.saturation, "[count] pixels above are 0"),
            ],
        }
    }
}

register_stage!(Field, kind: "simulate.field", example: "(seed: 7, width_px: 2048, height_px: 2048)");
