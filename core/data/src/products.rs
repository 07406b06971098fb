//! The data types as products of the engine: names, sizes, codecs.
