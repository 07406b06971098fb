//! Point-spread functions: models, fits, fields.
