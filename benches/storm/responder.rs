//! The bare responder: what no server can be faster than. One socket, batches in and out, and nothing else: no checks, no
//! timers, no counts, no answer from the address that was asked.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

const BATCH: usize = 64;
const BLOCK: usize = 512;

/// Answers until the process is killed.
pub fn run(listen: SocketAddrV4, root: &Path) -> anyhow::Result<()> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut names: HashMap<Vec<u8>, usize, rustc_hash::FxBuildHasher> = HashMap::default();
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        names.insert(entry.file_name().into_encoded_bytes(), files.len());
        files.push(std::fs::read(entry.path())?);
    }
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20));
    socket.bind(&listen.into())?;
    let fd = socket.as_raw_fd();

    let mut peers: HashMap<SockaddrIn, usize, rustc_hash::FxBuildHasher> = HashMap::default();
    let mut buffers = vec![[0u8; 128]; BATCH];
    let mut incoming = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut outgoing = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut received = Vec::with_capacity(BATCH);
    loop {
        received.clear();
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(&mut buffer[..])]).collect();
        for message in recvmmsg(fd, &mut incoming, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)? {
            received.extend(message.address.map(|peer| (peer, message.bytes)));
        }
        let (mut addresses, mut heads) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        for ((peer, len), packet) in received.iter().zip(&buffers) {
            let (file, block) = match packet[1] {
                1 => {
                    let name = packet[2..*len].split(|byte| *byte == 0).next().unwrap_or_default();
                    let Some(file) = names.get(name).copied() else { continue };
                    peers.insert(*peer, file);
                    (file, 1)
                }
                4 => {
                    let Some(file) = peers.get(peer).copied() else { continue };
                    (file, u16::from_be_bytes([packet[2], packet[3]]) + 1)
                }
                _ => continue,
            };
            let from = (usize::from(block) - 1) * BLOCK;
            if from > files[file].len() {
                peers.remove(peer);
                continue;
            }
            let [high, low] = block.to_be_bytes();
            heads.push(([0, 3, high, low], &files[file][from..files[file].len().min(from + BLOCK)]));
            addresses.push(Some(*peer));
        }
        let slices: Vec<[IoSlice<'_>; 2]> =
            heads.iter().map(|(head, data)| [IoSlice::new(head), IoSlice::new(data)]).collect();
        if !slices.is_empty() {
            let _ = sendmmsg(fd, &mut outgoing, &slices, &addresses, [], MsgFlags::empty())?.count();
        }
    }
}
