//! The models and fits against reference numbers.

use skyloom_data::PsfModel;
use skyloom_testkit::{floats, vector_json};

use super::{Bounds, FitOptions, FitPixel, MAX_PARAMS, Params, Profile, fit, n_params};

fn close(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found}, expected {expected}");
}

#[test]
fn compound_values_and_fluxes_equal_the_vectors() {
    for case in vector_json("psf_models.json")["models"].as_array().expect("a list") {
        let names =
            ["A_M", "x0", "y0", "gamma_x", "gamma_y", "theta_M", "alpha", "A_G", "sigma_x", "sigma_y", "theta_G"];
        let p: Params = names.map(|n| case[n].as_f64().expect("a number"));
        let profile = Profile::new(PsfModel::Compound, &p);
        for probe in case["values"].as_array().expect("a list") {
            let probe = floats(probe);
            // The file rounds to 9 digits: 1e-8 is its precision.
            close(profile.value(probe[0], probe[1]), probe[2], 1e-8);
        }
        close(profile.moffat_flux(), case["flux_M"].as_f64().expect("a number"), 1e-8);
        close(profile.gauss_flux(), case["flux_G"].as_f64().expect("a number"), 1e-8);
        let (fx, fy) = Profile::new(PsfModel::Moffat, &p).fwhm();
        close(fx, case["fwhm_M_x"].as_f64().expect("a number"), 1e-8);
        close(fy, case["fwhm_M_y"].as_f64().expect("a number"), 1e-8);
    }
}

/// Brings a reference solution to the canonical form, so that it can be compared.
fn canonical(model: PsfModel, values: &[f64]) -> Params {
    let mut p = [0.0; MAX_PARAMS];
    p[..values.len()].copy_from_slice(values);
    super::model::make_canonical(model, &mut p, |_, _| ());
    p
}

#[test]
fn fits_equal_the_vectors_also_from_ten_percent_off() {
    for case in vector_json("psf_models.json")["fits"].as_array().expect("a list") {
        let model = match case["kind"].as_str().expect("a word") {
            "gauss" => PsfModel::Gaussian,
            "moffat" => PsfModel::Moffat,
            _ => PsfModel::Compound,
        };
        let n = n_params(model);
        let size = case["size"].as_u64().expect("a size") as usize;
        let sigma = case["sigma"].as_f64().expect("a number");
        let pixels: Vec<FitPixel> = floats(&case["image"])
            .into_iter()
            .enumerate()
            .map(|(i, value)| FitPixel {
                x: (i % size) as f64,
                y: (i / size) as f64,
                value,
                weight: 1.0 / (sigma * sigma),
            })
            .collect();
        let truth = floats(&case["truth"]);
        let expected = canonical(model, &floats(&case["fit"]));
        let errors = floats(&case["err"]);
        for factor in [1.0, 1.1, 0.9] {
            let mut start = [0.0; MAX_PARAMS];
            for (slot, value) in start.iter_mut().zip(&truth) {
                *slot = factor * value;
            }
            let found = fit(model, &pixels, &start, &Bounds::natural(model), &FitOptions::default());
            assert!(found.is_converged(), "{model:?} from {factor}: {:?}", found.status);
            close(found.chi2, case["chi2"].as_f64().expect("a number"), 1e-6);
            for i in 0..n {
                let off = (found.params[i] - expected[i]).abs();
                assert!(off <= 0.01 * errors[i], "{model:?} from {factor}: parameter {i} is {off} off");
                // A swap of axes exchanges two errors of the file; the fits of the file are major axis first already.
                close(found.error(i), errors[i], 1e-3);
            }
        }
    }
}
