//! Parameters of `evaluate.recovery`.

use serde::{Deserialize, Serialize};
use skyloom_engine::Problems;

use crate::rules::row_filter::RowFilter;

/// Completeness and magnitude bias of a graph from objects that were planted in its image.
///
/// An object is recovered when its centre lies in the isophote of a root candidate, or within `max(r_half, min_distance_px)` of
/// a candidate's light centre; the nearest such candidate counts. A candidate brighter than the object by more than
/// `max_excess_mag` is someone else's and does not count. Candidates without `parent_id` are roots. Objects that lie on a
/// candidate of `reference`, the same graph without planted objects, are left out: what was there before says nothing.
///
/// Completeness `n_recovered / n` has Wilson's (1927) interval for `z` standard deviations, which holds for few objects and for
/// 0 and 1. Magnitude bias is the median of measured minus true, scatter 1.4826 times the median absolute deviation. The table
/// has a row per magnitude bin over all radii (`r_low` to `r_high` of the whole range), then one per magnitude and radius bin;
/// bins without objects have no completeness.
///
/// Metrics: `n_planted`, `n_recovered`, `n_left_out`, `completeness`, `mag_bias`, and `mag_50`, the magnitude at which
/// completeness over all radii falls to one half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Column of the candidates that holds the measured magnitude (`mag_Ks`); without it there is no magnitude bias.
    #[serde(default)]
    pub mag_column: Option<String>,
    /// Condition for the candidates that count, in the language of `rules.cull`: `"sample == \"conservative\""` leaves out what was
    /// drawn with the stars left in. Left out, all roots.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
    /// Which objects of the truth table count, by its column `kind`; `None` takes all.
    #[serde(default = "clusters")]
    pub kind: Option<String>,
    /// Width of the magnitude bins. With 100 objects, bins narrower than 0.5 mag hold too few.
    #[serde(default = "default_bin")]
    #[schemars(range(min = 0.05, max = 20.0))]
    pub bin_width: f64,
    /// Edges of the bins of the half-light radius; at least two, rising.
    #[serde(default = "default_edges")]
    #[schemars(extend("x-unit" = "px"))]
    pub radius_edges_px: Vec<f64>,
    /// A light centre this close recovers even the smallest object. Larger values match neighbours by chance.
    #[serde(default = "default_distance")]
    #[schemars(range(min = 0.0, max = 1000.0), extend("x-unit" = "px"))]
    pub min_distance_px: f64,
    /// A candidate this much brighter than the object does not recover it: more than half of its light is not the object's. It
    /// needs `mag_column`; `None` takes every candidate.
    #[serde(default = "default_excess")]
    #[schemars(range(min = 0.0, max = 20.0), extend("x-unit" = "mag"))]
    pub max_excess_mag: Option<f64>,
    /// Standard deviations of the intervals of completeness.
    #[serde(default = "default_z")]
    #[schemars(range(min = 0.1, max = 10.0))]
    pub z: f64,
    /// Title of the plot.
    #[serde(default)]
    pub title: String,
}

fn clusters() -> Option<String> {
    Some("cluster".to_owned())
}

fn default_bin() -> f64 {
    0.5
}

/// 1 to 2, 2 to 4 and 4 to 8 FWHM of a good night.
fn default_edges() -> Vec<f64> {
    vec![2.5, 5.0, 10.0, 20.0]
}

/// As the distance that a centroid of a faint isophote wanders.
fn default_distance() -> f64 {
    4.0
}

/// A factor of two in flux.
fn default_excess() -> Option<f64> {
    Some(0.75)
}

fn default_z() -> f64 {
    1.0
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            mag_column: None,
            condition: None,
            kind: clusters(),
            bin_width: default_bin(),
            radius_edges_px: default_edges(),
            min_distance_px: default_distance(),
            max_excess_mag: default_excess(),
            z: default_z(),
            title: String::new(),
        }
    }
}

impl Recovery {
    pub(super) fn check_params(&self, problems: &mut Problems) {
        problems.require_range("bin_width", self.bin_width, 0.05, 20.0);
        problems.require_range("min_distance_px", self.min_distance_px, 0.0, 1000.0);
        problems.require_range("z", self.z, 0.1, 10.0);
        if let Some(excess) = self.max_excess_mag {
            problems.require_range("max_excess_mag", excess, 0.0, 20.0);
        }
        let edges = &self.radius_edges_px;
        let rises = edges.len() >= 2 && edges.windows(2).all(|w| w[0] < w[1]) && edges.iter().all(|e| e.is_finite());
        if !rises {
            problems.param("radius_edges_px", format!("{edges:?}"), "at least two rising numbers");
        }
        if self.mag_column.as_ref().is_some_and(String::is_empty) {
            problems.param("mag_column", "an empty name", "the name of a column");
        }
        RowFilter::new("where", self.condition.as_deref()).check(problems);
    }
}
