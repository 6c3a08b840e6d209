//! Packets of RFC 1350 and the options of RFC 2347 to 2349 and 7440.

/// The longest file name in a request.
const MAX_NAME_BYTES: usize = 255;

// Opcodes.
const OPCODE_RRQ: u16 = 1;
const OPCODE_WRQ: u16 = 2;
const OPCODE_DATA: u16 = 3;
const OPCODE_ACK: u16 = 4;
const OPCODE_ERROR: u16 = 5;
const OPCODE_OACK: u16 = 6;

/// Error codes that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0: the text says what is wrong.
    Undefined = 0,
    /// 1: there is no such file.
    NotFound = 1,
    /// 2: writing is not allowed.
    AccessViolation = 2,
    /// 4: not a legal TFTP operation.
    Illegal = 4,
    /// 5: unknown transfer identifier.
    UnknownTid = 5,
}

/// How a file is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As it is.
    Octet,
    /// With line ends as on a teletype.
    Netascii,
}

/// The options that the server understands; others are ignored, as RFC 2347 says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// RFC 2348: bytes in a block.
    pub blksize: Option<u16>,
    /// RFC 2349: seconds before a retransmission.
    pub timeout: Option<u8>,
    /// RFC 2349: the client asks for the file's size.
    pub tsize: bool,
    /// RFC 7440: blocks before an acknowledgement.
    pub windowsize: Option<u16>,
}

/// A request to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name as it was sent.
    pub name: &'a [u8],
    /// How the file is transferred.
    pub mode: Mode,
    /// Its options.
    pub options: Options,
}

/// A packet from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A read request (RRQ).
    Read(Request<'a>),
    /// A write request (WRQ).
    Write,
    /// An acknowledgement of all blocks up to this one (ACK).
    Ack(u16),
    /// A block of a file, which no client of this server has to send (DATA).
    Data,
    /// An error, with its code: the client aborts the transfer.
    Error(u16),
    /// A read request that cannot be read, and why.
    IllegalRead(&'static str),
    /// No packet that a client may send.
    Illegal,
}

impl<'a> Packet<'a> {
    /// Reads a datagram; any bytes whatever are some packet.
    pub fn parse(datagram: &'a [u8]) -> Packet<'a> {
        let word = |at: usize| Some(u16::from_be_bytes([*datagram.get(at)?, *datagram.get(at + 1)?]));
        match (word(0), word(2)) {
            (Some(OPCODE_RRQ), _) => parse_request(&datagram[2..]).map_or_else(Packet::IllegalRead, Packet::Read),
            (Some(OPCODE_WRQ), _) => Packet::Write,
            (Some(OPCODE_DATA), Some(_)) => Packet::Data,
            (Some(OPCODE_ACK), Some(block)) => Packet::Ack(block),
            (Some(OPCODE_ERROR), Some(code)) => Packet::Error(code),
            _ => Packet::Illegal,
        }
    }
}

/// Reads what follows the opcode of a read request; otherwise what is wrong with it, in few words, because whoever forges a source
/// has them sent there.
fn parse_request(rest: &[u8]) -> Result<Request<'_>, &'static str> {
    let mut fields = rest.split_inclusive(|b| *b == 0).map(|field| field.strip_suffix(&[0]));
    let name = fields.next().flatten().ok_or("no zero byte ends the file name")?;
    let mode = fields.next().ok_or("the transfer mode is missing")?.ok_or("no zero byte ends the transfer mode")?;
    let mode = match mode {
        m if m.eq_ignore_ascii_case(b"octet") => Mode::Octet,
        m if m.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
        _ => return Err("the transfer mode is neither octet nor netascii"),
    };
    match name.len() {
        0 => return Err("the file name is empty"),
        1..=MAX_NAME_BYTES => {}
        _ => return Err("the file name has more than 255 bytes"),
    }
    let mut options = Options::default();
    while let (Some(Some(option)), Some(Some(value))) = (fields.next(), fields.next()) {
        // Digits only: Rust would read a sign, too.
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|value| std::str::from_utf8(value).ok()?.parse::<u32>().ok());
        let Some(number) = number else { continue };
        // A value out of range is ignored: the transfer goes on without the option.
        match option.to_ascii_lowercase().as_slice() {
            b"blksize" if (8..=65_464).contains(&number) => options.blksize = u16::try_from(number).ok(),
            b"timeout" if (1..=255).contains(&number) => options.timeout = u8::try_from(number).ok(),
            b"tsize" => options.tsize = true,
            b"windowsize" if (1..=65_535).contains(&number) => options.windowsize = u16::try_from(number).ok(),
            _ => {}
        }
    }
    Ok(Request { name, mode, options })
}

/// The bytes of a DATA packet before those of its block.
pub const DATA_HEADER: u64 = 4;

/// Writes a DATA packet, to which the bytes of its block are appended.
pub fn data(out: &mut Vec<u8>, block: u16) {
    out.clear();
    out.extend_from_slice(&OPCODE_DATA.to_be_bytes());
    out.extend_from_slice(&block.to_be_bytes());
}

/// Writes an OACK packet with the options that were accepted.
pub fn oack(out: &mut Vec<u8>, options: &Options, size: u64) {
    out.clear();
    out.extend_from_slice(&OPCODE_OACK.to_be_bytes());
    let mut option = |name: &str, value: u64| {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value.to_string().as_bytes());
        out.push(0);
    };
    if let Some(blksize) = options.blksize {
        option("blksize", blksize.into());
    }
    if let Some(timeout) = options.timeout {
        option("timeout", timeout.into());
    }
    if options.tsize {
        option("tsize", size);
    }
    if let Some(windowsize) = options.windowsize {
        option("windowsize", windowsize.into());
    }
}

