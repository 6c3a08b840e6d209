//! The bytes of a file as a transfer sends them: block by block, in its mode.
//!
//! Nothing is converted before it is sent, or one small request would cost as much memory as the file has bytes.

use std::sync::Arc;

use super::file_store::File;
use super::packet::Mode;

/// A file in the mode of a transfer. Small, because there are as many as transfers.
#[derive(Debug)]
pub struct Content {
    file: Arc<File>,
    /// Where the transfer is, in mode netascii: there a block's place in the file follows only from the blocks before it.
    translated: Option<Box<Cursor>>,
}

/// A place in the translation of a file.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// The number of the block that begins here, from 0 on.
    block: u64,
    /// The byte of the file.
    at: usize,
    /// Whether only the second of the two bytes is left that this byte becomes.
    half: bool,
}

impl Content {
    /// A file, in this mode.
    pub fn new(file: Arc<File>, mode: Mode) -> Content {
        let translated = match mode {
            Mode::Octet => None,
            Mode::Netascii => Some(Box::default()),
        };
        Content { file, translated }
    }

    /// How many bytes are sent in all.
    pub fn size(&self) -> u64 {
        let more = if self.translated.is_some() { self.file.line_ends } else { 0 };
        self.file.bytes.len() as u64 + more
    }

    /// Appends a block, counted from 0; none before that of the last [`Content::advance`].
    pub fn write(&self, number: u64, block: usize, out: &mut Vec<u8>) {
        match &self.translated {
            None => {
                let bytes = &self.file.bytes;
                let from = (number as usize * block).min(bytes.len());
                out.extend_from_slice(&bytes[from..(from + block).min(bytes.len())]);
            }
            Some(cursor) => {
                let cursor = self.skip(**cursor, number, block);
                self.translate(cursor, block, |byte| out.push(byte));
            }
        }
    }

    /// How many bytes of the file come whole before a block, which is that of the last [`Content::advance`], or behind the end.
    pub fn before(&self, number: u64, block: usize) -> u64 {
        let len = self.file.bytes.len();
        match &self.translated {
            Some(cursor) if cursor.block == number => cursor.at as u64,
            Some(_) => len as u64,
            None => (number * block as u64).min(len as u64),
        }
    }

    /// No block before this one is written any more.
    pub fn advance(&mut self, number: u64, block: usize) {
        let cursor = self.translated.as_deref().map(|cursor| self.skip(*cursor, number, block));
        if let (Some(translated), Some(cursor)) = (self.translated.as_deref_mut(), cursor) {
            *translated = cursor;
        }
    }

    /// The cursor of a later block.
    fn skip(&self, cursor: Cursor, number: u64, block: usize) -> Cursor {
        let blocks = number.saturating_sub(cursor.block);
        let skipped = self.translate(cursor, blocks as usize * block, |_| {});
        Cursor { block: cursor.block + blocks, ..skipped }
    }

    /// Calls `each` with so many bytes of the translation, CR LF for LF and CR NUL for CR (RFC 764); where it ended.
    fn translate(&self, mut cursor: Cursor, count: usize, mut each: impl FnMut(u8)) -> Cursor {
        for _ in 0..count {
            let Some(byte) = self.file.bytes.get(cursor.at) else { break };
            let second = match byte {
                b'\n' => Some(b'\n'),
                b'\r' => Some(0),
                _ => None,
            };
            match second {
                None => each(*byte),
                Some(second) if cursor.half => each(second),
                Some(_) => {
                    each(b'\r');
                    cursor.half = true;
                    continue;
                }
            }
            cursor.half = false;
            cursor.at += 1;
        }
        cursor
    }
}

#[cfg(test)]
impl Content {
    /// These bytes, in this mode.
    pub fn of(bytes: impl Into<bytes::Bytes>, mode: Mode) -> Content {
        let bytes = bytes.into();
        let line_ends = if mode == Mode::Netascii { super::file_store::line_ends(&bytes) } else { 0 };
        Content::new(Arc::new(File { name: "a".into(), bytes, digest: "".into(), line_ends }), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The whole file at once, as it is not done.
    fn translation(bytes: &[u8]) -> Vec<u8> {
        let two = |byte: &u8| match byte {
            b'\n' => b"\r\n".to_vec(),
            b'\r' => b"\r\0".to_vec(),
            byte => vec![*byte],
        };
        bytes.iter().flat_map(two).collect()
    }

    #[test]
    fn line_ends_are_translated_even_where_a_block_ends_between_their_two_bytes() {
        let content = Content::of(&b"a\nb\rc"[..], Mode::Netascii);
        let blocks = (0..5).map(|number| {
            let mut out = Vec::new();
            content.write(number, 2, &mut out);
            out
        });
        assert_eq!(blocks.collect::<Vec<_>>(), [&b"a\r"[..], b"\nb", b"\r\0", b"c", b""]);
        assert_eq!(content.size(), 7);
    }

    proptest! {
        #[test]
        fn the_blocks_are_those_of_the_whole_translation(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400),
            block in 1..40usize,
            window in 1..5u64,
            is_text in any::<bool>(),
        ) {
            let to_mode = |bytes: &[u8]| if is_text { translation(bytes) } else { bytes.to_vec() };
            let (mode, whole) = (if is_text { Mode::Netascii } else { Mode::Octet }, to_mode(&bytes));
            let mut content = Content::of(bytes.clone(), mode);
            prop_assert_eq!(content.before(whole.len() as u64 + 1, block), bytes.len() as u64);
            prop_assert_eq!(content.size(), whole.len() as u64);
            for first in (0..=(whole.len() / block) as u64).step_by(window as usize) {
                content.advance(first, block);
                let known = content.before(first, block) as usize;
                prop_assert!(whole.starts_with(&to_mode(&bytes[..known])), "no more than was acknowledged");
                prop_assert!(to_mode(&bytes[..known]).len() + 1 >= (first as usize * block).min(whole.len()));
                for number in (first..first + window).rev() {
                    let mut out = Vec::new();
                    content.write(number, block, &mut out);
                    let from = (number as usize * block).min(whole.len());
                    prop_assert_eq!(&out[..], &whole[from..(from + block).min(whole.len())]);
                }
            }
        }
    }
}
