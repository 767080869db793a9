//! What an image costs, and how large it is.

use crate::family::Family;

/// The size of an image whose size cannot be read.
pub(super) const PRESUMED: (u32, u32) = (1024, 1024);

/// The tokens of an image, by the formulas that vendors publish, at the detail that a request asks for
/// when it names none.
pub(super) fn tokens(family: Family, width: u32, height: u32) -> u64 {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    match family {
        // Patches of 28 pixels after scaling to a longest edge and a most. The newer models' limits: the
        // older ones' are a third of them.
        Family::Claude => {
            let (width, height) = fit(width, height, 2_576);
            patches(width, height, 28).min(4_784)
        }
        Family::Gpt4 => tiles(width, height, 85, 170),
        Family::OSeries => tiles(width, height, 75, 150),
        Family::Gpt5(0..=3) => tiles(width, height, 70, 140),
        Family::Gpt5(_) => patches(width, height, 32).min(10_000) * 6 / 5,
        Family::Gpt6 => patches(width, height, 32) * 6 / 5,
        // Newer ones cost about the same whatever the size; older ones 258 a tile of 768 pixels.
        Family::Gemini => 1_120,
        // Patches of 28 pixels, at most 16,384 of them at the largest setting; the usual one is lower.
        _ => {
            let (width, height) = fit(width, height, 2_048);
            patches(width, height, 28)
        }
    }
}

/// Scaled down so that no edge is longer than `edge`.
fn fit(width: u64, height: u64, edge: u64) -> (u64, u64) {
    let longest = width.max(height);
    if longest <= edge {
        return (width, height);
    }
    ((width * edge / longest).max(1), (height * edge / longest).max(1))
}

fn patches(width: u64, height: u64, edge: u64) -> u64 {
    width.div_ceil(edge) * height.div_ceil(edge)
}

/// Scaled into 2048 × 2048, then to a short side of 768, and cut into tiles of 512.
fn tiles(width: u64, height: u64, base: u64, tile: u64) -> u64 {
    let (width, height) = fit(width, height, 2_048);
    let short = width.min(height);
    let (width, height) =
        if short > 768 { (width * 768 / short, height * 768 / short) } else { (width, height) };
    base + tile * patches(width, height, 512)
}

/// Width and height of an image whose base64 begins with `data`. `None`: no PNG, JPEG, GIF or WebP, or
/// cut before it says.
pub(super) fn dimensions_base64(data: &str) -> Option<(u32, u32)> {
    // Most say it at once; only a JPEG is worth a longer look.
    let mut head = Vec::new();
    let mut size = None;
    for length in [64, HEAD] {
        decode(&data.as_bytes()[..data.len().min(length / 3 * 4)], &mut head);
        size = dimensions(&head);
        if size.is_some() || !head.starts_with(&[0xff, 0xd8]) {
            break;
        }
    }
    let (width, height) = size?;
    (width > 0 && height > 0).then_some((width, height))
}

/// How far into a file its size is looked for: JPEGs carry previews and colour profiles before it.
const HEAD: usize = 48 << 10;

/// Decodes as far as it is base64.
fn decode(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut have) = (0u32, 0);
    for &sign in text {
        let six = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            // A slash may be escaped in JSON, and lines may be broken.
            b'\\' | b'\n' | b'\r' => continue,
            _ => break,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
}

fn dimensions(head: &[u8]) -> Option<(u32, u32)> {
    match head {
        [0x89, b'P', b'N', b'G', ..] => Some((be32(head, 16)?, be32(head, 20)?)),
        [b'G', b'I', b'F', b'8', ..] => Some((le16(head, 6)?, le16(head, 8)?)),
        [0xff, 0xd8, ..] => jpeg(head),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(head),
        _ => None,
    }
}

/// Walks the segments up to the frame header.
fn jpeg(head: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let marker = *head.get(at + 1)?;
        match (head.get(at)?, marker) {
            // Fill bytes.
            (0xff, 0xff) => at += 1,
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                return Some((be16(head, at + 7)?, be16(head, at + 5)?));
            }
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => at += 2 + usize::try_from(be16(head, at + 2)?).ok()?,
            _ => return None,
        }
    }
}

fn webp(head: &[u8]) -> Option<(u32, u32)> {
    match head.get(12..16)? {
        b"VP8 " => Some((le16(head, 26)? & 0x3fff, le16(head, 28)? & 0x3fff)),
        b"VP8L" => {
            let bits = le16(head, 21)? | le16(head, 23)? << 16;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => {
            let le24 = |at| Some((le16(head, at)? | u32::from(*head.get(at + 2)?) << 16) + 1);
            Some((le24(24)?, le24(27)?))
        }
        _ => None,
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(be16(bytes, at)? << 16 | be16(bytes, at + 2)?)
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(*bytes.get(at)?) << 8 | u32::from(*bytes.get(at + 1)?))
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(*bytes.get(at)?) | u32::from(*bytes.get(at + 1)?) << 8)
}
