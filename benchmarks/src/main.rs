//! Times every kernel on an image and on star stamps in files, one thread, and prints one JSON object with seconds and bytes: for
//! comparisons with other programs on the same data (`benchmarks/peers/kernels.py`).
//!
//! `skyloom-kernels IMAGE RESIDUAL STAMPS RUNS`: the image with its sky, the image without sky and stars, one 17x17 px stamp per
//! row (noise 5), how often.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cpu_time::ProcessTime;
use ndarray::Array2;
use serde_json::{Map, Value, json};
use skyloom_benchmarks::kernels;
use skyloom_benchmarks::sky::STAMP;
use skyloom_data::PsfModel;
use skyloom_data::fits::{ImageFile, ReadOptions, read_image};
use skyloom_engine::memory::CountingAllocator;
use skyloom_engine::{Deliverable, Product as _, memory};
use skyloom_stages::psf::FitPixel;

// The allocator of the program, which prefers large pages.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Median CPU seconds of several runs, and the bytes that a run adds at its peak.
fn cost(runs: usize, mut work: impl FnMut()) -> [f64; 2] {
    memory::reset_peak();
    let before = memory::allocated_bytes();
    let mut all: Vec<f64> = (0..runs)
        .map(|_| {
            let start = ProcessTime::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_unstable_by(f64::total_cmp);
    [all[all.len() / 2], memory::peak_bytes().saturating_sub(before) as f64]
}

fn pixels(path: &Path) -> Result<Array2<f32>, Box<dyn Error>> {
    Ok(read_image(path, &ReadOptions::default())?.image.pixels)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [image_path, residual_path, stamps_path, runs] = arguments.as_slice() else {
        return Err("usage: skyloom-kernels IMAGE RESIDUAL STAMPS RUNS".into());
    };
    let runs: usize = runs.to_string_lossy().parse::<usize>()?.max(1);
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let (image, residual, table) = (pixels(image_path)?, pixels(residual_path)?, pixels(stamps_path)?);
    let stamps: Vec<Vec<FitPixel>> = table
        .rows()
        .into_iter()
        .map(|row| {
            let pixel = |(i, &v): (usize, &f32)| FitPixel {
                x: (i % STAMP) as f64,
                y: (i / STAMP) as f64,
                value: f64::from(v),
                weight: 1.0 / 25.0,
            };
            row.iter().enumerate().map(pixel).collect()
        })
        .collect();
    let flat = image.mapv(|v| v - 1002.0);
    let megapixels = image.len() as f64 / 1e6;
    let mut result = Map::new();
    let mut note = |name: &str, value: f64| result.insert(name.to_owned(), json!(value));
    let mut image_cost = |name: &str, work: &mut dyn FnMut()| {
        let [seconds, bytes] = cost(runs, work);
        note(name, seconds / megapixels);
        note(&format!("{name}_bytes"), bytes);
    };

    image_cost("nebuliser_90_30", &mut || drop(kernels::nebuliser(image.view(), 90, 30, 3)));
    image_cost("nebuliser_30_10", &mut || drop(kernels::nebuliser(image.view(), 30, 10, 1)));
    image_cost("running_medians_91", &mut || drop(kernels::medians(image.view(), 91)));
    image_cost("running_medians_31", &mut || drop(kernels::medians(image.view(), 31)));
    image_cost("mesh", &mut || drop(kernels::mesh(image.view(), 64)));
    image_cost("sources", &mut || drop(kernels::sources(flat.view(), 15.0)));
    image_cost("contours_residual", &mut || drop(kernels::contours(residual.view(), 15.0)));
    image_cost("contours_stars", &mut || drop(kernels::contours(flat.view(), 15.0)));
    image_cost("read", &mut || drop(pixels(image_path)));
    let loaded = Arc::new(read_image(image_path, &ReadOptions::default())?.image);
    let target = std::env::temp_dir().join(format!("skyloom-kernels-{}.fits", std::process::id()));
    image_cost("write", &mut || {
        // As `io.write_image` does, in the place of an older file, as astropy's `overwrite` has it. A failure shows as a missing
        // file below.
        let _ = std::fs::remove_file(&target);
        if let Ok(file) = ImageFile::new(Arc::clone(&loaded), false, None) {
            let _ = Deliverable::streamed("fits", Arc::new(file)).encode(&target);
        }
    });
    std::fs::remove_file(&target)?;
    for (name, model) in [("fit_moffat", PsfModel::Moffat), ("fit_compound", PsfModel::Compound)] {
        let mut chi2 = 0.0;
        let [all, _] =
            cost(runs, || chi2 = stamps.iter().map(|p| kernels::star(model, p).chi2).fold(0.0, |a, b| a + b));
        note(name, 1e3 * all / stamps.len() as f64);
        note(&format!("{name}_chi2"), chi2 / stamps.len() as f64);
    }
    #[expect(clippy::print_stdout, reason = "its result")]
    {
        println!("{}", Value::Object(result));
    }
    Ok(())
}