/// Writes an ERROR packet.
pub fn error(out: &mut Vec<u8>, code: ErrorCode, message: &str) {
    out.clear();
    out.extend_from_slice(&OPCODE_ERROR.to_be_bytes());
    out.extend_from_slice(&(code as u16).to_be_bytes());
    out.extend_from_slice(message.as_bytes());
    out.push(0);
}

/// A requested name as it may stand in a log or report: no client can break lines there, or hide.
pub fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_read_with_its_options() {
        let packet =
            Packet::parse(b"\0\x01SIPDefault.cnf\0OCTET\0blksize\x001428\0TSIZE\x000\0unknown\x001\0windowsize\x008\0");
        let options = Options { blksize: Some(1428), timeout: None, tsize: true, windowsize: Some(8) };
        assert_eq!(packet, Packet::Read(Request { name: b"SIPDefault.cnf", mode: Mode::Octet, options }));
    }

    #[test]
    fn options_out_of_range_are_ignored() {
        let packet = Packet::parse(
            b"\0\x01a\0octet\0blksize\x007\0timeout\x00300\0windowsize\x000\0blksize\0x\0tsize\0+0\0blksize\0+512\0",
        );
        assert_eq!(packet, Packet::Read(Request { name: b"a", mode: Mode::Octet, options: Options::default() }));
    }

    #[test]
    fn a_datagram_that_is_no_packet_is_illegal() {
        for datagram in [&b""[..], b"\0", b"\0\x09x", b"\0\x04\0", b"\0\x06blksize\08\0"] {
            assert_eq!(Packet::parse(datagram), Packet::Illegal, "{datagram:?}");
        }
        assert_eq!(Packet::parse(b"\0\x03\0\x01x"), Packet::Data);
        let long = [b"\0\x01", [b'a'; 256].as_slice(), b"\0octet\0"].concat();
        for (datagram, why) in [
            (&b"\0\x01"[..], "no zero byte ends the file name"),
            (b"\0\x01a", "no zero byte ends the file name"),
            (b"\0\x01a\0", "the transfer mode is missing"),
            (b"\0\x01a\0octet", "no zero byte ends the transfer mode"),
            (b"\0\x01a\0mail\0", "the transfer mode is neither octet nor netascii"),
            (b"\0\x01\0octet\0", "the file name is empty"),
            (&long, "the file name has more than 255 bytes"),
        ] {
            assert_eq!(Packet::parse(datagram), Packet::IllegalRead(why), "{datagram:?}");
        }
        assert_eq!(Packet::parse(b"\0\x02a\0octet\0"), Packet::Write);
        assert_eq!(Packet::parse(b"\0\x04\x01\x02"), Packet::Ack(258));
        assert_eq!(Packet::parse(b"\0\x05\0\x01no\0"), Packet::Error(1));
    }

    #[test]
    fn names_in_logs_break_no_lines() {
        assert_eq!(printable(b"a\nb\xff"), "a?b\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_packet(datagram in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Packet::parse(&datagram);
        }

        #[test]
        fn any_request_is_read_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Packet::parse(&[&[0, 1], tail.as_slice()].concat());
        }
    }
}
