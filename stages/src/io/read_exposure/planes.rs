//! From the flags of a survey to the bits of the mask plane.

use skyloom_data::fits::ImageHeader;
use skyloom_data::{CardValue, MaskBits};

use super::layout::ExposureLayout;

/// Names of flags that become each bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) saturated: Vec<String>,
    pub(super) bad: Vec<String>,
    pub(super) no_data: Vec<String>,
    pub(super) interpolated: Vec<String>,
}

impl Wanted {
    /// What counts when the graph does not say.
    pub(super) fn default_of(layout: ExposureLayout) -> Self {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        match layout {
            ExposureLayout::Afw => Self {
                saturated: list(&["SAT"]),
                bad: list(&["BAD"]),
                no_data: list(&["NO_DATA"]),
                interpolated: Vec::new(),
            },
            ExposureLayout::Decam => Self {
                saturated: list(&["SATURATED", "BLEED"]),
                bad: list(&["BAD", "CR"]),
                no_data: list(&["NO_VALUE"]),
                interpolated: Vec::new(),
            },
        }
    }

    /// The lists with the parameters that set them and the bit that they become.
    pub(super) fn lists(&self) -> [(&'static str, &[String], u16); 4] {
        [
            ("saturated", &self.saturated, MaskBits::SATURATED),
            ("bad", &self.bad, MaskBits::BAD),
            ("no_data", &self.no_data, MaskBits::NO_DATA),
            ("interpolated", &self.interpolated, MaskBits::INTERPOLATED),
        ]
    }

    pub(super) fn bits_of(&self, name: &str) -> u16 {
        let has = |names: &[String]| names.iter().any(|n| n == name);
        self.lists().iter().filter(|(_, names, _)| has(names)).fold(0, |bits, (.., bit)| bits | bit)
    }
}

/// Planes of `afw` that say how a pixel was processed, or what lies on it; a value is there all the same. They are left out without a
/// word.
const PROCESSING: [&str; 25] = [
    "CLIPPED",
    "CR",
    "CROSSTALK",
    "DETECTED",
    "DETECTED_NEGATIVE",
    "EDGE",
    "INEXACT_PSF",
    "INTRP",
    "ITL_DIP",
    "NOT_DEBLENDED",
    "PARTLY_VIGNETTED",
    "REJECTED",
    "SENSOR_EDGE",
    "SPIKE",
    "STREAK",
    "SUSPECT",
    "UNMASKEDNAN",
    "VIGNETTED",
    "BRIGHT_OBJECT",
    "INJECTED",
    "INJECTED_CORE",
    "INJECTED_TEMPLATE",
    "SAT_TEMPLATE",
    "HIGH_VARIANCE",
    "DETECTED_TEMPLATE",
];

/// Data quality of the Community Pipeline from version 3.5 on: one code per pixel.
const DECAM_CODES: [(&str, i64); 8] = [
    ("BAD", 1),
    ("NO_VALUE", 2),
    ("SATURATED", 3),
    ("BLEED", 4),
    ("CR", 5),
    ("LOW_WEIGHT", 6),
    ("DIFFERENT", 7),
    ("STREAK", 8),
];

/// The same before version 3.5: a sum of bits. Resampled and stacked images have no bit of their own for pixels without a value.
const DECAM_BITS: [(&str, i64); 6] =
    [("BAD", 1), ("SATURATED", 2), ("INTERPOLATED", 4), ("CR", 16), ("BLEED", 64), ("DIFFERENT", 128)];

/// From the number of a pixel to bits of the mask plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decoder {
    /// Flags that a number can have together.
    Bits(Vec<(i64, u16)>),
    /// One code per number.
    Codes(Vec<(i64, u16)>),
}

impl Decoder {
    pub(super) fn bits(&self, value: i64) -> u16 {
        // Good pixels are nearly all of them.
        if value == 0 {
            return 0;
        }
        match self {
            Self::Bits(list) => list.iter().filter(|(flag, _)| value & flag != 0).fold(0, |bits, (_, b)| bits | b),
            Self::Codes(list) => list.iter().find(|(code, _)| *code == value).map_or(0, |(_, bits)| *bits),
        }
    }
}

/// A decoder, the names of the file's flags, and those that nobody asked for and that are not known to be harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) decoder: Decoder,
    pub(super) names: Vec<String>,
    pub(super) left_out: Vec<String>,
}

