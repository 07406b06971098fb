//! The stage `{{kind}}` for Skyloom: an unsharp mask, to be replaced by an algorithm of your own.

mod algorithm;
mod stage;

pub use algorithm::unsharp_mask;
pub use stage::{{type}};

// Every kind that this crate registers. A program that names `{{ident}}::STAGE_CRATE` links the crate, and notices at its
// start when one of them is missing.
skyloom_engine::stage_crate!("{{kind}}");
