//! What a crate of stages promises to the program that links it.

use std::fmt;

use crate::stage::StageRecord;

/// A crate of stages, as [`stage_crate!`](crate::stage_crate) declares it: name, version, and the kinds that it registers.
///
/// A program hands it to `skyloom::main_with`. Naming the crate there is what links it, and the list lets the program find out
/// at its start when a registration got lost on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageCrate {
    /// Name of the crate.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The kinds that it registers.
    pub kinds: &'static [&'static str],
}

impl StageCrate {
    /// Kinds that the crate promises and that it did not register in this program; empty when all is well.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let registered = self.registered();
        self.kinds.iter().copied().filter(|kind| !registered.contains(kind)).collect()
    }

    /// Kinds that the crate registers without promising them: if one of those got lost, nobody would notice.
    #[must_use]
    pub fn unlisted(&self) -> Vec<&'static str> {
        self.registered().into_iter().filter(|kind| !self.kinds.contains(kind)).collect()
    }

    /// The kinds that this crate did register, sorted.
    fn registered(&self) -> Vec<&'static str> {
        let is_ours = |r: &&StageRecord| r.crate_name == self.name && r.crate_version == self.version;
        let mut kinds: Vec<&str> = inventory::iter::<StageRecord>().filter(is_ours).map(|r| r.kind).collect();
        kinds.sort_unstable();
        kinds
    }
}

impl fmt::Display for StageCrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Declares the stages of a crate, once, in its `lib.rs`: `skyloom_engine::stage_crate!("acme.halo", "acme.stream");` makes
/// `pub const STAGE_CRATE`, which a program names in `skyloom::main_with(&[acme::STAGE_CRATE])`.
#[macro_export]
macro_rules! stage_crate {
    ($($kind:literal),+ $(,)?) => {
        /// The stages of this crate, for the program that links it.
        pub const STAGE_CRATE: $crate::StageCrate = $crate::StageCrate {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            kinds: &[$($kind),+],
        };
    };
}
