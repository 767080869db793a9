//! Errors as data.
