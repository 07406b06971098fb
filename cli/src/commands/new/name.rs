//! The name of a crate, and the names that follow from it.

use skyloom_engine::Registry;

use crate::failure::CommandFailure;

/// The names of a new stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageName {
    /// The crate: `acme-star-halo`.
    pub name: String,
    /// The crate in Rust code: `acme_star_halo`.
    pub ident: String,
    /// The kind: `acme.star_halo`.
    pub kind: String,
    /// The struct: `StarHalo`.
    pub type_name: String,
}

/// The longest name of a crate that crates.io takes. The lines of the written code have room for it.
pub const LONGEST: usize = 64;

/// Names that the written code uses already.
const TAKEN: [&str; 16] = [
    "Array2",
    "Context",
    "Demand",
    "Deserialize",
    "Facets",
    "Image",
    "In",
    "Mask",
    "Out",
    "Problems",
    "Result",
    "Self",
    "Serialize",
    "Signature",
    "Some",
    "Stage",
];

impl StageName {
    /// The names that follow from a crate's name.
    pub fn parse(name: &str) -> Result<Self, CommandFailure> {
        let refused = |why: &str| {
            let help =
                "the name is a word of your own and a verb, joined by a dash: acme-halo makes the kind acme.halo";
            Err(CommandFailure::usage(format!("{name:?} cannot name a stage: {why}")).with_help(help))
        };
        let Some((family, verb)) = name.split_once('-') else {
            return refused("it has no dash, so there would be no word of yours in front of the kind");
        };
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if !name.split('-').all(is_word) {
            return refused("its words are lower case letters and digits, and start with a letter");
        }
        if name.len() > LONGEST {
            return refused(&format!("it has {} letters, and registries of crates take {LONGEST}", name.len()));
        }
        if family == "skyloom" {
            return refused("names that start with skyloom are those of Skyloom itself");
        }
        let type_name: String = verb
            .split('-')
            .flat_map(|word| word.chars().enumerate().map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c }))
            .collect();
        if TAKEN.contains(&type_name.as_str()) {
            return refused(&format!("its struct would be called {type_name}, as something that it needs is called"));
        }
        let kind = format!("{family}.{}", verb.replace('-', "_"));
        Ok(Self { name: name.to_owned(), ident: name.replace('-', "_"), kind, type_name })
    }

    /// Fails when the kind exists, or its first word is a family of Skyloom's own stages.
    pub fn check_is_free(&self, registry: &Registry) -> Result<(), CommandFailure> {
        if let Some(info) = registry.find(&self.kind) {
            let message = format!("the kind {:?} is brought by {} already", self.kind, info.provider);
            return Err(CommandFailure::usage(message).with_help("choose another name"));
        }
        let family = self.kind.split_once('.').map_or("", |(family, _)| family);
        let is_own = |kind: &str| kind.split_once('.').is_some_and(|(f, _)| f == family);
        match registry.stages().find(|info| info.provider.starts_with("skyloom-") && is_own(&info.kind)) {
            Some(info) => {
                Err(CommandFailure::usage(format!("{family:?} is a family of {}: {}", info.provider, info.kind))
                    .with_help("start with a word of your own, for instance acme-halo"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_dash_becomes_a_dot_and_later_ones_underscores() {
        let name = StageName::parse("acme-star-halo2").unwrap();
        assert_eq!(
            (name.ident.as_str(), name.kind.as_str(), name.type_name.as_str()),
            ("acme_star_halo2", "acme.star_halo2", "StarHalo2")
        );
    }

    #[test]
    fn names_that_make_no_crate_or_no_kind_are_refused_with_the_reason() {
        let cases = [
            ("halo", "no dash"),
            ("Acme-halo", "lower case"),
            ("acme-", "lower case"),
            ("-halo", "lower case"),
            ("acme-2mass", "start with a letter"),
            ("acme-h.lo", "letters and digits"),
            ("../acme-halo", "letters and digits"),
            ("skyloom-halo", "Skyloom itself"),
            ("acme-image", "called Image"),
            (&"acme-halo".repeat(8), "has 72 letters"),
        ];
        for (name, why) in cases {
            let Err(CommandFailure::Other { message, .. }) = StageName::parse(name) else {
                panic!("{name} is no name");
            };
            assert!(message.contains(why), "{message}");
        }
    }
}
