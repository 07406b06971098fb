//! Background estimation: nebuliser and mesh.