/// The flags of a mask plane by its header; `None` when an `afw` plane names none.
pub(super) fn flags(header: &ImageHeader, layout: ExposureLayout, wanted: &Wanted) -> Option<Flags> {
    let (named, has_codes) = match layout {
        ExposureLayout::Afw => (afw_planes(header), false),
        ExposureLayout::Decam => {
            let has_codes = !is_before_3_5(header);
            let list: &[(&str, i64)] = if has_codes { &DECAM_CODES } else { &DECAM_BITS };
            (list.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(), has_codes)
        }
    };
    if named.is_empty() {
        return None;
    }
    // What counts by default was left out on purpose.
    let usual = Wanted::default_of(layout);
    let is_harmless =
        |name: &str| layout == ExposureLayout::Decam || PROCESSING.contains(&name) || usual.bits_of(name) != 0;
    let left_out =
        named.iter().filter(|(n, _)| wanted.bits_of(n) == 0 && !is_harmless(n)).map(|(n, _)| n.clone()).collect();
    let list: Vec<(i64, u16)> =
        named.iter().map(|(name, value)| (*value, wanted.bits_of(name))).filter(|(_, bits)| *bits != 0).collect();
    let decoder = if has_codes { Decoder::Codes(list) } else { Decoder::Bits(list) };
    Some(Flags { decoder, names: named.into_iter().map(|(name, _)| name).collect(), left_out })
}

/// Planes by their `MP_` cards: the name and the number of the bit, as a flag.
fn afw_planes(header: &ImageHeader) -> Vec<(String, i64)> {
    let plane = |key: &str, value: &CardValue| {
        let name = key.strip_prefix("MP_").filter(|name| !name.is_empty())?;
        match value {
            CardValue::Int(bit @ 0..=62) => Some((name.to_owned(), 1_i64 << bit)),
            _ => None,
        }
    };
    header.header.cards.iter().filter_map(|card| plane(&card.key, &card.value)).collect()
}

/// Whether the pipeline's version (PLVER, `V2.9` or `V3.4.1`) is one that wrote bits.
fn is_before_3_5(header: &ImageHeader) -> bool {
    let Some(CardValue::Text(version)) = header.get("PLVER") else { return false };
    let mut numbers = version.trim().trim_start_matches(['V', 'v']).split('.').map(|n| n.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < (3, 5),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use skyloom_data::{Card, Header};

    use super::*;

    fn header(cards: &[(&str, CardValue)]) -> ImageHeader {
        let card = |(key, value): &(&str, CardValue)| Card {
            key: (*key).to_owned(),
            value: value.clone(),
            comment: String::new(),
        };
        ImageHeader {
            header: Header { cards: cards.iter().map(card).collect() },
            primary: None,
            width: 1,
            height: 1,
            hdu: 2,
            name: Some("MASK".into()),
            bitpix: 32,
            is_compressed: false,
            memory_bytes: 0,
        }
    }

    #[test]
    fn planes_of_afw_go_by_the_numbers_in_their_cards() {
        let header = header(&[
            ("MP_BAD", CardValue::Int(0)),
            ("MP_SAT", CardValue::Int(5)),
            ("MP_DETECTED", CardValue::Int(1)),
            ("MP_NO_DATA", CardValue::Int(31)),
            ("MP_GREMLIN", CardValue::Int(7)),
            ("MP_ODD", CardValue::Text("x".into())),
        ]);
        let flags = flags(&header, ExposureLayout::Afw, &Wanted::default_of(ExposureLayout::Afw)).expect("planes");
        assert_eq!(flags.left_out, ["GREMLIN"]);
        let bits = |value| flags.decoder.bits(value);
        assert_eq!(bits(0), 0);
        assert_eq!(bits(0b10), 0, "a detection is no fault");
        assert_eq!(bits(0b10_0001), MaskBits::BAD | MaskBits::SATURATED);
        assert_eq!(bits(i64::from(i32::MIN)), MaskBits::NO_DATA, "the sign bit of a 32-bit plane");
        assert_eq!(bits(1 << 31), MaskBits::NO_DATA);
    }

    #[test]
    fn decam_has_codes_or_bits_by_the_version_of_the_pipeline() {
        let wanted = Wanted::default_of(ExposureLayout::Decam);
        let decoder = |version: Option<&str>| {
            let cards: Vec<(&str, CardValue)> =
                version.iter().map(|v| ("PLVER", CardValue::Text((*v).to_owned()))).collect();
            flags(&header(&cards), ExposureLayout::Decam, &wanted).expect("flags").decoder
        };
        for new in [None, Some("V3.5.0"), Some("V4.8.2"), Some("V5.4"), Some("V10.1"), Some("test")] {
            let decoder = decoder(new);
            assert_eq!(decoder.bits(2), MaskBits::NO_DATA, "{new:?}");
            assert_eq!(decoder.bits(3), MaskBits::SATURATED);
            assert_eq!((decoder.bits(6), decoder.bits(7), decoder.bits(99)), (0, 0, 0));
        }
        for old in ["V2.9", "V3.4.1", "v3"] {
            let decoder = decoder(Some(old));
            assert_eq!(decoder.bits(3), MaskBits::BAD | MaskBits::SATURATED, "{old}");
            assert_eq!(decoder.bits(64), MaskBits::SATURATED);
        }
    }
}
