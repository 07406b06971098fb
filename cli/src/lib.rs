//! The library behind the `skyloom` command.
