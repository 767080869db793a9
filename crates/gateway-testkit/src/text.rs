//! Texts that look random and are the same in every run, and texts in pieces.

/// As many hex digits as wanted, always the same for the same seed.
pub(crate) fn letters(seed: &str, length: usize) -> String {
    let mut text = String::new();
    let mut round = 0;
    while text.len() < length {
        text.push_str(&format!("{:016x}", fnv(&format!("{seed}#{round}"))));
        round += 1;
    }
    text.truncate(length);
    text
}

/// FNV-1a, and a final mix since near inputs give near sums.
pub(crate) fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// `text` in parts of `size` characters.
pub(crate) fn pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(size.max(1)).map(|piece| piece.iter().collect()).collect()
}
