//! The action key: the same ingredients, with the inputs known by their content.

use super::canonical::{write_len, write_sized};
use super::ingredients::{Ingredients, Key};

/// The action key: kind, version, fingerprint, parameters, and per input the content digest.
///
/// It gives early cutoff: when a node upstream ran again and made the same bytes, this key is the same. `None` while the
/// content of an input is not known.
#[must_use]
pub fn action_key(ingredients: &Ingredients) -> Option<Key> {
    let mut bytes = Vec::new();
    ingredients.write_common("skyloom action key 1", &mut bytes);
    let inputs = ingredients.sorted_inputs();
    write_len(inputs.len(), &mut bytes);
    for input in inputs {
        write_sized(input.port.as_bytes(), &mut bytes);
        write_sized(input.product.as_bytes(), &mut bytes);
        bytes.extend(input.upstream.content?.as_bytes());
    }
    Some(Key::of(&bytes))
}
