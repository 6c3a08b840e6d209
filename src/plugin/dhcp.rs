//! `kubectl dialtone dhcp`: what a DHCP server has to say for phones to find a site.

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::ValueEnum;

use super::layout::paragraph;
use super::objects::{api, list, name, namespace};
use crate::base::terminal::{self, BAD, DOUBTFUL, print};
use crate::base::text::{QUOTED, printable};
use crate::connect::ClusterArgs;
use crate::near::near;
use crate::operator::trimmed::TrimmedSite;

/// Print what a DHCP server has to say for phones to find a site: options 66 and 150
///
/// Phones take option 150 (addresses) before option 66 (one address or name).
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The site; it may be left out if there is only one
    #[arg(value_name = "SITE")]
    site: Option<String>,

    /// The DHCP server [default: all that are known]
    #[arg(short, long, value_enum, value_name = "SERVER")]
    server: Vec<Server>,

    /// Another address than the one in the site's status, such as that of a relay
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A DHCP server whose lines are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Server {
    Dnsmasq,
    Kea,
    Isc,
    Routeros,
    Windows,
    Ios,
}

impl Server {
    fn title(self) -> &'static str {
        match self {
            Server::Dnsmasq => "dnsmasq: /etc/dnsmasq.d/phones.conf",
            Server::Kea => "Kea: in \"Dhcp4\" of /etc/kea/kea-dhcp4.conf",
            Server::Isc => "ISC dhcpd: /etc/dhcp/dhcpd.conf",
            Server::Routeros => "RouterOS (MikroTik); put the phones' network in the place of 10.0.0.0/24",
            Server::Windows => "Windows Server, in PowerShell as an administrator; -ScopeId limits it to one scope",
            Server::Ios => "Cisco IOS; in the pool that phones get their addresses from",
        }
    }
}

/// What DHCP says of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    /// An address, or a name.
    host: String,
    address: Option<std::net::Ipv4Addr>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (site, address) = match (&args.site, &args.address) {
        // Nothing has to be asked.
        (site, Some(address)) => (site.clone().unwrap_or_else(|| "the site".to_owned()), Some(address.clone())),
        (wanted, None) => {
            let cluster = args.cluster.connect().await?;
            let sites = list::<TrimmedSite>(&cluster, &api(&cluster, false), "PhoneSites").await?;
            let site = choose(&sites, wanted.as_deref(), &cluster.namespace)?;
            let status = site.status.0.as_ref().map_err(|why| anyhow!("PhoneSite {}: {why}", name(&site.metadata)))?;
            (name(&site.metadata).to_owned(), status.address.clone())
        }
    };
    let Some(address) = address else {
        bail!(
            "site {site} has no address yet: `kubectl dialtone status {site}` says why, and --address takes one that you know"
        );
    };
    let target = target(&address).map_err(|why| anyhow!("site {site}: {why}"))?;
    let servers = if args.server.is_empty() { Server::value_variants().to_vec() } else { args.server };
    print(text(&site, &target, &servers, terminal::width()))?;
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(sites: &'a [TrimmedSite], wanted: Option<&str>, space: &str) -> anyhow::Result<&'a TrimmedSite> {
    let names: Vec<&str> = sites.iter().map(|site| name(&site.metadata)).collect();
    match (wanted, sites) {
        (_, []) => bail!("there is no PhoneSite in namespace {space}; -n NAMESPACE looks in another one"),
        (None, [one]) => Ok(one),
        (None, _) => bail!("there are several sites: name one of {}", names.join(", ")),
        (Some(wanted), _) => sites.iter().find(|site| name(&site.metadata) == wanted).ok_or_else(|| {
            let meant = near(wanted, names.iter().copied()).map(|near| format!(": did you mean {near}?"));
            let meant = meant.unwrap_or_else(|| format!("; there are {}", names.join(", ")));
            let space = sites.first().map_or(space, |site| namespace(&site.metadata));
            anyhow!("there is no PhoneSite {wanted} in namespace {space}{meant}")
        }),
    }
}

/// What an address of a site means to DHCP; or why it cannot say it.
fn target(address: &str) -> Result<Target, String> {
    let shown = printable(address, QUOTED);
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return Ok(Target { host: address.to_string(), address: Some(address) }),
        Ok(IpAddr::V6(_)) => {
            return Err(format!(
                "{shown} is an IPv6 address: these phones know IPv4 only; give the Service an IPv4 address"
            ));
        }
        Err(_) => {}
    }
    if let Some((_, port)) = address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
        return Err(format!(
            "{shown} has port {port}, and phones ask port 69 only: use spec.tftp.service.type LoadBalancer or spec.tftp.hostNetwork, or forward port 69 to it and name that host with --address"
        ));
    }
    // It stands in the lines of six programs: nothing that any of them takes for an end.
    let is_name = address.len() <= 253
        && address.split('.').all(|part| !part.is_empty() && part.len() <= 63)
        && address.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.');
    match is_name {
        true => Ok(Target { host: address.to_owned(), address: None }),
        false => Err(format!("{shown:?} is neither an IPv4 address nor a name")),
    }
}

