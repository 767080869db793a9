//! Where frames end, over chunks cut anywhere.

use memchr::memchr2;

use crate::Frame;

/// Finds frame boundaries in a stream of chunks. It cannot fail: whatever bytes come, they belong
/// to some frame, and memory stays within the limit given.
///
/// A frame that lies inside one chunk is lent from it; only one that spans chunks is copied.
#[derive(Debug)]
pub struct Framer {
    /// The incomplete frame at the end of the last chunk, at most `limit` bytes of it.
    carry: Vec<u8>,
    limit: usize,
    /// The carried frame was longer than `limit`.
    truncated: bool,
    /// Bytes of the current frame seen so far, kept or not.
    in_frame: usize,
    /// No byte of the current line has been seen yet.
    line_empty: bool,
    /// The last byte was a CR, so that an LF now would belong to the same line end.
    after_cr: bool,
    /// The LF that completes a frame's last CRLF has not been seen, but may still come.
    lf_may_follow: bool,
    /// Nothing at all has been seen: a byte order mark may come.
    at_start: bool,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Framer {
    /// A framer that keeps at most `limit` bytes of a frame that spans chunks.
    pub fn new(limit: usize) -> Self {
        Self {
            carry: Vec::new(),
            limit,
            truncated: false,
            in_frame: 0,
            line_empty: true,
            after_cr: false,
            lf_may_follow: false,
            at_start: true,
        }
    }

    /// Takes the next chunk and lends each frame that it completes. Returns how many bytes of the
    /// chunk belong to complete frames: the rest is the beginning of the next one.
    pub fn push(&mut self, chunk: &[u8], mut on_frame: impl FnMut(Frame<'_>)) -> usize {
        let mut start = 0;
        let mut line_start = 0;
        let mut pos = 0;

        // The LF of a CRLF whose CR ended the last chunk: it belongs to what has been seen.
        if self.after_cr && chunk.first() == Some(&b'\n') {
            pos = 1;
            line_start = 1;
            if self.lf_may_follow {
                start = 1;
            }
        }
        if !chunk.is_empty() {
            self.after_cr = false;
            self.lf_may_follow = false;
        }

        while let Some(found) = memchr2(b'\n', b'\r', &chunk[pos..]) {
            let at = pos + found;
            let empty = self.line_empty && at == line_start;
            let mut end = at + 1;
            if chunk[at] == b'\r' {
                match chunk.get(end) {
                    Some(b'\n') => end += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            pos = end;
            line_start = end;
            self.line_empty = true;
            if empty {
                self.emit(&chunk[start..end], &mut on_frame);
                start = end;
                self.lf_may_follow = self.after_cr;
            }
        }

        if line_start < chunk.len() {
            self.line_empty = false;
        }
        self.keep(&chunk[start..]);
        start
    }

    /// Lends what is left as a frame, for a stream that ended without its last blank line. A
    /// reader that follows the standard ignores it; a relay may want to know what it was.
    pub fn finish(&mut self, mut on_frame: impl FnMut(Frame<'_>)) {
        if !self.carry.is_empty() {
            self.emit(&[], &mut on_frame);
        }
    }

    /// Whether the stream stands between two frames, so that a frame of one's own may be put in.
    pub fn at_boundary(&self) -> bool {
        self.in_frame == 0 && !self.lf_may_follow
    }

    fn emit(&mut self, tail: &[u8], on_frame: &mut impl FnMut(Frame<'_>)) {
        let skip = if self.at_start { BOM.len() } else { 0 };
        let strip = |bytes: &[u8]| if skip > 0 && bytes.starts_with(BOM) { skip } else { 0 };
        if self.carry.is_empty() && !self.truncated {
            on_frame(Frame::new(&tail[strip(tail)..], false));
        } else {
            self.keep(tail);
            let from = strip(&self.carry);
            on_frame(Frame::new(&self.carry[from..], self.truncated));
            // A burst must not pin its largest frame's memory for the rest of a slow stream.
            if self.carry.capacity() > KEEP_CAPACITY {
                self.carry = Vec::new();
            } else {
                self.carry.clear();
            }
        }
        self.truncated = false;
        self.in_frame = 0;
        self.at_start = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.in_frame += bytes.len();
        let room = self.limit.saturating_sub(self.carry.len());
        self.truncated |= bytes.len() > room;
        self.carry.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The carry buffer keeps its allocation between frames up to this size, in bytes.
const KEEP_CAPACITY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
        let mut framer = Framer::new(1 << 16);
        let mut out = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |f| out.push(f.bytes().to_vec()));
        }
        (out, framer.at_boundary())
    }

    #[test]
    fn all_line_ends_end_frames() {
        for text in [&b"data: 1\n\n"[..], b"data: 1\r\n\r\n", b"data: 1\r\n\n", b"data: 1\n\r\n"] {
            let (found, boundary) = frames(&[text]);
            assert_eq!((found, boundary), (vec![text.to_vec()], true), "{text:?}");
        }
        let (found, _) = frames(&[b"data: 1\r\rdata: 2\r\r"]);
        assert_eq!(found, [b"data: 1\r\r".to_vec(), b"data: 2\r\r".to_vec()]);
    }

    #[test]
    fn a_crlf_cut_in_two_is_one_line_end() {
        let (found, boundary) = frames(&[b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], b"data: 2\r\n\r\n");
        assert!(boundary);
    }

    #[test]
    fn between_the_two_halves_of_a_last_crlf_is_no_boundary() {
        let (found, boundary) = frames(&[b"data: 1\r\n\r"]);
        assert_eq!((found.len(), boundary), (1, false));
    }

    #[test]
    fn an_incomplete_frame_is_no_boundary() {
        assert!(!frames(&[b"data: 1\n"]).1);
        assert!(frames(&[]).1);
    }

    #[test]
    fn a_frame_beyond_the_limit_is_truncated_not_kept() {
        let mut framer = Framer::new(16);
        let mut seen = Vec::new();
        for _ in 0..1000 {
            framer.push(&[b'x'; 100], |_| unreachable!("no frame has ended"));
            assert!(framer.carry.len() <= 16);
        }
        framer.push(b"\n\ndata: 2\n\n", |f| seen.push((f.bytes().to_vec(), f.is_truncated())));
        assert_eq!(seen[0], (vec![b'x'; 16], true));
        assert_eq!(seen[1], (b"data: 2\n\n".to_vec(), false));
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_first_field() {
        let mut framer = Framer::new(64);
        let mut names = Vec::new();
        for chunk in [&b"\xef\xbb"[..], b"\xbfevent: a\n\n", b"\xef\xbb\xbfevent: b\n\n"] {
            framer.push(chunk, |f| names.push(f.event().map(<[u8]>::to_vec)));
        }
        assert_eq!(names, [Some(b"a".to_vec()), None]);
    }

    #[test]
    fn push_says_how_far_complete_frames_reach() {
        let mut framer = Framer::new(64);
        assert_eq!(framer.push(b"data: 1\n\ndata: 2", |_| ()), 9);
        assert_eq!(framer.push(b"\n\nda", |_| ()), 2);
    }
}
