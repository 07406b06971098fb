//! Climbing the levels: which regions are objects.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::measure::evidence::{EvidenceCatalogue, RegionLight, SmoothOptions, measure_region, smooth_chi2};

use super::region::{Region, regions_above};

/// What a region must be to count as an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Least pixels, holes not counted.
    pub min_area: usize,
    /// Most pixels, with holes.
    pub max_area: usize,
    /// Least `r_geo / r_light`.
    pub min_concentration: f64,
    /// Least flux.
    pub min_flux: f64,
    /// Least distance of the centre from the image's edge, in pixels.
    pub edge_distance_px: f64,
    /// Larger regions must not be smooth.
    pub smooth_r_light_px: f64,
    /// Misfit below which a region is smooth.
    pub smooth_chi2: f64,
    /// Least excess of catalogue entries.
    pub min_overdensity_sigma: Option<f64>,
}

/// What is walked on: all of one shape, `[y, x]`.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Image in units of its noise.
    pub significance: ArrayView2<'a, f32>,
    /// The image whose light is measured.
    pub image: ArrayView2<'a, f32>,
    /// Pixels without value.
    pub bad: ArrayView2<'a, bool>,
    /// Standard deviation per pixel.
    pub noise: ArrayView2<'a, f32>,
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its pixels, holes filled.
    pub region: Region,
    /// The level above which they lie.
    pub level: f64,
    /// Its light.
    pub light: RegionLight,
}

enum Verdict {
    /// Look again at the next level.
    Climb,
    /// An object; `bool`: too close to the edge to be reported.
    Object(Found, bool),
}

/// The objects, in order of level and then of their first pixel. `None` when `go_on` said no.
///
/// `levels` rise. What lies in a hole of an object belongs to it.
pub fn walk(
    scene: Scene<'_>,
    levels: &[f64],
    limits: &Limits,
    catalogue: Option<&EvidenceCatalogue>,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Found>> {
    let mut objects: Vec<(Found, bool)> = Vec::new();
    let mut parents: Option<Vec<Region>> = None;
    for &level in levels {
        let at_level =
            |within: Option<&Region>| regions_above(scene.significance, level, within, limits.min_area, go_on);
        let regions: Vec<Region> = match &parents {
            None => at_level(None)?,
            Some(parents) => {
                let nested: Option<Vec<Vec<Region>>> = parents.par_iter().map(|p| at_level(Some(p))).collect();
                nested?.into_iter().flatten().collect()
            }
        };
        let verdicts: Option<Vec<(Region, Verdict)>> = regions
            .into_par_iter()
            .map(|region| {
                let verdict = judge(&region, level, scene, limits, catalogue);
                go_on().then_some((region, verdict))
            })
            .collect();
        let mut climbing = Vec::new();
        for (region, verdict) in verdicts? {
            match verdict {
                Verdict::Climb => climbing.push(region),
                Verdict::Object(found, is_at_edge) => objects.push((found, is_at_edge)),
            }
        }
        parents = Some(climbing);
    }
    Some(without_islands(objects, scene.image.dim()))
}

fn judge(
    region: &Region,
    level: f64,
    scene: Scene<'_>,
    limits: &Limits,
    catalogue: Option<&EvidenceCatalogue>,
) -> Verdict {
    let region = region.filled();
    let value = |x: usize, y: usize| {
        let v = f64::from(scene.image[[y, x]]);
        (!scene.bad[[y, x]] && v.is_finite()).then_some(v)
    };
    let Some(light) = measure_region(region.pixels().map(|(x, y)| (x, y, value(x, y)))) else { return Verdict::Climb };
    let is_large = light.n_pixels > limits.max_area;
    // Not `<`: what has no number is no object.
    let is_concentrated = light.concentration() >= limits.min_concentration && light.flux >= limits.min_flux;
    if is_large || !is_concentrated {
        return Verdict::Climb;
    }
    let (height, width) = scene.image.dim();
    let [x, y] = light.centre;
    let near = limits.edge_distance_px;
    let is_inside = x > near && y > near && x < width as f64 - 1.0 - near && y < height as f64 - 1.0 - near;
    if near > 0.0 && !is_inside {
        return Verdict::Object(Found { region, level, light }, true);
    }
    if let (Some(limit), Some(catalogue)) = (limits.min_overdensity_sigma, catalogue)
        && catalogue.overdensity(light.centre, light.r_light) < limit
    {
        return Verdict::Climb;
    }
    if light.r_light > limits.smooth_r_light_px {
        let chi2 = smooth_chi2(scene.image, scene.bad, scene.noise, &light, &SmoothOptions::default());
        if chi2 < limits.smooth_chi2 {
            return Verdict::Climb;
        }
    }
    Verdict::Object(Found { region, level, light }, false)
}

/// The objects that are not at the edge and do not lie in a hole of another.
fn without_islands(objects: Vec<(Found, bool)>, shape: (usize, usize)) -> Vec<Found> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(objects[i].0.light.n_pixels), i));
    let mut taken = Array2::from_elem(shape, false);
    let mut is_kept = vec![false; objects.len()];
    for i in order {
        let (found, is_at_edge) = &objects[i];
        let is_island = found.region.pixels().next().is_none_or(|(x, y)| taken[[y, x]]);
        if !is_island {
            found.region.pixels().for_each(|(x, y)| taken[[y, x]] = true);
            is_kept[i] = !is_at_edge;
        }
    }
    objects.into_iter().zip(is_kept).filter(|(_, kept)| *kept).map(|((found, _), _)| found).collect()
}
