//! `dialtone import`: a TFTP root that somebody kept by hand, as manifests.

mod assemble;
mod check;
mod convert;
mod files;
mod hoist;
mod tree;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::phone::file_name::{RING_LIST, dial_plan};
use crate::phone::{FileName, Model};
use crate::provision::DIAL_TEMPLATE;
use tree::Tree;

/// Turn an existing TFTP root into manifests on stdout
///
/// Rendering them gives every phone the same parameters as before. Passwords become Secrets, the dial plan and the ring
/// list typed fields, rings a ConfigMap; what no typed field takes is kept in extraParameters. Whatever could not be used is
/// said on stderr, with file, line and reason.
///
/// Exit status: 0, with warnings on stderr; 1 if there is nothing to import, or --check finds a difference.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The folder that the TFTP server serves
    #[arg(value_name = "DIR")]
    root: PathBuf,

    /// The name of the PhoneSite to write
    #[arg(long, value_name = "NAME")]
    site: String,

    /// The namespace of all objects; without it they have none and go where kubectl applies them
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,

    /// The model of phones whose files do not tell it [default: 7960, with a warning]
    #[arg(long, value_name = "7940|7960")]
    model: Option<Model>,

    /// Move what all phones have in common to the site
    #[arg(long)]
    hoist: bool,

    /// Write typed settings also where a file spells a value in another way that phones read as the same: April for 4
    #[arg(long)]
    tidy: bool,

    /// Take firmware along, in ConfigMaps, and let dialtone manage the image that the files name
    #[arg(long)]
    firmware: bool,

    /// Render the result and compare it with the files, parameter for parameter
    #[arg(long)]
    check: bool,
}

/// Imports once.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    check_site_name(&args.site)?;
    args.namespace.as_deref().map_or(Ok(()), check_namespace)?;
    let mut tree = Tree::read(&args.root)?;
    let others = [dial_plan(DIAL_TEMPLATE).as_str(), RING_LIST].iter().any(|name| tree.find(name).is_some());
    if tree.common.is_none() && tree.phones.is_empty() && !others {
        tree.notes.sort();
        tree.notes.iter().for_each(|note| eprintln!("warning: {note}"));
        anyhow::bail!(
            "there is nothing to import in {}: neither SIPDefault.cnf nor a SIP<MAC>.cnf{}",
            args.root.display(),
            elsewhere(&tree),
        );
    }
    let text = assemble::manifests(&mut tree, args)?;
    tree.notes.sort();
    tree.notes.dedup();
    for note in &tree.notes {
        eprintln!("warning: {note}");
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        result => result?,
    }
    let phones = tree.phones.len();
    let plural = if phones == 1 { "phone" } else { "phones" };
    eprintln!("{}: {phones} {plural}, {} warnings", args.site, tree.notes.len());
    if args.check {
        let differences = check::differences(&tree, &text, args)?;
        for difference in &differences {
            eprintln!("error: {difference}");
        }
        if !differences.is_empty() {
            eprintln!("{} differences between the files and what the manifests render to", differences.len());
            return Ok(ExitCode::FAILURE);
        }
        eprintln!("checked: the manifests render to the same parameters for every phone");
    }
    Ok(ExitCode::SUCCESS)
}

fn check_site_name(name: &str) -> anyhow::Result<()> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    if !edges || name.len() > 40 || !name.bytes().all(fine) {
        anyhow::bail!(
            "--site {name:?}: a site's name has lower-case letters, digits and '-', a letter first, at most 40 characters"
        );
    }
    Ok(())
}

fn check_namespace(name: &str) -> anyhow::Result<()> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = !name.is_empty() && !name.starts_with('-') && !name.ends_with('-');
    if !edges || name.len() > 63 || !name.bytes().all(fine) {
        anyhow::bail!(
            "--namespace {name:?}: a namespace's name has lower-case letters, digits and '-', at most 63 characters"
        );
    }
    Ok(())
}

/// A folder below in which there would be something to import.
fn elsewhere(tree: &Tree) -> String {
    let inner = tree.files.keys().find_map(|name| {
        let (folder, base) = name.rsplit_once('/')?;
        matches!(FileName::parse(base), FileName::Own(_) | FileName::Common).then_some(folder)
    });
    inner.map(|folder| format!("; did you mean its folder {folder}?")).unwrap_or_default()
}
