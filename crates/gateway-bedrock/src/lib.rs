//! Amazon Bedrock: the Converse dialect, and the event streams that all its replies come in. No I/O.

pub mod frames;
