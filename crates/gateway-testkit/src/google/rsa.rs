//! RS256 verified with the one key of the tests; too slow for anything else, and free of C.

use sha2::{Digest, Sha256};

/// 2048 bits, the least significant limb first.
type Number = [u32; 64];

const MODULUS: &str = concat!(
    "B32A54FE394BA1957DD2AAA6400F194876C9D48A92DB139776226A4DE9111A5F",
    "016032A79399B592CE8AF3F25D4C35F72B46661D6891530A53B85F86103B3D3A",
    "B79EFD936DD4EA52E4C1F6B61BE0A43885FCB760A8FE908F25888077A731773A",
    "82C0707E6741C4675A2A77D905E821F9B2395382700DA014A633C7905391F9FF",
    "B88A39103A12AEC90B3C8CCF04EB3413D795C3D68F08A05D33C4B143F7ECF7F4",
    "DC185A585BCEA6ECB0091FC839C41BFEAE3B6C756755F437E01D7F43BE7A7EB5",
    "98EA38EBB48F5EEFCD7715C81DD161FC9992FEBFB6031091B0730092FDEAF0C4",
    "487D494CD7C60C0811AA23B15C27EC52EBF2F2BC51FDB5092F48DF6EC02EC739",
);

/// What stands before a SHA-256 in a PKCS #1 v1.5 signature.
const DIGEST_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Whether `signature` is that of `message` by the key of `service-account.pem`.
pub(crate) fn verifies(message: &[u8], signature: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 256]>::try_from(signature) else { return false };
    let modulus = modulus();
    let signed = number(bytes);
    if !less(&signed, &modulus) {
        return false;
    }
    // 65537 is sixteen squares and one more time.
    let mut power = signed;
    for _ in 0..16 {
        power = times(&power, &power, &modulus);
    }
    number(&padded(message)) == times(&power, &signed, &modulus)
}

fn padded(message: &[u8]) -> [u8; 256] {
    let mut bytes = [0xff; 256];
    let hash = Sha256::digest(message);
    let tail = [&[0], DIGEST_INFO, &hash[..]].concat();
    (bytes[0], bytes[1]) = (0, 1);
    bytes[256 - tail.len()..].copy_from_slice(&tail);
    bytes
}

fn modulus() -> Number {
    let mut bytes = [0; 256];
    for (byte, pair) in bytes.iter_mut().zip(MODULUS.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(pair).expect("hex digits are ASCII");
        *byte = u8::from_str_radix(digits, 16).expect("hex digits");
    }
    number(&bytes)
}

fn number(bytes: &[u8; 256]) -> Number {
    let mut number = [0; 64];
    for (limb, four) in number.iter_mut().rev().zip(bytes.chunks(4)) {
        *limb = four.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte));
    }
    number
}

fn less(a: &Number, b: &Number) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn minus(a: &Number, b: &Number) -> Number {
    let (mut result, mut borrow) = ([0; 64], false);
    for (n, limb) in result.iter_mut().enumerate() {
        let (once, first) = a[n].overflowing_sub(b[n]);
        let (twice, second) = once.overflowing_sub(u32::from(borrow));
        (*limb, borrow) = (twice, first || second);
    }
    result
}

fn plus(a: &Number, b: &Number, modulus: &Number) -> Number {
    let (mut sum, mut carry) = ([0; 64], false);
    for (n, limb) in sum.iter_mut().enumerate() {
        let (once, first) = a[n].overflowing_add(b[n]);
        let (twice, second) = once.overflowing_add(u32::from(carry));
        (*limb, carry) = (twice, first || second);
    }
    if carry || !less(&sum, modulus) { minus(&sum, modulus) } else { sum }
}

fn times(a: &Number, b: &Number, modulus: &Number) -> Number {
    let mut product = [0; 64];
    for limb in b.iter().rev() {
        for bit in (0..32).rev() {
            product = plus(&product, &product, modulus);
            if limb >> bit & 1 == 1 {
                product = plus(&product, a, modulus);
            }
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::verifies;

    #[test]
    fn a_signature_is_of_its_message_only() {
        let good = STANDARD.decode(SIGNATURE).expect("base64");
        assert!(verifies(b"hello", &good));
        assert!(!verifies(b"hallo", &good));
        let mut other = good.clone();
        other[200] ^= 1;
        assert!(!verifies(b"hello", &other));
        assert!(!verifies(b"hello", &good[1..]));
        assert!(!verifies(b"hello", &[0xff; 256]));
    }

    /// Of `hello`, by another program.
    const SIGNATURE: &str = "N6FteA5KCVjYzYeADaJRB0VB51NGPruIgQqEd+TaDYTlMg20qGNu3MLG3OU9LBhaN4QfHcJGIEWWwBxK2Y7cLh9zttXSPh+aytSSU9fSVVxKM9rvpVnqCTbQ2AKbRUPaFp1cHFfJv3dq8FyNmY4vnZL1DIj8Mxe7K9orIcUqw+nSTMOOQQTFkwBE/0VoeUVX22cU0Y7pKomTnw5AEDIcDz9wRJj6/EYhqnZyuabOIXWturfUmN0BC7U7SLZkIv+032duk40bi4CrYgilwTHyC/B5P7Fb77tc4vAsM3jHs6iLDtwumg4VrPLOnaBq+6bZQKmYrEp0gIMAEY6Fg1lf5g==";
}
