//! The rows. Sources: the administrator guides for SIP firmware 2.0 to 8.0 and the comments of Cisco's own sample files,
//! unless a row says otherwise: `.noted()` is described in Cisco's application note for these phones, `.by_cme()` in the
//! guide of the router that writes their files, `.unconfirmed()` in no manual.

mod calls;
mod lines;

use super::choices::{
    CODECS, DATE_FORMATS, DB_LEVELS, LOCKABLE, MEDIA_TYPES, MONTHS, OUT_OF_BAND, PORT2_TYPES, SNTP_MODES, TELNET, TOS,
    USER_INFO, WEEKDAYS, WEEKS,
};
use super::row::{PORT, URI, number, row};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{DEFAULT_PASSWORD, Group, Kind, Parameter, Place, UNPROVISIONED};

/// All rows, in the order in which they are written.
pub(super) fn all() -> Vec<Parameter> {
    [
        firmware(),
        proxies(),
        sip(),
        media(),
        time(),
        nat(),
        access(),
        services(),
        calls::all(),
        network(),
        lines::phone(),
        lines::lines(),
    ]
    .concat()
}

fn firmware() -> Vec<Parameter> {
    use Group::{Firmware, Provisioning};
    vec![
        row("image_version", Firmware, Kind::FileName, "", "The firmware image that the phone should run.").noted()
            .place(Place::Elsewhere)
            .never_reset(),
        row("tftp_cfg_dir", Provisioning, Kind::Text { max: 64 }, "", "A prefix to the names of phone-specific files. Always written empty: dialtone serves all files from one folder.")
            .place(Place::Elsewhere)
            .since(2, 0),
        row("sync", Provisioning, Kind::Text { max: 32 }, "1", "A mark that a phone compares with syncinfo.xml when it is told to check its files.")
            .place(Place::Site)
            .since(2, 0),
        row("dial_template", Provisioning, Kind::FileName, "dialplan", "The dial plan's file; the phone appends .xml. The site's dialPlan is served under this name.").noted()
            .place(Place::Site)
            .since(2, 0),
    ]
}

fn proxies() -> Vec<Parameter> {
    use Group::Proxies;
    let mut rows = Vec::new();
    for n in 1..=MAX_LINES {
        let since = |row: Parameter| if n == 1 { row } else { row.since_unsure() };
        rows.push(
            since(row(&format!("proxy{n}_address"), Proxies, Kind::Host, "", &format!("The SIP server of the line on key {n}; a phone can have its own in lines[].proxy. It stands in the host part of To and From, and is where requests go unless outboundProxy is set.")).noted()
                .place(Place::Site)),
        );
        rows.push(since(
            row(
                &format!("proxy{n}_port"),
                Proxies,
                PORT,
                "5060",
                &format!(
                    "The port of the SIP server of the line on key {n}; a phone can have its own in lines[].proxy."
                ),
            )
            .place(Place::Site),
        ));
    }
    rows.extend([
        row("outbound_proxy", Proxies, Kind::Host, "", "Where all requests go, whatever the dial plan and the lines' proxies say. Leave it unset unless a proxy stands before the SIP server.").noted().since(2, 2),
        row("outbound_proxy_port", Proxies, PORT, "5060", "The port of outboundProxy.").since(2, 2),
        row("proxy_backup", Proxies, Kind::Host, "", "Where requests go when no proxy answers, whichever proxy that was. The phone puts it in the host part of From.").noted().since(2, 1),
        row("proxy_backup_port", Proxies, PORT, "5060", "The port of proxyBackup.").since(2, 1),
        row("proxy_emergency", Proxies, Kind::Host, "", "Where numbers go that the dial plan routes as Emergency. The phone puts it in the host part of To and From.").noted().since(2, 1),
        row("proxy_emergency_port", Proxies, PORT, "5060", "The port of proxyEmergency.").since(2, 1),
    ]);
    for n in 1..=MAX_LINES {
        rows.push(
            row(
                &format!("call_manager{n}_addr"),
                Proxies,
                Kind::Host,
                "",
                &format!("CallManager {n}, for lines whose proxy is USECALLMANAGER."),
            )
            .since(8, 0)
            .unconfirmed(),
        );
        rows.push(
            row(
                &format!("call_manager{n}_sip_port"),
                Proxies,
                PORT,
                "5060",
                &format!("The SIP port of CallManager {n}."),
            )
            .since(8, 0)
            .unconfirmed(),
        );
    }
    rows
}

