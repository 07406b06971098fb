//! `stats.size_distribution`: the adapter.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Place, Problems, Signature, Stage, StageError, nearest, register_stage,
};

use super::algorithm::{fit_power_law, log_histogram};
use crate::rules::row_filter::RowFilter;

/// Fits a power law to the sizes above the peak of their histogram, by maximum likelihood.
///
/// Section 7.7 of Miller et al. 2024. The law is `dN/dx ~ x^-slope`; per logarithmic interval it is `x^-(slope - 1)`, which is
/// given too. The error is that of maximum likelihood, `(slope - 1) / sqrt(n)`. `ks` is the largest distance between the
/// cumulative distributions: about `1 / sqrt(n)` when the law holds. Values that are not positive or not finite are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeDistribution {
    /// Column with the sizes.
    #[serde(default = "default_column")]
    pub column: String,
    /// Lower limit of the fit, in the unit of the column. Left out, the middle of the fullest bin of the histogram.
    ///
    /// Below the peak the list is incomplete: a limit that is too low makes the slope flatter.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub x_min: Option<f64>,
    /// Bins of the histogram per factor of ten. Few smear the peak, many let noise choose it.
    #[serde(default = "default_bins")]
    #[schemars(range(min = 1, max = 1000))]
    pub bins_per_dex: usize,
    /// Condition for the rows that count, in the language of `rules.cull`: `"is_nan(parent_id)"` takes roots only. Left out,
    /// all rows.
    #[serde(default, rename = "where")]
    pub condition: Option<String>,
}

fn default_column() -> String {
    "r_geo".to_owned()
}
fn default_bins() -> usize {
    20
}

impl Default for SizeDistribution {
    fn default() -> Self {
        Self { column: default_column(), x_min: None, bins_per_dex: default_bins(), condition: None }
    }
}

impl SizeDistribution {
    /// The candidates.
    pub const TABLE: In<Table> = In::new("table", "table with the sizes");
    /// The law.
    pub const LAW: Out<Table> =
        Out::new("table", "one row: column, n_total, n, x_min, slope, slope_err, slope_log, ks");
    /// The histogram.
    pub const HISTOGRAM: Out<Table> =
        Out::new("histogram", "one row per bin: x_low, x_high, n, and n_law, what the law expects above x_min");

    fn law_columns() -> Vec<(String, ColumnKind)> {
        use ColumnKind::{Float, Int, Text};
        [
            ("column", Text),
            ("n_total", Int),
            ("n", Int),
            ("x_min", Float),
            ("slope", Float),
            ("slope_err", Float),
            ("slope_log", Float),
            ("ks", Float),
        ]
        .map(|(n, k)| (n.to_owned(), k))
        .to_vec()
    }
}

#[typetag::serde(name = "stats.size_distribution")]
impl Stage for SizeDistribution {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).output(&Self::LAW).output(&Self::HISTOGRAM)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if let Some(x_min) = self.x_min {
            problems.require_positive("x_min", x_min);
        }
        if !(1..=1000).contains(&self.bins_per_dex) {
            problems.param("bins_per_dex", self.bins_per_dex, "1 to 1000");
        }
        RowFilter::new("where", self.condition.as_deref()).check(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        if let Some(columns) = TableFacet::from_facet(&inputs.get("table")).columns {
            let is_numeric = |kind: &ColumnKind| matches!(kind, ColumnKind::Float | ColumnKind::Int);
            if !columns.iter().any(|(name, kind)| *name == self.column && is_numeric(kind)) {
                let place = Place::Param("column".to_owned());
                let found = format!("{:?}", self.column);
                let names = || columns.iter().map(|c| c.0.as_str());
                let help = match nearest(&self.column, names()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                };
                problems.push("unknown-column", place, found, "a numeric column of the table").help(help);
            }
            RowFilter::new("where", self.condition.as_deref()).infer(&columns, problems);
        }
        outputs.set("table", TableFacet { columns: Some(Self::law_columns()) }.to_facet());
        let histogram = [
            ("x_low", ColumnKind::Float),
            ("x_high", ColumnKind::Float),
            ("n", ColumnKind::Int),
            ("n_law", ColumnKind::Float),
        ];
        let columns = Some(histogram.map(|(n, k)| (n.to_owned(), k)).to_vec());
        outputs.set("histogram", TableFacet { columns }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        Demand { peak_bytes: 64 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let table = RowFilter::new("where", self.condition.as_deref()).apply(&table)?;
        let values: Vec<f64> = table
            .floats(&self.column)
            .map_err(StageError::config)?
            .into_iter()
            .filter(|v| *v > 0.0 && v.is_finite())
            .collect();
        let histogram = log_histogram(&values, self.bins_per_dex);
        let x_min = self.x_min.or_else(|| histogram.peak()).unwrap_or(f64::NAN);
        let law = fit_power_law(&values, x_min);
        cx.metric("n", law.n as f64);
        cx.metric("slope", law.slope);
        cx.metric("slope_err", law.slope_err);
        if law.slope.is_nan() {
            cx.warn(format!("{} sizes above the limit: too few for a slope", law.n));
        }
        let unit = table
            .batch()
            .schema()
            .field_with_name(&self.column)
            .ok()
            .and_then(|f| f.metadata().get("unit").cloned())
            .unwrap_or_default();
        let result = TableBuilder::new()
            .text("column", "column with the sizes", vec![self.column.clone()])
            .int("n_total", "", "sizes in all", vec![values.len() as i64])
            .int("n", "", "sizes at or above x_min", vec![law.n as i64])
            .float("x_min", &unit, "lower limit of the fit", vec![law.x_min])
            .float("slope", "", "s of dN/dx ~ x^-s", vec![law.slope])
            .float("slope_err", "", "standard error of slope", vec![law.slope_err])
            .float("slope_log", "", "the same per logarithmic interval, s - 1", vec![law.slope - 1.0])
            .float("ks", "", "largest distance between the cumulative distributions", vec![law.ks])
            .build()
            .map_err(StageError::data)?;
        let above = |x: f64| if x > law.x_min { libm::pow(x / law.x_min, 1.0 - law.slope) } else { 1.0 };
        let bins: Vec<[f64; 2]> = histogram.edges.windows(2).map(|w| [w[0], w[1]]).collect();
        let expected =
            |b: &[f64; 2]| if b[1] > law.x_min { law.n as f64 * (above(b[0]) - above(b[1])) } else { f64::NAN };
        let bins_table = TableBuilder::new()
            .float("x_low", &unit, "lower edge", bins.iter().map(|b| b[0]).collect())
            .float("x_high", &unit, "upper edge", bins.iter().map(|b| b[1]).collect())
            .int("n", "", "sizes in the bin", histogram.counts.iter().map(|n| *n as i64).collect())
            .float("n_law", "", "sizes that the law expects", bins.iter().map(expected).collect())
            .build()
            .map_err(StageError::data)?;
        cx.set(&Self::LAW, result);
        cx.set(&Self::HISTOGRAM, bins_table);
        Ok(())
    }
}

register_stage!(SizeDistribution, kind: "stats.size_distribution", example: r#"(column: "r_geo", where: "is_nan(parent_id)")"#);
