//! Rules over table columns.
