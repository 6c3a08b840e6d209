//! TFTP roots that were kept by hand.

use clap::{Args as _, FromArgMatches as _};

use super::parts;
use crate::import::tree::Tree;
use crate::import::{Args, assemble, check};
use crate::manifests::Manifests;

/// The files of a root: each its name, a line end, and its bytes. What they are converted to renders to the same parameters.
pub fn import(input: &[u8]) {
    let file = |part: &[u8]| {
        let end = part.iter().position(|byte| *byte == b'\n')?;
        let name = std::str::from_utf8(&part[..end]).ok()?;
        Some((name.to_owned(), part[end + 1..].to_vec()))
    };
    let files: Vec<_> = parts(input).filter_map(file).collect();
    for flags in [&["--check"] as &[&str], &["--hoist", "--tidy", "--firmware"]] {
        let command = Args::augment_args(clap::Command::new("import"));
        let words = ["import", "root", "--site", "hq"].iter().chain(flags);
        let args = Args::from_arg_matches(&command.get_matches_from(words)).expect("these are its flags");
        let mut tree = Tree::of(files.clone());
        let text = assemble::manifests(&mut tree, &args).expect("any tree can be converted");
        let manifests = Manifests::parse("stdout", &text);
        assert_eq!(manifests.errors, Vec::<String>::new(), "{text}");
        let mut differences = check::differences(&tree, &text, &args).expect("what was written can be rendered");
        // An image that dialtone manages takes the place of what the loaders' files named, which is told.
        // So is a phone's file under a name that nothing in the tree explains.
        differences.retain(|one| {
            !["and does not any more", "no phone of the manifests gets it"].iter().any(|end| one.ends_with(end))
        });
        assert_eq!(differences, Vec::<String>::new(), "{text}");
    }
}
