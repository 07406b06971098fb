//! Which image is of which band, and which noise map belongs to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is added to magnitudes: the same in all bands, or by band.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum VegaOffset {
    /// The same in all bands.
    Same(f64),
    /// By band; 0 for bands that are not named.
    ByBand(BTreeMap<String, f64>),
}

impl Default for VegaOffset {
    fn default() -> Self {
        Self::Same(0.0)
    }
}

impl VegaOffset {
    /// The offset of a band.
    #[must_use]
    pub fn of(&self, band: &str) -> f64 {
        match self {
            Self::Same(offset) => *offset,
            Self::ByBand(offsets) => offsets.get(band).copied().unwrap_or(0.0),
        }
    }

    /// All offsets with the path of the parameter that holds them.
    pub(super) fn entries(&self) -> Vec<(String, f64)> {
        match self {
            Self::Same(offset) => vec![("vega_offset".to_owned(), *offset)],
            Self::ByBand(offsets) => offsets.iter().map(|(b, v)| (format!("vega_offset.{b}"), *v)).collect(),
        }
    }

    /// Named bands that no image has but for upper and lower case: a slip. A band that is switched off is none.
    pub(super) fn misspelt<'a>(&'a self, bands: &[String]) -> Vec<(&'a str, String)> {
        let Self::ByBand(offsets) = self else { return Vec::new() };
        let slip = |name: &&'a String| {
            let near = bands.iter().find(|b| b.eq_ignore_ascii_case(name))?;
            (!offsets.contains_key(near)).then(|| (name.as_str(), near.clone()))
        };
        offsets.keys().filter(|name| !bands.contains(name)).filter_map(|name| slip(&name)).collect()
    }
}

/// The band names of the images in order: those given, or those that the images carry.
///
/// # Errors
/// What is wrong with them: another number than images, an image without name, a name used twice. The first value is
/// the parameter or port that is to blame.
pub(super) fn names(given: &[String], carried: &[Option<String>]) -> Result<Vec<String>, (&'static str, String)> {
    let names = if given.is_empty() {
        let named: Option<Vec<String>> = carried.iter().cloned().collect();
        named.ok_or(("image", "an image without band name".to_owned()))?
    } else if given.len() == carried.len() {
        given.to_vec()
    } else {
        return Err(("bands", format!("{} band names for {} images", given.len(), carried.len())));
    };
    match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        Some((_, name)) => {
            Err((if given.is_empty() { "image" } else { "bands" }, format!("two images of the band {name:?}")))
        }
        None => Ok(names),
    }
}

/// For each image the index of its noise map.
///
/// One image and one map belong together. Otherwise maps that all carry a band go to the image that carries the same one;
/// maps without band names go by order, and then there must be one for each image.
///
/// # Errors
/// When a map belongs to no image, or the numbers differ.
pub(super) fn pair_noise(images: &[Option<String>], maps: &[Option<String>]) -> Result<Vec<Option<usize>>, String> {
    if maps.is_empty() {
        return Ok(vec![None; images.len()]);
    }
    if images.len() == 1 && maps.len() == 1 {
        return Ok(vec![Some(0)]);
    }
    let are_named = maps.iter().chain(images).all(Option::is_some);
    if !are_named {
        return if maps.len() == images.len() {
            Ok((0..images.len()).map(Some).collect())
        } else {
            Err(format!("{} noise maps without band names for {} images", maps.len(), images.len()))
        };
    }
    for (i, map) in maps.iter().enumerate() {
        let name = map.as_deref().unwrap_or_default();
        if !images.contains(map) {
            return Err(format!("a noise map of the band {name:?}, of which there is no image"));
        }
        if maps[..i].contains(map) {
            return Err(format!("two noise maps of the band {name:?}"));
        }
    }
    Ok(images.iter().map(|image| maps.iter().position(|map| map == image)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bands(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|n| (!n.is_empty()).then(|| (*n).to_owned())).collect()
    }

    #[test]
    fn noise_maps_go_to_the_image_of_their_band_or_by_order() {
        assert_eq!(pair_noise(&bands(&["Ks", "J"]), &bands(&["J", "Ks"])), Ok(vec![Some(1), Some(0)]));
        assert_eq!(pair_noise(&bands(&["Ks", "J"]), &bands(&["J"])), Ok(vec![None, Some(0)]));
        assert_eq!(pair_noise(&bands(&["Ks", "J"]), &bands(&["", ""])), Ok(vec![Some(0), Some(1)]));
        assert_eq!(pair_noise(&bands(&["Ks"]), &bands(&["other"])), Ok(vec![Some(0)]));
        assert_eq!(pair_noise(&bands(&["Ks", "J"]), &[]), Ok(vec![None, None]));
        for (images, maps) in [(["Ks", "J"], &["", "", ""][..]), (["Ks", "J"], &["H"]), (["Ks", "J"], &["J", "J"])] {
            assert!(pair_noise(&bands(&images), &bands(maps)).is_err());
        }
        assert_eq!(pair_noise(&[], &[]), Ok(vec![]));
    }

    #[test]
    fn names_are_those_given_or_carried_and_never_the_same_twice() {
        assert_eq!(names(&[], &bands(&["Ks", "J"])), Ok(vec!["Ks".into(), "J".into()]));
        assert_eq!(names(&["r".into()], &bands(&[""])), Ok(vec!["r".into()]));
        assert!(names(&[], &bands(&["Ks", ""])).is_err());
        assert!(names(&["r".into()], &bands(&["a", "b"])).is_err());
        assert!(names(&[], &bands(&["Ks", "Ks"])).is_err());
    }

    #[test]
    fn offsets_are_by_band_and_a_slip_in_case_is_noticed() {
        let offsets = VegaOffset::ByBand([("KS".to_owned(), 0.5), ("Y".to_owned(), 0.1)].into());
        assert_eq!((offsets.of("KS"), offsets.of("Ks")), (0.5, 0.0));
        assert_eq!(offsets.misspelt(&["Ks".to_owned()]), [("KS", "Ks".to_owned())]);
        assert_eq!(VegaOffset::Same(0.25).of("J"), 0.25);
    }
}