fn sip() -> Vec<Parameter> {
    use Group::Sip;
    vec![
        row("proxy_register", Sip, Kind::Switch, "0", "Whether the phone registers its lines."),
        row("timer_register_expires", Sip, number(1, 3_932_100, "seconds"), "3600", "How long a registration lasts."),
        row(
            "timer_register_delta",
            Sip,
            number(0, 32_767, "seconds"),
            "5",
            "How long before its end a registration is renewed.",
        )
        .since(6, 0)
        .unconfirmed(),
        row(
            "timer_invite_expires",
            Sip,
            number(1, 86_400, "seconds"),
            "180",
            "How long an INVITE may stay unanswered.",
        ),
        row(
            "timer_t1",
            Sip,
            number(1, 60_000, "milliseconds"),
            "500",
            "SIP timer T1: the first retransmission interval.",
        ),
        row(
            "timer_t2",
            Sip,
            number(1, 600_000, "milliseconds"),
            "4000",
            "SIP timer T2: the longest retransmission interval.",
        ),
        row("sip_retx", Sip, number(1, 32, "times"), "10", "How often a request other than INVITE is retransmitted."),
        row("sip_invite_retx", Sip, number(1, 32, "times"), "6", "How often an INVITE is retransmitted."),
        row(
            "user_info",
            Sip,
            Kind::Choice(USER_INFO),
            "none",
            "The user= parameter in the REGISTER's URI; firmware 8.12 puts it into Contact, too.",
        )
        .since(3, 0),
        row("remote_party_id", Sip, Kind::Switch, "0", "Whether the phone sends and reads Remote-Party-ID.")
            .since(4, 0),
        row("domain_name", Sip, Kind::Host, "", "A domain name.").by_cme(),
    ]
}

fn media() -> Vec<Parameter> {
    use Group::{Dtmf, Media};
    vec![
        row("preferred_codec", Media, Kind::Choice(CODECS), "g711ulaw", "The codec that the phone offers first.")
            .noted(),
        row("enable_vad", Media, Kind::Switch, "0", "Voice activity detection: send nothing while nobody speaks.")
            .noted()
            .since(2, 1),
        row("tos_media", Media, Kind::Choice(TOS), "5", "The IP precedence of voice packets.").noted(),
        row(
            "dtmf_inband",
            Dtmf,
            Kind::Switch,
            "1",
            "Whether keys pressed in a call are sent as tones in the voice stream.",
        )
        .noted(),
        row(
            "dtmf_outofband",
            Dtmf,
            Kind::Choice(OUT_OF_BAND),
            "avt",
            "Whether keys pressed in a call are sent as AVT tone events.",
        )
        .noted(),
        row("dtmf_avt_payload", Dtmf, number(96, 127, ""), "101", "The RTP payload type of AVT tone events.")
            .noted()
            .since(2, 0),
        row("dtmf_db_level", Dtmf, Kind::Choice(DB_LEVELS), "3", "How loud tones are.").noted(),
    ]
}

fn time() -> Vec<Parameter> {
    use Group::Time;
    let mut rows = vec![
        row("sntp_server", Time, Kind::Host, "", "The time server.").since(2, 0),
        row("sntp_mode", Time, Kind::Choice(SNTP_MODES), "directedbroadcast", "How the phone gets the time.")
            .since(2, 0),
        row("time_zone", Time, Kind::Zone, UNPROVISIONED, "The time zone.").since(2, 0),
        row("time_format_24hr", Time, Kind::Choice(LOCKABLE), "1", "Whether the clock shows 24 hours.").since(2, 0),
        row("date_format", Time, Kind::Choice(DATE_FORMATS), "M/D/Y", "How dates are shown.").by_cme(),
        row("dst_auto_adjust", Time, Kind::Switch, "1", "Whether the phone changes to daylight saving time by itself.")
            .since(2, 0),
        row("dst_offset", Time, number(-12, 12, "hours"), "1", "How far the clock moves.").since(2, 0),
    ];
    let ends = [("start", "begins", "4", "1", "02:00"), ("stop", "ends", "10", "8", "02:00")];
    for (end, verb, month, week, hour) in ends {
        let name = |what: &str| format!("dst_{end}_{what}");
        rows.extend([
            row(
                &name("month"),
                Time,
                Kind::Choice(MONTHS),
                month,
                &format!("The month in which daylight saving time {verb}."),
            )
            .since(2, 0),
            row(
                &name("day"),
                Time,
                number(0, 31, ""),
                "0",
                &format!(
                    "The day of the month on which daylight saving time {verb}; 0 to count weeks and weekdays instead."
                ),
            )
            .since(2, 0),
            row(
                &name("day_of_week"),
                Time,
                Kind::Choice(WEEKDAYS),
                "1",
                &format!("The weekday on which daylight saving time {verb}."),
            )
            .since(2, 0),
            row(
                &name("week_of_month"),
                Time,
                Kind::Choice(WEEKS),
                week,
                &format!("The week of the month in which daylight saving time {verb}."),
            )
            .since(2, 0),
            row(
                &name("time"),
                Time,
                Kind::TimeOfDay,
                hour,
                &format!("The time of day at which daylight saving time {verb}."),
            )
            .since(2, 0),
        ]);
    }
    rows
}

