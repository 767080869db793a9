//! A guess at the tokens of a text from kinds of bytes, in one pass.

/// Parts of a token in which texts are added up.
pub(super) const UNIT: u64 = 64;

/// A pass over a text, in any pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    parts: u64,
    /// The class of the character before: a continuation byte changes nothing.
    before: u8,
}

impl Scan {
    /// Adds bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        // Nearly all there is is ASCII. There a pair of bytes tells its price at once, without
        // waiting for what the byte before was.
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            if block.is_ascii() {
                self.one(block[0]);
                let pairs = block.windows(2).map(|pair| {
                    u32::from(PAIRS[usize::from(pair[0] & 127)][usize::from(pair[1] & 127)])
                });
                self.parts += u64::from(pairs.sum::<u32>());
                self.before = CLASSES[usize::from(block[BLOCK - 1])];
            } else {
                for &byte in block {
                    self.one(byte);
                }
            }
        }
        for &byte in rest {
            self.one(byte);
        }
    }

    fn one(&mut self, byte: u8) {
        let class = CLASSES[usize::from(byte)];
        // Both are below 32; the mask tells the compiler.
        self.parts += u64::from(PRICES[usize::from(self.before & 31)][usize::from(class & 31)]);
        self.before = if class == CONTINUATION { self.before } else { class };
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

/// Bytes looked at together.
const BLOCK: usize = 16;

/// What an ASCII byte costs behind another: [`PRICES`] of their classes.
static PAIRS: [[u8; 128]; 128] = {
    let mut pairs = [[0; 128]; 128];
    let mut before = 0;
    while before < 128 {
        let mut byte = 0;
        while byte < 128 {
            pairs[before][byte] = PRICES[CLASSES[before] as usize][CLASSES[byte] as usize];
            byte += 1;
        }
        before += 1;
    }
    pairs
};

/// The class of the later bytes of a character.
const CONTINUATION: u8 = 19;

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

/// The class of each byte; [`PRICES`] names them.
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
    19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19,
    19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19,
    19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19,
    19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19,
    10, 10, 10, 10, 10, 10, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
    11, 11, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
    16, 16, 17, 13, 14, 14, 14, 14, 14, 14, 15, 15, 15, 15, 17, 17,
    18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18,
];

/// What a byte of one class (column) costs behind a byte of another (row), in parts of [`UNIT`].
///
/// Fitted to `o200k_base` over a thousand texts: source code of many crates and scripts, Markdown,
/// tool schemas, JSON, twenty languages, logs, numbers, hexadecimal, base64. Of held-out texts
/// 97 in 100 came within 15 %; Polish and Greek run some 12 % low, C headers 5 % high. Pairs that
/// are rare in text were pulled towards a plain guess.
///
/// Classes: control characters, small letters, capitals, digits, space, line ends, tab, stops and
/// quotation marks, brackets and operators, joiners (`_-/`); then by the first byte of a character:
/// Latin beyond ASCII, Cyrillic, other scripts of two bytes, kana with CJK signs, Han, Hangul, Indic
/// and Thai, signs, emoji. The last row and column are for the later bytes, which cost nothing.
#[rustfmt::skip]
static PRICES: [[u8; 32]; 32] = [
    // othe lowe uppe digi spac line  tab stop brac join lati cyri  two kana  han hang indi sign four
    [  38,  69, 141,  61,  10,  38,  16,  29,   0,   0,  59,   0,  65,  36,   0,  45,  65,  58, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // other
    [  38,   7,  17,  34,  18,  84,  92,  50,   6,   0,   0,  61,  17, 121,   0,  41,   0,  56, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // lower
    [  38,  47,  11, 141,   0,  12,  54, 103,  68,  17, 141,  47,  57,  17,   0,  45,  37,  50, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // upper
    [  38,  93, 141,  15,  52,   4,  37,  76,  79,  11,  31,  51,  65,  51,  35,  47,  64,  57, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // digit
    [  38,  16,   6, 106,   3, 135,  59,  75,  59, 100,  10,   0,   0,   0, 104,  45,  17, 105, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // space
    [  43,  55,  69,  60,  36,   0,   0,   0,  67,  47,  25,  98,   6,   9,   0,  52,  70,  60, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // line
    [  38,  23, 141,  45,   0,  38,  50,  39,  16,  30,  68,  48,  62,  38, 139,  45,  64,  58, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // tab
    [  38,   0,   1,   7,  42,   2,   0,  25,  27,   0,  43, 141,  65,  26,  11,  44,  60,  49,  84, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // stop
    [  38,  87,  40,  61,  15,   0,  26,  25,   0,  43,  91, 141,  30,  31,  99,  60,  77,  77, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // brack
    [  38,  70,  18, 114,   6,   0,  16,  63,   0,   0,  53,   0,  70,  38,  55,  42,  67,  63, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // join
    [  38,  93,  10,  62, 141,   0,  16,   4,   3,   5,   0,  45,  18,  38,  48,  45,   0,  62, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // latin
    [  38,  58,  58, 114, 128, 141,  12,   0, 141,   0,  56,   0,  64,  38,  48,  45,  64,  75, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // cyril
    [  38,  29,  62,  62,   0,  22,  18,  51,  28,  35,  53,  51,  31,  38,  48,  45,  27,  58, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // two
    [  38, 113,  34,  59,   0,  46,  16,  21,  98,  30,  64,  51,  64,  35, 105,  45,  64,  55, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // kana
    [  38,  43,  10,  56,  79,  96,  35,   0,   0,  29,  64,  51,  64,  55,  39,  45,  64,  65, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // han
    [  38,  58,  58,  64,   2,  47,  16,  52,  54,  37,  64,  51,  64,  38,  48,  43,  64,  58, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // hang
    [  38,   0,  51,  64,   0,  46,  16,  38,  66,  36,  65,  51,  64,  38,  48,  45,  26,  60, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // indic
    [  38,  68,  60,  42,   0,  82,  16,  60, 127,  26,  56,  69,  62,  23, 103,  44,  65,  35, 115, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // sign
    [  38,  58,  58,  64,   2,  38,  16,  17,  44,  35,  64,  51,  64,  38,  48,  45,  64,  58,  84, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // four
    [0; 32], [0; 32], [0; 32], [0; 32], [0; 32], [0; 32],
    [0; 32], [0; 32], [0; 32], [0; 32], [0; 32], [0; 32], [0; 32],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cost_what_their_bytes_cost_one_after_the_other() {
        let text = "Plain words, long enough for a block; let x: &str = \"no\\n\";\t// Ünïcode – 漢字 🎉 and_more-of/it (1,000 × 2)\r\n"
            .repeat(9);
        for start in (0..text.len()).filter(|&at| text.is_char_boundary(at)).take(BLOCK) {
            let bytes = &text.as_bytes()[start..];
            let (mut blocks, mut single) = (Scan::default(), Scan::default());
            blocks.bytes(bytes);
            for &byte in bytes {
                single.one(byte);
            }
            assert_eq!(blocks.parts(), single.parts(), "from {start}");
        }
        assert!(text.as_bytes().as_chunks::<BLOCK>().0.iter().any(|block| block.is_ascii()));
    }
}
