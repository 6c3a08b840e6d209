//! The phone's memory, and how it reads its files: flash, then `SIPDefault.cnf` over it, then `SIP<MAC>.cnf` over that.
//! A value that no file names stays as it last was.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::phone::cnf;
use crate::phone::image::{Image, SBN};
use crate::phone::parameter::is_unset;

/// The parameters in the phone's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash(BTreeMap<String, String>);

impl Flash {
    /// Stores the parameters that a file sets.
    pub fn load(&mut self, file: &[u8]) {
        self.0.append(&mut cnf::read(file).effective());
    }

    /// A parameter's value; unprovisioned ones have none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !is_unset(name, value))
    }

    /// All values, by name.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Everything that survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The image that the phone runs.
    pub running: String,
    /// The file of the loader that it has, if it has one.
    pub loader: Option<String>,
    /// Its parameters.
    pub flash: Flash,
}

impl Memory {
    /// The memory of a phone that runs an image and has no parameters.
    pub fn new(running: &str) -> Memory {
        let loader = Image::parse(running).filter(Image::uses_loader).and_then(|image| image.loader());
        Memory {
            running: running.to_owned(),
            loader: loader.map(|loader| format!("{loader}{SBN}")),
            flash: Flash::default(),
        }
    }

    /// Reads the memory from a file; nothing if there is no file yet.
    pub fn read(path: &Path) -> io::Result<Option<Memory>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the memory to a file, atomically.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let next = path.with_extension("new");
        std::fs::write(&next, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(next, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_names_stays() {
        let mut flash = Flash::default();
        flash.load(b"a: 1\nb: 2\n");
        flash.load(b"a: \"\"\nc: UNPROVISIONED\nline2_name: UNPROVISIONED\n");
        assert_eq!((flash.get("a"), flash.get("b"), flash.get("c")), (None, Some("2"), None));
        assert_eq!(flash.get("line2_name"), Some("UNPROVISIONED"), "only an empty name means no line");
    }

    #[test]
    fn memory_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000A8A123456.json");
        assert_eq!(Memory::read(&path).unwrap(), None);
        let mut memory = Memory::new("P0S3-8-12-00");
        memory.flash.load(b"sync: 1\n");
        memory.write(&path).unwrap();
        assert_eq!(Memory::read(&path).unwrap(), Some(memory));
    }
}
