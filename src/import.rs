//! `dialtone import`: turns a TFTP root that was kept by hand into manifests.

mod args;
pub(crate) mod assemble;
mod carry;
pub(crate) mod check;
mod convert;
mod files;
mod findings;
mod hoist;
mod model;
mod named;
mod plans;
mod prefix;
mod report;
pub(crate) mod tree;
mod typed_by_hand;

use std::io::Write as _;
use std::process::ExitCode;

use crate::base::terminal::say;
use crate::base::url::without_login;
use crate::phone::FileName;
use crate::phone::file_name::{RING_LIST, dial_plan};
use crate::provision::DIAL_TEMPLATE;
pub use args::Args;
use tree::Tree;

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.check_names()?;
    let mut tree = Tree::read(&args.root)?;
    model::check(&args.model, &tree)?;
    let others = [dial_plan(DIAL_TEMPLATE).as_str(), RING_LIST].iter().any(|name| tree.find(name).is_some());
    if tree.common.is_none() && tree.phones.is_empty() && !others {
        report::say_notes(&mut tree.notes);
        anyhow::bail!(
            "there is nothing to import in {}: neither SIPDefault.cnf nor a SIP<MAC>.cnf{}",
            args.root.display(),
            subfolder_hint(&tree),
        );
    }
    let text = assemble::manifests(&mut tree, args)?;
    let mut warnings = report::say_notes(&mut tree.notes);
    let findings = findings::findings(&text, &tree);
    for finding in &findings {
        say(format_args!("warning: {}", without_login(finding)));
    }
    warnings += findings.len();
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader closed the pipe early.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        result => result?,
    }
    let phones = tree.phones.len();
    let plural = if phones == 1 { "phone" } else { "phones" };
    let many = if warnings == 1 { "warning" } else { "warnings" };
    say(format_args!("{}: {phones} {plural}, {warnings} {many}", args.site));
    if args.check {
        let differences = check::differences(&tree, &text, args)?;
        for difference in &differences {
            say(format_args!("error: {}", without_login(difference)));
        }
        if !differences.is_empty() {
            say(format_args!("{} differences between the files and what the manifests render to", differences.len()));
            return Ok(ExitCode::FAILURE);
        }
        let apart = if args.firmware { "" } else { ", firmware apart" };
        say(format_args!("checked: the manifests render to the same parameters and files for every phone{apart}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A hint at a subfolder that could be imported.
fn subfolder_hint(tree: &Tree) -> String {
    let inner = tree.files.keys().find_map(|name| {
        let (folder, base) = name.rsplit_once('/')?;
        matches!(FileName::parse(base), FileName::Own(_) | FileName::Common).then_some(folder)
    });
    inner.map(|folder| format!("; did you mean its folder {folder}?")).unwrap_or_default()
}
