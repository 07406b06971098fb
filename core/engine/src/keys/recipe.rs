//! The recipe key: static, from the graph file and the files that it names alone.

use super::canonical::{write_len, write_sized};
use super::ingredients::{Ingredients, Key};

/// The recipe key: kind, version, fingerprint, parameters, and per input the recipe key and output port upstream.
///
/// It answers a whole dry run at once, and it still hits after intermediates were deleted. `None` when a node upstream
/// has no recipe key: this node is then not found by recipe, and whoever asks says so.
#[must_use]
pub fn recipe_key(ingredients: &Ingredients) -> Option<Key> {
    let mut bytes = Vec::new();
    ingredients.write_common("skyloom recipe key 1", &mut bytes);
    let inputs = ingredients.sorted_inputs();
    write_len(inputs.len(), &mut bytes);
    for input in inputs {
        write_sized(input.port.as_bytes(), &mut bytes);
        write_sized(input.product.as_bytes(), &mut bytes);
        bytes.extend(input.upstream.recipe?.digest().as_bytes());
        write_sized(input.upstream.output.as_bytes(), &mut bytes);
    }
    Some(Key::of(&bytes))
}
