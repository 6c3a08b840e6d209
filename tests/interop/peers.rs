//! The programs of others, as `hack/interop/peers.sh` unpacked them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

pub struct Peers {
    folder: PathBuf,
    versions: BTreeMap<String, String>,
}

impl Peers {
    pub fn open(folder: &Path) -> Peers {
        let text = std::fs::read_to_string(folder.join("versions")).expect("hack/interop/peers.sh writes it");
        let versions = text.lines().filter_map(|line| line.split_once(' '));
        Peers {
            // Programs run in other folders, too.
            folder: std::fs::canonicalize(folder).expect("it was just read"),
            versions: versions.map(|(name, version)| (name.to_owned(), version.to_owned())).collect(),
        }
    }

    /// The version of a package, if it could be had.
    pub fn version(&self, package: &str) -> Option<&str> {
        self.versions.get(package).map(String::as_str)
    }

    pub fn versions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.versions.iter().map(|(name, version)| (name.as_str(), version.as_str()))
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// A program of Debian's, with the libraries that came with it.
    pub fn debian(&self, program: &str) -> Command {
        let mut command = Command::new(self.path("root").join(program));
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        let mut libraries = OsString::new();
        for folder in ["usr/lib", "lib"] {
            libraries.push(self.path("root").join(folder).join(&triple));
            libraries.push(":");
        }
        command.env("LD_LIBRARY_PATH", libraries);
        command
    }
}
