//! Firmware: the names of images, `.loads` files, and what files begin with.

use crate::phone::image::{self, BIN, Image, SB2, SBN};
use crate::phone::{FileName, text};

/// A file of firmware, and a name.
pub fn firmware(input: &[u8]) {
    let parts = image::parts("P0S3-8-12-00.loads", input);
    assert!(parts.iter().map(String::len).sum::<usize>() <= input.len());
    for part in &parts {
        assert!([BIN, SBN, SB2].iter().any(|end| part.ends_with(end)));
        assert!(!part.contains(['/', '\\']) && FileName::parse(part).is_firmware());
    }
    assert!(image::parts("P0S3-8-12-00.sb2", input).is_empty());
    let _ = image::implausible(image::first(input));
    for name in [text::from_latin1(input), String::from_utf8_lossy(input).into_owned()] {
        if let Some(parsed) = Image::parse(&name) {
            assert_eq!(parsed.name, name);
            assert_eq!(image::did_you_mean(&name), None);
            if let Some(loader) = parsed.loader() {
                assert!(
                    Image::parse(&loader).is_some_and(|loader| loader.is_loader() && loader.release == parsed.release)
                );
            }
        }
        if let Some(meant) = image::did_you_mean(&name) {
            assert!(Image::parse(&meant).is_some() && meant.len() <= name.len(), "{name:?}: {meant:?}");
        }
    }
}
