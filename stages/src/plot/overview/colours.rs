//! Colours that stay apart for every kind of colour vision.

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Pixels without a value.
pub(crate) const NO_VALUE: Rgb = [150, 150, 150];
/// Outlines and labels: the orange of Okabe and Ito's palette, light against the dark half of the map.
pub(crate) const OUTLINE: Rgb = [255, 178, 44];
pub(crate) const INK: Rgb = [25, 25, 25];
pub(crate) const PAPER: Rgb = [255, 255, 255];

/// Cividis (Nunez, Anderton and Renslow 2018, PLoS ONE 13, e0199239) at 17 equal steps: its lightness rises evenly, and it
/// looks nearly the same with and without red-green deficiency.
const CIVIDIS: [Rgb; 17] = [
    [0, 34, 78],
    [0, 46, 106],
    [26, 56, 111],
    [50, 67, 109],
    [67, 78, 108],
    [83, 90, 109],
    [97, 101, 111],
    [111, 112, 115],
    [125, 124, 120],
    [140, 136, 120],
    [155, 148, 118],
    [171, 160, 114],
    [188, 174, 108],
    [205, 187, 99],
    [222, 201, 88],
    [240, 216, 70],
    [254, 232, 56],
];

/// The colour of a brightness from 0 to 1; NaN is [`NO_VALUE`].
pub(crate) fn cividis(brightness: f64) -> Rgb {
    if brightness.is_nan() {
        return NO_VALUE;
    }
    let place = brightness.clamp(0.0, 1.0) * (CIVIDIS.len() - 1) as f64;
    let index = (place as usize).min(CIVIDIS.len() - 2);
    let part = place - index as f64;
    let mix = |c: usize| {
        let (low, high) = (f64::from(CIVIDIS[index][c]), f64::from(CIVIDIS[index + 1][c]));
        (low + part * (high - low)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}
