use ndarray::Array2;

use super::*;

#[test]
fn every_vector_width_gives_the_same_bits() {
    let noise = |y: usize, x: usize| ((y * 7919 + x * 104_729 + y * x * 31) % 1009) as f32 * 0.37 - 120.0;
    let source = Array2::from_shape_fn((150, 50), |(y, x)| if (y + 3 * x) % 41 == 0 { f32::NAN } else { noise(y, x) });
    let flags = Array2::from_shape_fn((150, 50), |(y, x)| {
        u8::from(x == 7 && y > 20 || (y * x) % 13 == 1) | u8::from((y * 5 + x) % 7 == 0) << 1
    });
    for (window, statistic) in [(1, WindowStatistic::Median), (3, WindowStatistic::Mean)]
        .into_iter()
        .chain([3, 5, 9, 14, 23, 30].map(|w| (w, WindowStatistic::Median)))
        .chain([(31, WindowStatistic::Mean)])
    {
        for axis in [Axis(0), Axis(1)] {
            let filter = LineFilter::new(window, statistic, false, 150);
            let (flags, mut results) = (flags.view(), Vec::new());
            for width in 0..3 {
                let task = Task { filter: &filter, flags: &flags, skip: 3, axis };
                let mut block = LineBlock::new(&filter, source.len_of(axis));
                let mut result = Array2::<f32>::zeros(source.raw_dim());
                let lines = result.len_of(Axis(1 - axis.index()));
                // One block of lines; the rows of the other axis are three.
                for first in (0..lines).step_by(LINES) {
                    let part = ndarray::Slice::from(first..(first + LINES).min(lines));
                    let across = Axis(1 - axis.index());
                    let flags = flags.slice_axis(across, part);
                    let task = Task { flags: &flags, ..task };
                    let source = Some(source.slice_axis(across, part));
                    let mut to = result.slice_axis_mut(across, part);
                    match width {
                        0 => block.filter_body::<Portable>(&task, source, &mut to),
                        #[cfg(target_arch = "x86_64")]
                        1 if is_x86_feature_detected!("avx2") => {
                            // SAFETY: the processor has the feature.
                            unsafe { block.filter_avx2(&task, source, &mut to) }
                        }
                        _ => block.filter(&filter, source, &flags, 3, &mut to, axis),
                    }
                }
                results.push(result.mapv(f32::to_bits));
            }
            assert_eq!(results[0], results[1], "window {window}, {statistic:?}, {axis:?}");
            assert_eq!(results[0], results[2], "window {window}, {statistic:?}, {axis:?}");
        }
    }
}
