//! What the foreign dialects share. No I/O.
