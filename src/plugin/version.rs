//! `dialtone version`: this program's version and the cluster's.

use std::process::ExitCode;

use serde::Serialize;

use super::install::{Definition, Operator, VERSION, commit, definitions, operators};
use super::output::{Format, structured};
use crate::base::terminal::{print, say};
use crate::connect::ClusterArgs;

/// Print the version of this program, of the operators in the cluster, and of the cluster's definitions
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Ask no cluster
    #[arg(long)]
    client: bool,

    /// json and yaml: for programs
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster>,
}

#[derive(Debug, Serialize)]
struct Client {
    dialtone: &'static str,
    commit: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    kubernetes: String,
    definitions: Vec<(String, Definition)>,
    operators: Option<Vec<Operator>>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client { dialtone: VERSION, commit: commit() };
    let (cluster, trouble) = match args.client {
        true => (None, None),
        false => match cluster(&args.cluster).await {
            Ok(cluster) => (Some(cluster), None),
            Err(error) => (None, Some(error)),
        },
    };
    let versions = Versions { client, cluster };
    match args.output {
        Some(Format::Json | Format::Yaml) => print(structured(&versions, args.output)?)?,
        _ => print(text(&versions))?,
    }
    match trouble {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => {
            say(format_args!("error: {error:#}; --client asks no cluster"));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn cluster(args: &ClusterArgs) -> anyhow::Result<Cluster> {
    let cluster = args.connect().await?;
    let server = cluster.call("read the API server's version", cluster.client.apiserver_version()).await?;
    Ok(Cluster {
        kubernetes: server.git_version,
        definitions: definitions(&cluster).await?,
        operators: operators(&cluster).await.ok(),
    })
}

fn text(versions: &Versions) -> String {
    let Client { dialtone, commit } = &versions.client;
    let mut out = format!("this program  dialtone {dialtone}, commit {commit}\n");
    let Some(Cluster { kubernetes, definitions, operators }) = &versions.cluster else { return out };
    out += &format!("kubernetes    {kubernetes}\n");
    for (name, definition) in definitions {
        out += &format!("definition    {name}: {}\n", in_words(*definition));
    }
    match operators.as_deref() {
        None => out += "operator      not known: you may not list Deployments in all namespaces\n",
        Some([]) => out += "operator      none\n",
        Some(all) => {
            for Operator { namespace, name, version, image, ready, wanted, .. } in all {
                let version = version.as_deref().unwrap_or("unknown");
                out +=
                    &format!("operator      {namespace}/{name}: dialtone {version}, {image}, {ready}/{wanted} ready\n");
            }
        }
    }
    out
}

/// A definition in words.
pub(super) fn in_words(definition: Definition) -> &'static str {
    match definition {
        Definition::Missing => "missing",
        Definition::NotEstablished => "not served yet",
        Definition::Differs => "of another version than this program",
        Definition::Same => "of this program's version",
        Definition::Unknown => "not known: you may not read it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_said_of_all_that_is_known() {
        let client = || Client { dialtone: "0.1.0", commit: "abc" };
        assert_eq!(text(&Versions { client: client(), cluster: None }), "this program  dialtone 0.1.0, commit abc\n");
        let cluster = |operators| Cluster {
            kubernetes: "v1.34.0".to_owned(),
            definitions: vec![("sipphones.dialtone.dev".to_owned(), Definition::Differs)],
            operators,
        };
        let said = text(&Versions { client: client(), cluster: Some(cluster(None)) });
        assert_eq!(
            said.lines().skip(1).collect::<Vec<_>>(),
            [
                "kubernetes    v1.34.0",
                "definition    sipphones.dialtone.dev: of another version than this program",
                "operator      not known: you may not list Deployments in all namespaces",
            ]
        );
        assert!(
            text(&Versions { client: client(), cluster: Some(cluster(Some(vec![]))) })
                .ends_with("operator      none\n")
        );
    }
}
