//! Tables as Parquet files.
