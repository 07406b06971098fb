//! Images and their noise maps, one band in memory at a time.

use std::sync::Arc;

use skyloom_data::Image;
use skyloom_engine::{Context, Many, StageError};

use super::bands::{names, pair_noise};
use super::stage::IsophotalPhotometry as Stage;

/// Bands in the order of their wires. Names and pairs follow the rules of [`names`] and [`pair_noise`], which need the names of all
/// images; where each noise map stands beside its image, which is nearly always, no image is read for its name alone.
pub(super) struct Bands {
    given: Vec<String>,
    /// What the images carry, as far as they have been seen.
    carried: Vec<Option<Option<String>>>,
    /// Image to noise map, once all names had to be known.
    pairs: Option<Vec<Option<usize>>>,
}

impl Bands {
    /// `n` bands with the names of the parameters, if there are any.
    ///
    /// # Errors
    /// When the names given are not one of its own for each image.
    pub(super) fn new(given: Vec<String>, n: usize) -> Result<Self, StageError> {
        if !given.is_empty() {
            names(&given, &vec![None; n]).map_err(misnamed)?;
        }
        Ok(Self { given, carried: vec![None; n], pairs: None })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.carried.len()
    }

    /// The name of image `i`, which is seen now.
    ///
    /// # Errors
    /// What is wrong with the names so far.
    pub(super) fn name(&mut self, i: usize, image: &Image) -> Result<String, StageError> {
        self.carried[i] = Some(image.meta.band.clone());
        if let Some(name) = self.given.get(i) {
            return Ok(name.clone());
        }
        let carried: Vec<_> = self.carried[..=i].iter().map(|name| name.clone().flatten()).collect();
        names(&[], &carried).map_err(misnamed).map(|mut names| names.swap_remove(i))
    }

    /// The names of the images seen so far.
    pub(super) fn names(&self) -> Vec<String> {
        if self.given.is_empty() {
            self.carried.iter().flatten().flatten().cloned().collect()
        } else {
            self.given.clone()
        }
    }

    /// Image `i` and its noise map.
    ///
    /// # Errors
    /// When maps and images do not belong together, or cannot be read.
    pub(super) fn read(&mut self, cx: &Context<'_>, i: usize) -> Result<(Arc<Image>, Option<Arc<Image>>), StageError> {
        // Where the map stands beside its image, both are read at once: each takes a second for a large image.
        let is_beside = self.pairs.is_none() && cx.count(&Stage::NOISE) == self.len();
        let beside = || is_beside.then(|| cx.nth(&Stage::NOISE, i)).transpose();
        let (image, map) = cx.pool().join(|| cx.nth(&Stage::IMAGE, i), beside);
        let (image, map) = (image?, map?);
        let noise = self.noise_of(cx, i, &image, map)?;
        Ok((image, noise))
    }

    /// The noise map of image `i`; `beside` is the one at the same place in the list.
    fn noise_of(
        &mut self,
        cx: &Context<'_>,
        i: usize,
        image: &Image,
        beside: Option<Arc<Image>>,
    ) -> Result<Option<Arc<Image>>, StageError> {
        let n_maps = cx.count(&Stage::NOISE);
        if n_maps == 0 {
            return Ok(None);
        }
        if let Some(map) = beside
            && (n_maps == 1 || (map.meta.band.is_some() && map.meta.band == image.meta.band))
        {
            return Ok(Some(map));
        }
        let pairs = match self.pairs.take() {
            Some(pairs) => pairs,
            None => survey(cx)?,
        };
        let map = pairs[i].map(|k| cx.nth(&Stage::NOISE, k)).transpose();
        self.pairs = Some(pairs);
        map
    }
}

fn misnamed((place, found): (&str, String)) -> StageError {
    StageError::config(format!("{place}: {found}"))
        .with_help("set band, for instance \"r\", or bands, one name per image, or give the readers their band")
}

/// Reads all images for their names.
fn survey(cx: &Context<'_>) -> Result<Vec<Option<usize>>, StageError> {
    let of = |port: &Many<Image>| -> Result<Vec<Option<String>>, StageError> {
        (0..cx.count(port)).map(|i| Ok(cx.nth(port, i)?.meta.band.clone())).collect()
    };
    pair_noise(&of(&Stage::IMAGE)?, &of(&Stage::NOISE)?)
        .map_err(|found| StageError::config(found).with_help("wire one noise map per image, of the same band"))
}
