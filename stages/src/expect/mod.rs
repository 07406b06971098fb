//! Expectations of graph tests.
