//! What a node's result depends on, written down: canonical parameters, ingredients, the two keys, and reasons.

mod action;
mod canonical;
mod diff;
mod ingredients;
mod readable;
mod reason;
mod recipe;
mod serializer;
#[cfg(test)]
mod tests;

pub use action::action_key;
pub use canonical::Canonical;
pub use diff::Change;
pub use ingredients::{Ingredients, InputIngredient, Key, Upstream};
pub use readable::MalformedCanonical;
pub use reason::{Reason, diff_ingredients};
pub use recipe::recipe_key;
pub use serializer::CanonicalError;
