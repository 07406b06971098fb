//! Facts and statistics of an image, and a small picture of it.

use std::path::Path;

use serde_json::{Value, json};
use skyloom_data::{CardValue, Image, MaskBits};

use crate::failure::CommandFailure;

/// Longer side of a preview, in pixels.
const PREVIEW: usize = 1024;

/// Header, statistics, mask counts.
pub fn describe(image: &Image) -> (Value, String) {
    let mut values: Vec<f32> = image.pixels.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len();
    let quantile = |q: f64| if n == 0 { f32::NAN } else { values[((n - 1) as f64 * q).round() as usize] };
    let mean = values.iter().fold(0.0_f64, |a, v| a + f64::from(*v)) / n.max(1) as f64;
    let median = quantile(0.5);
    let mut deviations: Vec<f32> = values.iter().map(|v| (v - median).abs()).collect();
    deviations.sort_unstable_by(f32::total_cmp);
    let sigma = deviations.get(n / 2).map_or(f32::NAN, |mad| mad * 1.482_602_2);
    let blank = image.pixels.len() - n;
    let masked: Vec<(&str, usize)> = MaskBits::NAMES
        .iter()
        .map(|(name, bit)| (*name, image.mask.as_ref().map_or(0, |m| m.iter().filter(|v| *v & bit != 0).count())))
        .filter(|(_, count)| *count > 0)
        .collect();
    let meta = &image.meta;
    let value = json!({
        "width": image.width(), "height": image.height(), "unit": meta.unit, "band": meta.band,
        "exposure_s": meta.exposure_s, "zero_point": meta.zero_point, "blank": blank,
        "min": number(quantile(0.0)), "median": number(median), "max": number(quantile(1.0)),
        "mean": if n > 0 { json!(mean) } else { Value::Null }, "mad_sigma": number(sigma),
        "masked": masked.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect::<serde_json::Map<_, _>>(),
    });
    let mut text = format!("{} x {} px", image.width(), image.height());
    for (name, fact) in [("unit", meta.unit.clone()), ("band", meta.band.clone())] {
        if let Some(fact) = fact {
            text.push_str(&format!(", {name} {fact}"));
        }
    }
    for (name, fact) in [("exposure", meta.exposure_s), ("zero point", meta.zero_point)] {
        if let Some(fact) = fact {
            text.push_str(&format!(", {name} {fact}"));
        }
    }
    text.push_str(&format!(
        "\nmin {}  median {median}  mean {mean:.6}  max {}  MAD sigma {sigma}  without value {blank}\n",
        quantile(0.0),
        quantile(1.0)
    ));
    for (name, count) in masked {
        text.push_str(&format!("masked {name}: {count}\n"));
    }
    if let Some(wcs) = &image.wcs {
        for card in wcs.cards() {
            let shown = match card.value {
                CardValue::Text(t) => format!("'{t}'"),
                CardValue::Bool(b) => b.to_string(),
                CardValue::Int(i) => i.to_string(),
                CardValue::Float(f) => f.to_string(),
                CardValue::Undefined => String::new(),
            };
            text.push_str(&format!("{:<8} = {shown}\n", card.key));
        }
    }
    (value, text)
}

fn number(v: f32) -> Value {
    if v.is_finite() { json!(v) } else { Value::Null }
}

/// Writes a preview: block means, an asinh stretch between the 1 % quantile and the 99.7 % quantile, y upwards.
pub fn write_png(image: &Image, path: &Path) -> Result<(), CommandFailure> {
    let step = image.width().max(image.height()).div_ceil(PREVIEW).max(1);
    let (w, h) = (image.width().div_ceil(step), image.height().div_ceil(step));
    let mut blocks = vec![f32::NAN; w * h];
    for by in 0..h {
        for bx in 0..w {
            let (mut sum, mut n) = (0.0_f64, 0_usize);
            for y in by * step..((by + 1) * step).min(image.height()) {
                for x in bx * step..((bx + 1) * step).min(image.width()) {
                    let v = image.pixels[[y, x]];
                    if v.is_finite() {
                        sum += f64::from(v);
                        n += 1;
                    }
                }
            }
            if n > 0 {
                blocks[by * w + bx] = (sum / n as f64) as f32;
            }
        }
    }
    let mut sorted: Vec<f32> = blocks.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let quantile = |q: f64| sorted.get(((sorted.len().max(1) - 1) as f64 * q) as usize).copied().unwrap_or(0.0);
    let (low, high) = (quantile(0.01), quantile(0.997));
    let span = if high > low { high - low } else { 1.0 };
    let picture = image::GrayImage::from_fn(w as u32, h as u32, |x, y| {
        let v = blocks[(h - 1 - y as usize) * w + x as usize];
        let t = ((v - low) / span).clamp(0.0, 1.0);
        let stretched = (t * 10.0).asinh() / 10.0_f32.asinh();
        image::Luma([if v.is_finite() { (stretched * 255.0).round() as u8 } else { 0 }])
    });
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .map_err(|e| CommandFailure::io(format!("{}: {e}", path.display())))
}
