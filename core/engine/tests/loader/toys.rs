//! Small stages over integers: enough to wire every kind of graph.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_engine::{
    CodecError, Context, Demand, Facet, FacetValue, Facets, FacetsOut, In, InputPath, Many, Opt, Out, Place, Problems,
    Product, ProductType, Signature, Stage, StageError, register_stage,
};

/// An integer that travels along an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub i64);

impl Product for Number {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }
    fn extension(&self) -> &str {
        "txt"
    }
    fn resident_bytes(&self) -> u64 {
        8
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        Ok(std::fs::write(path, self.0.to_string())?)
    }
}

impl ProductType for Number {
    const TYPE: &'static str = "number";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        std::fs::read_to_string(path)?.trim().parse().map(Self).map_err(CodecError::format)
    }
}

/// Another type, so that types can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(pub String);

impl Product for Word {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }
    fn extension(&self) -> &str {
        "txt"
    }
    fn resident_bytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        Ok(std::fs::write(path, &self.0)?)
    }
}

impl ProductType for Word {
    const TYPE: &'static str = "word";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        Ok(Self(std::fs::read_to_string(path)?))
    }
}

const NUMBER: Out<Number> = Out::new("number", "the result");
const WORD: Out<Word> = Out::new("word", "the result as a word");

/// Gives a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The number.
    pub value: i64,
}

#[typetag::serde(name = "toy.constant")]
impl Stage for Constant {
    fn signature(&self) -> Signature {
        Signature::new().output(&NUMBER)
    }
    fn version(&self) -> u32 {
        1
    }
    fn infer(&self, _: &Facets, outputs: &mut FacetsOut, _: &mut Problems) {
        let mut facet = Facet::new();
        facet.set("sign", FacetValue::Text(if self.value < 0 { "negative" } else { "positive" }.to_owned()));
        outputs.set("number", facet);
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        cx.set(&NUMBER, Number(self.value));
        Ok(())
    }
}
register_stage!(Constant, kind: "toy.constant", example: "(value: 1)");

/// Adds numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {}

const TERMS: Many<Number> = Many::new("terms", "what is added");

#[typetag::serde(name = "toy.add")]
impl Stage for Add {
    fn signature(&self) -> Signature {
        Signature::new().many(&TERMS).output(&NUMBER)
    }
    fn version(&self) -> u32 {
        1
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let sum = cx.many(&TERMS)?.iter().map(|n| n.0).sum();
        cx.set(&NUMBER, Number(sum));
        Ok(())
    }
}
register_stage!(Add, kind: "toy.add", example: "()");

/// How a scaled number becomes an integer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Towards minus infinity.
    #[default]
    Down,
    /// To the nearest.
    Nearest,
    /// To a multiple of `step`.
    Step {
        /// Width of a step.
        #[schemars(range(min = 1))]
        step: i64,
    },
}

/// Multiplies a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The factor.
    #[schemars(range(min = 0.5, max = 10), extend("x-unit" = "px"))]
    pub factor: f64,
    /// How to round.
    #[serde(default)]
    pub rounding: Rounding,
    /// Added afterwards.
    #[serde(default)]
    pub offset: Option<i64>,
    /// A word for the result.
    #[serde(default = "default_name")]
    pub name: String,
    /// May be NaN: then nothing is limited.
    #[serde(default)]
    #[schemars(extend("x-allow-nan" = true))]
    pub limit: f64,
}

fn default_name() -> String {
    "scaled".to_owned()
}

const INPUT: In<Number> = In::new("number", "what is multiplied");
const BIAS: Opt<Number> = Opt::new("bias", "added before");

#[typetag::serde(name = "toy.scale")]
impl Stage for Scale {
    fn signature(&self) -> Signature {
        Signature::new().input(&INPUT).optional(&BIAS).output(&NUMBER).output(&WORD)
    }
    fn version(&self) -> u32 {
        1
    }
    fn check(&self, problems: &mut Problems) {
        problems.require_range("factor", self.factor, 0.5, 10.0);
        if self.name.is_empty() {
            problems.param("name", "\"\"", "a word");
        }
    }
    fn infer(&self, inputs: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        if inputs.get("number").text("sign") == Some("negative") {
            problems.input("number", "a negative number", "a positive one").code("bad-sign");
        }
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let number = cx.input(&INPUT)?.0;
        cx.set(&NUMBER, Number((number as f64 * self.factor) as i64));
        cx.set(&WORD, Word(self.name.clone()));
        Ok(())
    }
}
register_stage!(Scale, kind: "toy.scale", example: "(factor: 2.0)");

/// One rule of [`Sieve`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Numbers from here on pass.
    pub from: i64,
    /// Numbers above do not pass.
    pub to: i64,
}

/// Lets numbers pass that satisfy all rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sieve {
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

#[typetag::serde(name = "toy.sieve")]
impl Stage for Sieve {
    fn signature(&self) -> Signature {
        Signature::new().input(&INPUT).output(&NUMBER)
    }
    fn version(&self) -> u32 {
        1
    }
    fn check(&self, problems: &mut Problems) {
        for (i, rule) in self.rules.iter().enumerate() {
            if rule.to < rule.from {
                problems.param(&format!("rules.{i}.to"), rule.to, "a number that is not below from");
            }
        }
    }
    fn infer(&self, _: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        for (i, rule) in self.rules.iter().enumerate() {
            if rule.name == "colour" {
                let place = Place::Param(format!("rules.{i}.name"));
                problems.push("unknown-column", place, "colour".to_owned(), "a column of the table");
            }
        }
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let number = *cx.input(&INPUT)?;
        cx.set(&NUMBER, number);
        Ok(())
    }
}
register_stage!(Sieve, kind: "toy.sieve", example: "(rules: [(name: \"all\", from: 0, to: 9)])");

/// Reads a number from a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file.
    pub path: InputPath,
    /// A second file.
    #[serde(default)]
    pub other: Option<InputPath>,
    /// Memory that reading takes.
    #[serde(default)]
    pub bytes: u64,
}

#[typetag::serde(name = "toy.read")]
impl Stage for Read {
    fn signature(&self) -> Signature {
        Signature::new().output(&NUMBER)
    }
    fn version(&self) -> u32 {
        1
    }
    fn infer(&self, _: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        if !self.path.as_path().exists() {
            problems.param("path", "no such file", "a file that exists").code("missing-file");
        }
    }
    fn estimate(&self, _: &Facets) -> Demand {
        Demand { peak_bytes: self.bytes, threads: 1 }
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        cx.set(&NUMBER, Number::decode(self.path.as_path())?);
        Ok(())
    }
}
register_stage!(Read, kind: "toy.read", example: "(path: \"number.txt\")");
