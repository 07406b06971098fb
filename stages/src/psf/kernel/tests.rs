//! The kernels against the plain model, and all widths against each other.

use super::*;
use crate::psf::levenberg::FitPixel;
use crate::psf::model::{Profile, n_params};

fn normal_at(
    width: Width,
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
) -> Normal {
    let mut normal = Normal::default();
    normal_equations(width, model, pixels, p, open, space, &mut normal);
    normal
}

const MODELS: [PsfModel; 3] = [PsfModel::Gaussian, PsfModel::Moffat, PsfModel::Compound];

fn params(model: PsfModel) -> Params {
    let mut p = [310.0, 8.3, 7.9, 2.1, 1.7, 0.4, 2.6, 120.0, 1.3, 1.1, -0.2];
    p[n_params(model)..].fill(0.0);
    p
}

/// 17 x 17 pixels: two blocks and a piece.
fn pixels() -> Vec<FitPixel> {
    (0..289)
        .map(|i| {
            let (x, y) = (f64::from(i % 17), f64::from(i / 17));
            FitPixel { x, y, value: 3.0 * x - y, weight: 1.0 / (1.0 + f64::from(i % 5)) }
        })
        .collect()
}

#[test]
fn normal_equations_equal_those_of_the_plain_model() {
    for model in MODELS {
        let (p, list) = (params(model), pixels());
        let n = n_params(model);
        let open: Vec<usize> = (0..n).collect();
        let normal =
            normal_at(Width::best(), model, &list.iter().copied().collect(), &p, &open, &mut Workspace::default());
        let profile = Profile::new(model, &p);
        let (mut chi2, mut gradient, mut matrix) = (0.0, [0.0; MAX_PARAMS], [[0.0; MAX_PARAMS]; MAX_PARAMS]);
        let mut slope = [0.0; MAX_PARAMS];
        for pixel in &list {
            let residual = profile.value_and_gradient(pixel.x, pixel.y, &mut slope) - pixel.value;
            chi2 += pixel.weight * residual * residual;
            for i in 0..n {
                gradient[i] += pixel.weight * residual * slope[i];
                for j in 0..n {
                    matrix[i][j] += pixel.weight * slope[i] * slope[j];
                }
            }
        }
        assert!((normal.chi2 / chi2 - 1.0).abs() < 1e-12);
        for i in 0..n {
            let scale = (matrix[i][i] * chi2).sqrt();
            assert!((normal.gradient[i] - gradient[i]).abs() < 1e-12 * scale, "{model:?} {i}");
            for j in 0..n {
                let scale = (matrix[i][i] * matrix[j][j]).sqrt();
                assert!((normal.matrix[i][j] - matrix[i][j]).abs() < 1e-12 * scale, "{model:?} {i} {j}");
            }
        }
    }
}

#[test]
fn every_width_of_vectors_gives_the_same_bits() {
    #[cfg(target_arch = "x86_64")]
    let widths: Vec<Width> =
        [(Width::Avx2, is_x86_feature_detected!("avx2")), (Width::Avx512, is_x86_feature_detected!("avx512f"))]
            .into_iter()
            .filter_map(|(width, is_there)| is_there.then_some(width))
            .collect();
    #[cfg(not(target_arch = "x86_64"))]
    let widths: Vec<Width> = Vec::new();
    for model in MODELS {
        let (p, blocks) = (params(model), pixels().into_iter().collect::<FitPixels>());
        let open: Vec<usize> = (0..n_params(model)).collect();
        let mut space = Workspace::default();
        let mut bits = |width: Width| {
            let normal = normal_at(width, model, &blocks, &p, &open, &mut space);
            let all = normal.matrix.iter().flatten().chain(&normal.gradient).map(|v| v.to_bits());
            (all.collect::<Vec<_>>(), normal.chi2.to_bits(), chi2(width, model, &blocks, &p).to_bits())
        };
        let plain = bits(Width::Plain);
        assert_eq!(plain.1, plain.2, "chi2 alone is the same number");
        for &width in &widths {
            assert!(bits(width) == plain, "{model:?} {width:?}");
        }
    }
}

#[test]
fn values_come_in_the_order_of_their_places() {
    for model in MODELS {
        let (p, list) = (params(model), pixels());
        let values = model_values(model, &p, list.iter().map(|q| (q.x, q.y)));
        let profile = Profile::new(model, &p);
        assert!(values.len() == 289);
        for (value, q) in values.iter().zip(&list) {
            assert!((value / profile.value(q.x, q.y) - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn closed_parameters_and_spare_pixels_add_nothing() {
    let (p, list) = (params(PsfModel::Moffat), pixels());
    let few = normal_at(
        Width::best(),
        PsfModel::Moffat,
        &list[..65].iter().copied().collect(),
        &p,
        &[0, 2],
        &mut Workspace::default(),
    );
    assert!(few.matrix[0][0] > 0.0 && few.matrix[0][2] == few.matrix[2][0] && few.matrix[1] == [0.0; MAX_PARAMS]);
    let sum =
        list[..65].iter().map(|q| q.weight * (Profile::new(PsfModel::Moffat, &p).value(q.x, q.y) - q.value).powi(2));
    assert!((few.chi2 / sum.sum::<f64>() - 1.0).abs() < 1e-12);
}
