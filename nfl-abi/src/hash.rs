//! The two hash functions that nodes and the compiler share.
//!
//! In: bytes. Out: a word. Guaranteed: the same on every node and at compile time.

/// CRC-32C (Castagnoli) of `bytes`: RFC 3720, appendix B.4. The check value of `"123456789"` is
/// `0xe306_9283`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| crc >> 8 ^ CRC32C[usize::from(crc as u8 ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

/// What each byte makes of a remainder of zero.
static CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            // The polynomial 0x1edc_6f41 with its bits reversed.
            let feedback = if crc & 1 != 0 { 0x82f6_3b78 } else { 0 };
            crc = crc >> 1 ^ feedback;
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// SipHash-2-4 of `bytes` under a key of 128 bits, its two halves as little-endian words (Aumasson
/// and Bernstein, "SipHash: a fast short-input PRF", 2012).
pub fn siphash24(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let (blocks, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
    let last = u64::from_le_bytes(last) | (bytes.len() as u64) << 56;
    let words = blocks.iter().map(|&block| u64::from_le_bytes(block));
    for word in words.chain([last]) {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// The word that `siphash(key, …)` answers: the low half of SipHash-2-4 under the key `key` with a
/// second half of zero.
pub fn siphash32(key: u64, bytes: &[u8]) -> u32 {
    siphash24([key, 0], bytes) as u32
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::{crc32c, siphash24};

    #[test]
    fn crc_32c_has_its_published_values() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        // RFC 3720, appendix B.4: 32 bytes of zeros, of ones, and counting up.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let counting: [u8; 32] = core::array::from_fn(|n| n as u8);
        assert_eq!(crc32c(&counting), 0x46dd_794e);
    }

    #[test]
    fn siphash_has_its_published_values() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let counting: [u8; 15] = core::array::from_fn(|n| n as u8);
        // Appendix A of the paper, and the first vector of its reference code.
        assert_eq!(siphash24(key, &counting), 0xa129_ca61_49be_45e5);
        assert_eq!(siphash24(key, b""), 0x726f_db47_dd0e_0e31);
    }
}
