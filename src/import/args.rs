//! The flags of `dialtone import`.

use std::path::PathBuf;

use super::model::Said;

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
    pub root: PathBuf,

    /// The name of the PhoneSite to write
    #[arg(long, value_name = "NAME")]
    pub site: String,

    /// The namespace of all objects; without it they have none and go where kubectl applies them
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,

    /// The model of all phones, or of one, as in 000A8A123456=7940; may be given several times. It holds whatever the files say
    /// [default: what lines 3 to 6 in a phone's file show, then what comments hint at, then 7960; with a warning]
    #[arg(long, value_name = "7940|7960|MAC=…")]
    pub model: Vec<Said>,

    /// Move what all phones have in common to the site
    #[arg(long)]
    pub hoist: bool,

    /// Write typed settings also where a file spells a value in another way that phones read as the same: April for 4
    #[arg(long)]
    pub tidy: bool,

    /// Take firmware along, in ConfigMaps, and let dialtone manage the image that the files name
    #[arg(long)]
    pub firmware: bool,

    /// Render the result and compare it with the files: all parameters and all files that each phone would fetch
    #[arg(long)]
    pub check: bool,
}

impl Args {
    /// Checks the names, which become those of objects.
    pub fn check_names(&self) -> anyhow::Result<()> {
        check_site_name(&self.site)?;
        self.namespace.as_deref().map_or(Ok(()), check_namespace)
    }
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