fn text(site: &str, target: &Target, servers: &[Server], width: Option<usize>) -> String {
    let mut out = String::new();
    if target.address.is_none() {
        let what = format!(
            "{} is a name: option 150 carries addresses only, so these lines set option 66 alone. Phones with a DNS server ask it for the name.",
            target.host
        );
        out += &paragraph(&format!("{DOUBTFUL} "), &what, width);
        out += "\n";
    }
    for (i, server) in servers.iter().enumerate() {
        if i > 0 {
            out += "\n";
        }
        out += &format!("# {}: site {}\n", server.title(), printable(site, QUOTED));
        out += &lines(*server, target);
    }
    out
}

/// The lines for a server.
fn lines(server: Server, target: &Target) -> String {
    let Target { host, address } = target;
    let with = |text: &str| text.replace("HOST", host);
    let if_address = |text: &str| if address.is_some() { with(text) } else { String::new() };
    match server {
        Server::Dnsmasq => with("dhcp-option=66,\"HOST\"\n") + &if_address("dhcp-option=150,HOST\n"),
        Server::Kea => {
            let definition = "\"option-def\": [\n  { \"name\": \"cisco-tftp\", \"code\": 150, \"type\": \"ipv4-address\", \"array\": true }\n],\n";
            let second = ",\n  { \"name\": \"cisco-tftp\", \"data\": \"HOST\" }";
            if_address(definition)
                + &with("\"option-data\": [\n  { \"name\": \"tftp-server-name\", \"data\": \"HOST\" }")
                + &if_address(second)
                + "\n]\n"
        }
        Server::Isc => {
            if_address("option cisco-tftp code 150 = array of ip-address;\n")
                + &with("option tftp-server-name \"HOST\";\n")
                + &if_address("option cisco-tftp HOST;\n")
        }
        Server::Routeros => {
            let hex: String = address.map(|address| hex::encode(address.octets())).unwrap_or_default();
            let mut text = with("/ip dhcp-server option add name=tftp66 code=66 value=\"s'HOST'\"\n");
            if address.is_some() {
                text += &format!("/ip dhcp-server option add name=tftp150 code=150 value=\"0x{hex}\"\n");
            }
            let names = if address.is_some() { "tftp66,tftp150" } else { "tftp66" };
            text + &format!("/ip dhcp-server network set [find address=10.0.0.0/24] dhcp-option={names}\n")
        }
        Server::Windows => {
            if_address(
                "Add-DhcpServerv4OptionDefinition -OptionId 150 -Name \"Cisco TFTP\" -Type IPv4Address -MultiValued\n",
            ) + &with("Set-DhcpServerv4OptionValue -OptionId 66 -Value \"HOST\"\n")
                + &if_address("Set-DhcpServerv4OptionValue -OptionId 150 -Value HOST\n")
        }
        Server::Ios => with("ip dhcp pool PHONES\n option 66 ascii \"HOST\"\n") + &if_address(" option 150 ip HOST\n"),
    }
}

/// What DHCP has to be told of an address, in a few words; for the check of a cluster.
pub(super) fn hint(address: &str) -> (char, String) {
    match target(address) {
        Ok(Target { address: Some(_), host }) => (' ', format!("options 66 and 150 have to say {host}")),
        Ok(Target { host, .. }) => (DOUBTFUL, format!("option 66 has to say {host}; option 150 carries no names")),
        Err(why) => (BAD, why),
    }
}

#[cfg(test)]
mod tests;
