//! Several samples of objects become one.

mod join;
mod stage;
#[cfg(test)]
mod tests;

pub use stage::Union;
