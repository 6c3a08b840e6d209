//! What the phone remembers, and how it reads its files: flash, then `SIPDefault.cnf` over it, then `SIP<MAC>.cnf` over that.
//! A value that no file names stays as it last was.

use std::collections::BTreeMap;

use crate::phone::cnf;

/// The parameters in the phone's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flash(BTreeMap<String, String>);

impl Flash {
    /// Takes over a file.
    pub fn load(&mut self, file: &[u8]) {
        self.0.append(&mut cnf::read(file).effective());
    }

    /// A parameter's value; unprovisioned ones have none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty() && *value != "UNPROVISIONED")
    }

    /// All values, by name.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_names_stays() {
        let mut flash = Flash::default();
        flash.load(b"a: 1\nb: 2\n");
        flash.load(b"a: \"\"\nc: UNPROVISIONED\n");
        assert_eq!((flash.get("a"), flash.get("b"), flash.get("c")), (None, Some("2"), None));
    }
}
