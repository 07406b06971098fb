//! The loader and the registry, from outside: graph files in, graphs or lists of problems out.

mod mistakes;
mod registry;
mod resolving;
mod speed;
mod support;
mod toys;
mod wiring;
