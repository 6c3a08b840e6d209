//! `RINGLIST.DAT`: the rings that a person can choose from.

/// One ring: the name in the phone's menu and the file that holds it.
pub struct Ring<'a> {
    /// The name in the menu.
    pub name: &'a str,
    /// The file in the TFTP root, raw 8 kHz µ-law.
    pub file: &'a str,
}

/// The file's name as phones ask for it.
pub const FILE: &str = "RINGLIST.DAT";

/// Writes the list: one ring a line, name and file parted by a tab.
pub fn write<'a>(rings: impl IntoIterator<Item = Ring<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    for ring in rings {
        super::text::latin1(ring.name, &mut out);
        out.push(b'\t');
        super::text::latin1(ring.file, &mut out);
        out.push(b'\n');
    }
    out
}
