use proptest::prelude::*;

use super::*;

/// A frame; headers are names, types and values as they stand on the wire.
fn frame(headers: &[(&str, u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, kind, value) in headers {
        head.push(u8::try_from(name.len()).expect("short"));
        head.extend_from_slice(name.as_bytes());
        head.push(*kind);
        head.extend_from_slice(value);
    }
    sealed(&head, payload)
}

fn sealed(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = |n: usize| u32::try_from(n).expect("short").to_be_bytes();
    let mut out = Vec::new();
    out.extend_from_slice(&len(PRELUDE + head.len() + payload.len() + CRC));
    out.extend_from_slice(&len(head.len()));
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn text(value: &str) -> Vec<u8> {
    let mut out = u16::try_from(value.len()).expect("short").to_be_bytes().to_vec();
    out.extend_from_slice(value.as_bytes());
    out
}

fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers: [(&str, u8, &[u8]); 3] = [
        (":event-type", 7, &text(kind)),
        (":content-type", 7, &text("application/json")),
        (":message-type", 7, &text("event")),
    ];
    frame(&headers, payload.as_bytes())
}

/// Kind and payload of each frame, and how it ended.
fn read(chunks: &[&[u8]]) -> (Vec<String>, Result<bool, Damaged>) {
    let mut frames = Frames::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        let pushed = frames.push::<Damaged>(chunk, |frame| {
            seen.push(format!("{:?} {}", frame.kind(), String::from_utf8_lossy(frame.payload())));
            Ok(Flow::More)
        });
        if let Err(damaged) = pushed {
            return (seen, Err(damaged));
        }
    }
    (seen, Ok(frames.at_boundary()))
}

#[test]
fn the_example_of_the_format_reads() {
    // Twelve bytes of lengths, nothing else, as the format's own test vectors have it.
    let empty = [0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
    assert_eq!(sealed(b"", b""), empty);
    assert_eq!(read(&[&empty]), (vec!["Unknown ".to_owned()], Ok(true)));
}

#[test]
fn frames_read_alike_however_they_are_cut() {
    let long = "x".repeat(300);
    let stream = [event("a", "{}"), event("", &long), event("c", "")].concat();
    let whole = read(&[&stream]);
    assert_eq!(whole.0[0], r#"Event("a") {}"#);
    assert_eq!((whole.0.len(), whole.1), (3, Ok(true)));
    for cut in 0..=stream.len() {
        assert_eq!(read(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
    }
    for size in [1, 2, 3, 5, 11, 12, 13, 64] {
        assert_eq!(read(&stream.chunks(size).collect::<Vec<_>>()), whole, "in pieces of {size}");
    }
    for cut in 1..event("a", "{}").len() {
        assert_eq!(read(&[&stream[..cut]]), (vec![], Ok(false)), "ends at {cut}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let stream = event("messageStop", r#"{"stopReason":"end_turn"}"#);
    for at in 0..stream.len() {
        let mut changed = stream.clone();
        changed[at] ^= 0x41;
        let (seen, end) = read(&[&changed, &[0; 16]]);
        assert!(seen.is_empty() && end.is_err(), "at {at}");
    }
}

#[test]
fn impossible_lengths_are_refused_before_anything_is_kept() {
    let prelude = |total: u32, headers: u32| {
        let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    };
    let most = u32::try_from(MAX_FRAME_BYTES).expect("fits");
    let most_headers = u32::try_from(MAX_HEADER_BYTES).expect("fits");
    for (total, headers, wanted) in [
        (15, 0, Err(Damaged::Length)),
        (16, 1, Err(Damaged::Length)),
        (most + 1, 0, Err(Damaged::Length)),
        (most, most_headers + 1, Err(Damaged::Length)),
        (u32::MAX, u32::MAX, Err(Damaged::Length)),
        (most, most_headers, Ok(false)),
    ] {
        assert_eq!(read(&[&prelude(total, headers)]).1, wanted, "{total} {headers}");
    }
    // A text in place of a stream.
    assert_eq!(read(&[br#"{"message":"no"}"#]).1, Err(Damaged::Checksum));
    assert!(!may_begin(b'{') && !may_begin(b'<') && may_begin(0) && may_begin(1));
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let headers: [(&str, u8, &[u8]); 10] = [
        ("t", 0, b""),
        ("f", 1, b""),
        ("b", 2, b"1"),
        ("s", 3, b"12"),
        ("i", 4, b"1234"),
        ("l", 5, b"12345678"),
        ("y", 6, b"\0\x02ab"),
        ("d", 8, b"12345678"),
        ("u", 9, b"1234567890123456"),
        (":message-type", 7, b"\0\x05error"),
    ];
    let stream = frame(&headers, b"p");
    assert_eq!(read(&[&stream]).0, [r#"Error { code: "", message: "" } p"#]);
    for head in [&b"\x05ab"[..], b"\x01a", b"\x01a\x0a", b"\x01a\x07\0\x09ab", b"\x01a\x09123"] {
        assert_eq!(read(&[&sealed(head, b"")]).1, Err(Damaged::Headers), "{head:?}");
    }
    // A text that is none.
    let headers: [(&str, u8, &[u8]); 1] = [(":message-type", 7, b"\0\x01\xff")];
    assert_eq!(read(&[&frame(&headers, b"")]).0, ["Unknown "]);
}

#[test]
fn who_has_enough_gets_no_more() {
    let stream = [event("a", ""), event("b", "")].concat();
    for size in [1, 40, 1000] {
        let mut frames = Frames::new();
        let mut count = 0;
        for chunk in stream.chunks(size) {
            let flow = frames.push::<Damaged>(chunk, |_| {
                count += 1;
                Ok(Flow::Done)
            });
            if flow == Ok(Flow::Done) {
                break;
            }
        }
        assert_eq!(count, 1, "in pieces of {size}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_little_is_kept(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        good in any::<bool>(),
        size in 1..50usize,
    ) {
        let mut stream = if good { event("a", "{}") } else { Vec::new() };
        stream.extend_from_slice(&garbage);
        let (seen, _) = read(&stream.chunks(size).collect::<Vec<_>>());
        prop_assert!(seen.len() == usize::from(good) || garbage.len() >= 16);
    }
}
