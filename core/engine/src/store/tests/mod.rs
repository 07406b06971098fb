//! Tests of the store, by subject.

mod artefacts;
mod delivery;
mod full_disk;
mod garbage;
mod processes;
mod records;
mod stat;
mod toy;
