//! However a stream is cut, its frames are the same.

use gateway_sse::{Framer, encode};
use proptest::prelude::*;

/// A frame's event name and data.
type Read = (Option<Vec<u8>>, Vec<u8>);

/// The frames, and what lies after the last boundary.
fn read(stream: &[u8], cuts: &[usize]) -> (Vec<Read>, Vec<u8>) {
    let mut framer = Framer::new(1 << 20);
    let mut frames = Vec::new();
    let mut from = 0;
    let mut complete = 0;
    let mut points: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
    points.sort_unstable();
    points.push(stream.len());
    for to in points {
        let chunk = &stream[from..to];
        let done = framer.push(chunk, |f| {
            frames.push((f.event().map(<[u8]>::to_vec), f.data().into_owned()));
        });
        if done > 0 {
            complete = from + done;
        }
        from = to;
    }
    (frames, stream[complete..].to_vec())
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"event: message_start".to_vec()),
        Just(b": a comment".to_vec()),
        Just(b"data".to_vec()),
        Just(Vec::new()),
        Just("data: {\"text\":\"é漢\u{1F600}\"}".as_bytes().to_vec()),
        proptest::collection::vec(
            any::<u8>().prop_filter("no line end", |b| !b"\r\n".contains(b)),
            0..40
        ),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let ending = prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..]), Just(&b"\r"[..])];
    proptest::collection::vec((line(), ending), 0..40).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.to_vec()].concat()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn chunking_is_invisible(stream in stream(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        let (whole, _) = read(&stream, &[]);
        let (pieces, _) = read(&stream, &cuts);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn one_byte_at_a_time_is_the_same(stream in stream()) {
        let cuts: Vec<usize> = (0..=stream.len()).collect();
        prop_assert_eq!(read(&stream, &[]).0, read(&stream, &cuts).0);
    }

    #[test]
    fn any_bytes_are_some_frames(noise in proptest::collection::vec(any::<u8>(), 0..400), cuts in proptest::collection::vec(any::<usize>(), 0..9)) {
        let (whole, _) = read(&noise, &[]);
        let (pieces, _) = read(&noise, &cuts);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn encoded_events_read_back(name in "[a-z_]{1,20}", data in "[^\r]{0,80}") {
        let mut bytes = Vec::new();
        encode(Some(&name), &data, &mut bytes);
        let (frames, rest) = read(&bytes, &[]);
        prop_assert_eq!(frames, vec![(Some(name.into_bytes()), data.into_bytes())]);
        prop_assert!(rest.is_empty());
    }
}