fn nat() -> Vec<Parameter> {
    use Group::Nat;
    vec![
        row("nat_enable", Nat, Kind::Switch, "0", "Whether the phone is behind address translation.").since(2, 2),
        row("nat_address", Nat, Kind::Host, "", "The address that the world sees.").since(2, 2),
        row(
            "nat_received_processing",
            Nat,
            Kind::Switch,
            "0",
            "Whether the phone learns its address from the received= tag.",
        )
        .since(2, 2),
        row("voip_control_port", Nat, number(1025, 65_535, ""), "5060", "The SIP port on which the phone listens. Firmware 8.12 says it in Via and Contact, and sends from another, changing port: a SIP server must answer to Via.").since(2, 2),
        row("start_media_port", Nat, number(16_384, 32_766, ""), "16384", "The first RTP port.").since(2, 2),
        row("end_media_port", Nat, number(16_384, 32_766, ""), "32766", "The last RTP port.").since(2, 2),
    ]
}

fn access() -> Vec<Parameter> {
    use Group::Access;
    vec![
        row("telnet_level", Access, Kind::Choice(TELNET), "0", "Whether and how far telnet gets into the phone.")
            .noted()
            .since(3, 1),
        row(
            "phone_password",
            Access,
            Kind::Secret { max: 31 },
            DEFAULT_PASSWORD,
            "The password for telnet, the console and unlocking the settings.",
        )
        .since(3, 0),
        row(
            "phone_prompt",
            Access,
            Kind::Text { max: 15 },
            "SIP Phone",
            "The prompt that telnet and the console show.",
        )
        .since(3, 0),
    ]
}

fn services() -> Vec<Parameter> {
    use Group::Services;
    vec![
        row("services_url", Services, Kind::Url, "", "What the Services button opens.").noted().since(4, 0),
        row("directory_url", Services, Kind::Url, "", "What the Directories button adds.").since(4, 0),
        row("logo_url", Services, Kind::Url, "", "A Windows bitmap of 256 colours, 90 by 56 pixels, for the display.")
            .noted()
            .since(4, 0),
        row("http_proxy_addr", Services, Kind::Host, "", "The HTTP proxy.").since(4, 0),
        row("http_proxy_port", Services, PORT, "80", "The HTTP proxy's port.").since(4, 0),
        row("messages_uri", Services, URI, "", "What the Messages button calls.").noted().since(2, 0),
        row(
            "language",
            Services,
            Kind::Text { max: 31 },
            "",
            "The language of the display; the firmware has only English.",
        )
        .since(2, 0),
    ]
}

fn network() -> Vec<Parameter> {
    use Group::Network;
    vec![
        row("dyn_dns_addr_1", Network, Kind::Ipv4, "", "A first DNS server that takes the place of DHCP's.")
            .since(4, 0),
        row("dyn_dns_addr_2", Network, Kind::Ipv4, "", "A second DNS server that takes the place of DHCP's.")
            .since(4, 0),
        row(
            "dyn_tftp_addr",
            Network,
            Kind::Ipv4,
            "",
            "Another TFTP server to which the phone turns for its files: with it the phone leaves this site.",
        )
        .since(4, 0),
        row("network_media_type", Network, Kind::Choice(MEDIA_TYPES), "Auto", "Speed and duplex of the network port.")
            .by_cme(),
        row(
            "network_port2_type",
            Network,
            Kind::Choice(PORT2_TYPES),
            "Hub/Switch",
            "What is plugged into the PC port.",
        )
        .by_cme(),
    ]
}
