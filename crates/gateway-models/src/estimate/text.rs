//! A guess at the tokens of a text from kinds of bytes, in one pass.

/// Parts of a token in which texts are added up.
pub(super) const UNIT: u64 = 64;

/// A pass over a text, in any pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    parts: u64,
    /// The class of the byte before, and 15 zeroes' worth of room for the next: an index.
    before: usize,
}

impl Scan {
    /// Adds bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let (mut parts, mut before) = (self.parts, self.before);
        for &byte in bytes {
            let class = CLASSES[usize::from(byte)] as usize;
            parts += u64::from(PRICES[before][class]);
            before = class;
        }
        (self.parts, self.before) = (parts, before);
    }

    /// Adds the inside of JSON text, each escape as what it stands for.
    pub(super) fn escaped(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr::memchr(b'\\', bytes) {
            self.bytes(&bytes[..at]);
            let escape = bytes.get(at + 1).copied().unwrap_or(b'\\');
            let (meant, length): (&[u8], _) = match escape {
                b'n' => (b"\n", 2),
                b't' => (b"\t", 2),
                b'r' => (b"\r", 2),
                b'b' | b'f' => (b"\x08", 2),
                b'u' => (code_point(bytes.get(at + 2..at + 6)), 6),
                _ => (bytes.get(at + 1..at + 2).unwrap_or(b"\\"), 2),
            };
            self.bytes(meant);
            bytes = bytes.get(at + length..).unwrap_or_default();
        }
        self.bytes(bytes);
    }

    pub(super) fn parts(self) -> u64 {
        self.parts
    }
}

/// A character of the kind that four hexadecimal digits stand for.
fn code_point(digits: Option<&[u8]>) -> &'static [u8] {
    match digits {
        Some([b'0', b'0', b'0'..=b'7', _]) => b"\x08",
        Some([b'0', b'0'..=b'2', ..]) => "é".as_bytes(),
        Some([b'0', b'3'..=b'7', ..]) => "ж".as_bytes(),
        Some([b'3', b'0', ..]) => "の".as_bytes(),
        Some([b'3'..=b'9', ..]) => "中".as_bytes(),
        // The second half of a pair: the first has been counted.
        Some([b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]) => b"",
        _ => "한".as_bytes(),
    }
}

/// The class of each byte.
#[rustfmt::skip]
static CLASSES: [u8; 256] = [
     0,  0,  0,  0,  0,  0,  0,  0,  0,  6,  5,  0,  0,  5,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     4,  7,  7,  8,  8,  8,  8,  7,  8,  8,  8,  8,  7,  9,  7,  9,
     3,  3,  3,  3,  3,  3,  3,  3,  3,  3,  7,  7,  8,  8,  8,  7,
     8,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
     2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  8,  8,  8,  8,  9,
     8,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,
     1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  8,  8,  8,  8,  0,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    14, 14, 14, 12, 13, 13, 13, 13, 13, 13, 14, 14, 14, 14, 14, 14,
    14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14,
];

#[rustfmt::skip]
static PRICES: [[u8; 16]; 16] = [
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  12,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  12,  30,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  22,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  58,  60,  64,   4,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  16,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  24,  24,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  24,  24,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  58,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  60,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
    [ 40,  58,  60,  64,   2,  40,  16,  50,  50,  40,  50,  24,  50,  50,  70,   0],
];
