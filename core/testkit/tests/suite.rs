//! The conformance suite passes a sound stage, and finds each fault of an unsound one.
#![allow(missing_docs)]

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, Table, TableBuilder};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageCrate, StageError, register_stage,
};
use skyloom_testkit::{Check, Conformance};

skyloom_testkit::install_allocator!();

/// What is wrong with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Fault {
    /// Nothing.
    None,
    /// The number of threads is in the result.
    Threads,
    /// Every pixel is compared with the sum of all.
    SpreadsNan,
    /// The same with the sum of all finite ones, masked or not.
    ReadsMasked,
    /// It takes a neighbour for granted.
    NeedsNeighbour,
    /// It fails on small images as if the disk were full.
    BlamesTheDisk,
    /// It needs three times what it says.
    NeedsMore,
    /// The image is not as wide as was said.
    OtherShape,
}

/// Doubles pixels, more or less.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Twice {
    /// What is wrong with it.
    fault: Fault,
}

impl Twice {
    const IMAGE: In<Image> = In::new("image", "image to double");
    const TWICE: Out<Image> = Out::new("image", "doubled image");
}

#[typetag::serde(name = "toy.twice")]
impl Stage for Twice {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::TWICE)
    }

    fn version(&self) -> u32 {
        3
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, _: &mut Problems) {
        outputs.set("image", inputs.get("image"));
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        Demand { peak_bytes: 2 * image.bytes() + (64 << 10), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let mut pixels = image.pixels.mapv(|v| 2.0 * v);
        match self.fault {
            Fault::None => {}
            Fault::Threads => pixels.mapv_inplace(|v| v + cx.pool().current_num_threads() as f32),
            Fault::SpreadsNan => {
                let sum = image.pixels.iter().fold(0.0, |sum, v| sum + v);
                pixels.mapv_inplace(|v| v - 1e-3 * sum);
            }
            Fault::ReadsMasked => {
                let sum = image.pixels.iter().filter(|v| v.is_finite()).fold(0.0, |sum, v| sum + v);
                pixels.mapv_inplace(|v| v - 1e-3 * sum);
            }
            Fault::NeedsNeighbour => pixels[[0, 0]] = image.pixels[[0, 1]],
            Fault::BlamesTheDisk if image.width() == 1 => return Err(StageError::io("disk full")),
            Fault::BlamesTheDisk => {}
            Fault::NeedsMore => {
                let copies = vec![pixels.clone(); 4];
                pixels.mapv_inplace(|v| v + std::hint::black_box(&copies).len() as f32);
            }
            Fault::OtherShape => pixels = Array2::zeros((3, 3)),
        }
        cx.set(&Self::TWICE, Image { mask: image.mask.clone(), ..Image::from_pixels(pixels) });
        Ok(())
    }
}
register_stage!(Twice, kind: "toy.twice", example: "(fault: None)");

/// counts rows
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    bare: u32,
}

impl Count {
    const TABLE: In<Table> = In::new("table", "");
    const COUNT: Out<Table> = Out::new("table", "one row");
}

#[typetag::serde(name = "toy.count")]
impl Stage for Count {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).output(&Self::COUNT)
    }

    fn version(&self) -> u32 {
        1
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let first = table.floats("x").map_err(StageError::data)?[0];
        let count = TableBuilder::new().float("first", "", "", vec![first]).build().map_err(StageError::data)?;
        cx.set(&Self::COUNT, count);
        Ok(())
    }
}
register_stage!(Count, kind: "toy.count", example: "(bar: 1)");

fn twice(fault: Fault) -> Conformance {
    let pixels = Array2::from_shape_fn((40, 50), |(y, x)| 1.0 + (x * y % 7) as f32);
    Conformance::new("toy.twice", Twice { fault }).input("image", Image::from_pixels(pixels))
}

fn frozen(fault: Fault) -> Conformance {
    let problems = twice(fault).problems();
    let told = problems.iter().find(|p| p.contains("nothing is frozen")).expect("there is no digest yet");
    let digest = told.rsplit('"').nth(1).expect("the message holds the digest");
    twice(fault).golden(3, digest)
}

#[test]
fn a_sound_stage_passes() {
    frozen(Fault::None).check();
}

#[test]
fn a_check_can_be_left_out() {
    let all_but = |check| {
        let left_out = Check::ALL.into_iter().filter(|c| *c != check);
        left_out.fold(twice(Fault::NeedsNeighbour), |suite, check| suite.skip(check, "for this test"))
    };
    assert!(all_but(Check::Manual).problems().is_empty());
    assert!(!all_but(Check::Small).problems().is_empty());
}

#[test]
fn each_fault_is_found_and_nothing_else() {
    let faults = [
        (Fault::Threads, "threads: output \"image\" has other bytes with 2 threads"),
        (Fault::SpreadsNan, "NaN: NaN spreads: output \"image\" lost"),
        (Fault::ReadsMasked, "masked pixels: 1e9 in masked pixels changes"),
        (Fault::NeedsNeighbour, "small inputs: an image of 1 x 1: a panic"),
        (Fault::BlamesTheDisk, "small inputs: an image of 1 x 1: an error of class Io"),
        (Fault::NeedsMore, "estimate: enlarged, 1 threads:"),
        (Fault::OtherShape, "facets: output \"image\": `infer` said width Some(50), and it is Some(3)"),
    ];
    for (fault, expected) in faults {
        let found = twice(fault).skip(Check::Golden, "its faults are looked for").problems();
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{fault:?}: {found:#?}");
        let name = expected.split(':').next().expect("a check");
        // A sum of all pixels also sees what stands in masked ones.
        let is_known = |problem: &String| problem.starts_with(name) || fault == Fault::SpreadsNan;
        assert!(found.iter().all(is_known), "{fault:?}: {found:#?}");
    }
}

#[test]
fn the_frozen_result_guards_the_version() {
    let right = frozen(Fault::None);
    let other = |version, digest: &str| right.clone().golden(version, digest).problems();
    let changed = other(3, "000000000000");
    assert!(matches!(changed.as_slice(), [p] if p.contains("version() did not go up")), "{changed:?}");
    let bumped = other(2, "000000000000");
    assert!(matches!(bumped.as_slice(), [p] if p.contains("the version is 3, not 2")), "{bumped:?}");
}

#[test]
fn a_stage_that_cannot_be_described_and_a_crate_that_forgets_are_found() {
    let table = TableBuilder::new().float("x", "px", "", vec![1.0, 2.0]).build().expect("a table");
    let other = StageCrate { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), kinds: &["toy.lost"] };
    let found = Conformance::new("toy.count", Count { bare: 1 }).of_crate(&other).input("table", table).problems();
    let all = found.join("\n");
    for part in [
        "manual: the first line of its documentation is no sentence of its own: \"counts rows\"",
        "manual: parameter bare: no documentation",
        "manual: the example (bar: 1) does not build",
        "does not register toy.lost",
        "does not name toy.count, toy.twice",
        "small inputs: a table without rows: a panic",
        "golden digest: nothing is frozen",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
}
