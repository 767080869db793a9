//! The command line of the gateway: parses arguments, calls one library function per verb, prints.

fn main() {}
