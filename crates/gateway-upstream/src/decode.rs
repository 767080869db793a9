//! Replies that come compressed although `identity` was asked for.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body::Body;
use http_body_util::{BodyExt, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

/// A content coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `gzip` or `x-gzip`.
    Gzip,
    /// `deflate`, which means a zlib stream.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl Encoding {
    /// Reads a `content-encoding` value. `Ok(None)`: nothing to undo.
    pub fn parse(value: &str) -> Result<Option<Self>, UnknownEncoding> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            "br" => Ok(Some(Self::Brotli)),
            "zstd" => Ok(Some(Self::Zstd)),
            _ => Err(UnknownEncoding),
        }
    }
}

/// A content coding this crate can't undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown content coding")]
pub struct UnknownEncoding;

/// A decoded body. A fault of the coding or of the wire below is an [`io::Error`].
pub type Decoded = UnsyncBoxBody<Bytes, io::Error>;

/// Undoes `encoding` as the bytes come; memory stays within the coding's own window.
pub fn decode<B>(encoding: Encoding, body: B) -> Decoded
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let frames = TryStreamExt::map_err(BodyStream::new(body), io::Error::other);
    let chunks = frames.try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok())));
    let reader = StreamReader::new(Box::pin(chunks));
    let decoded: Pin<Box<dyn AsyncRead + Send>> = match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Deflate => Box::pin(ZlibDecoder::new(reader)),
        Encoding::Brotli => Box::pin(BrotliDecoder::new(reader)),
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    };
    let stream = ReaderStream::new(decoded).map_ok(http_body::Frame::data);
    StreamBody::new(stream).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_read_without_regard_to_case() {
        assert_eq!(Encoding::parse(" GZIP "), Ok(Some(Encoding::Gzip)));
        assert_eq!(Encoding::parse("identity"), Ok(None));
        assert_eq!(Encoding::parse("rot13"), Err(UnknownEncoding));
    }
}
