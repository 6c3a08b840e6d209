//! A phone's logo: a Windows bitmap of 256 colours.

/// The width of a logo in pixels.
const WIDTH: u32 = 90;
/// Its height.
const HEIGHT: u32 = 56;
/// The bytes that say all that is looked at.
const HEADER: usize = 34;

/// Why a file is no logo that phones show; nothing if it may be.
pub fn problem(file: &[u8]) -> Option<String> {
    let formats = [
        (&b"\x89PNG"[..], "is a PNG file"),
        (b"\xff\xd8\xff", "is a JPEG file"),
        (b"GIF8", "is a GIF file"),
        (b"<?xml", "is XML"),
        (b"<!DO", "is a web page"),
        (b"<htm", "is a web page"),
    ];
    if let Some((_, what)) = formats.iter().find(|(magic, _)| file.starts_with(magic)) {
        return Some((*what).to_owned());
    }
    if !file.starts_with(b"BM") {
        return Some(if file.is_empty() { "is empty" } else { "is no Windows bitmap" }.to_owned());
    }
    if file.len() < HEADER {
        return Some(format!("is cut off: it has {} bytes", file.len()));
    }
    let two = |at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
    let four = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
    // Older headers than Windows' own have other fields from here on.
    if four(14) < 40 {
        return None;
    }
    let (width, height, bits, compression) = (four(18), four(22).cast_signed().unsigned_abs(), two(28), four(30));
    if bits > 8 {
        return Some(format!("has {bits} bits for each pixel, more than 256 colours"));
    }
    if compression != 0 {
        return Some("is compressed".to_owned());
    }
    if width > WIDTH || height > HEIGHT {
        return Some(format!("has {width} by {height} pixels"));
    }
    // A row is filled up to a multiple of four bytes.
    let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
    let whole = u64::from(four(10)) + row * u64::from(height);
    ((file.len() as u64) < whole).then(|| format!("is cut off: it has {} bytes of {whole}", file.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bitmap whose pixels are all alike.
    fn bitmap(width: u32, height: u32, bits: u16, compression: u32) -> Vec<u8> {
        let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
        let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
        file.extend(54u32.to_le_bytes());
        file.extend(40u32.to_le_bytes());
        file.extend(width.to_le_bytes());
        file.extend(height.to_le_bytes());
        file.extend(1u16.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(compression.to_le_bytes());
        file.resize(54 + usize::try_from(row).unwrap() * usize::try_from(height).unwrap(), 0);
        file
    }

    #[test]
    fn a_logo_is_a_small_bitmap_of_256_colours() {
        for good in [
            bitmap(90, 56, 8, 0),
            bitmap(80, 40, 4, 0),
            bitmap(1, 1, 1, 0),
            b"BM\0\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x5a\0\x38\0\x01\0\x08\0\0\0\0\0\0\0\0\0".to_vec(),
        ] {
            assert_eq!(problem(&good), None, "{good:?}");
        }
        let cut = &bitmap(90, 56, 8, 0)[..2000];
        let (deep, large, packed) = (bitmap(90, 56, 24, 0), bitmap(320, 222, 8, 0), bitmap(90, 56, 8, 1));
        for (file, words) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "a PNG file"),
            (b"\xff\xd8\xff\xe0", "a JPEG file"),
            (b"GIF89a", "a GIF file"),
            (b"<!DOCTYPE html>", "a web page"),
            (b"", "is empty"),
            (b"hello", "no Windows bitmap"),
            (b"BM1", "cut off: it has 3 bytes"),
            (cut, "cut off: it has 2000 bytes of 5206"),
            (&deep, "24 bits"),
            (&large, "320 by 222 pixels"),
            (&packed, "compressed"),
        ] {
            assert!(problem(file).is_some_and(|what| what.contains(words)), "{words}: {:?}", problem(file));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            problem(&rest);
            problem(&[b"BM", &rest[..]].concat());
        }
    }
}
