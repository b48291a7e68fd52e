//! Addresses and links, by the few netlink messages that they take; a root image need not hold `ip`.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// `RTM_NEWLINK` and `RTM_NEWADDR` of linux/rtnetlink.h.
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_ACK`, and with `NLM_F_CREATE | NLM_F_REPLACE`.
const REQUEST: u16 = 0x1 | 0x4;
const CREATE: u16 = REQUEST | 0x400 | 0x100;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `IFF_UP`.
const UP: u32 = 1;

struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    fn open() -> Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .context("open a netlink socket")?;
        Ok(Self { socket })
    }

    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> Result<()> {
        let length = u32::try_from(16 + body.len()).context("netlink message too long")?;
        let mut message = Vec::with_capacity(16 + body.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(body);
        let fd = self.socket.as_raw_fd();
        sendto(fd, &message, &NetlinkAddr::new(0, 0), MsgFlags::empty()).context("send to netlink")?;
        let mut answer = [0; 4096];
        let read = recv(fd, &mut answer, MsgFlags::empty()).context("receive from netlink")?;
        let answer = answer.get(..read).unwrap_or_default();
        let kind = answer
            .get(4..6)
            .and_then(|b| b.try_into().ok())
            .map(u16::from_ne_bytes);
        let code = answer
            .get(16..20)
            .and_then(|b| b.try_into().ok())
            .map(i32::from_ne_bytes);
        match (kind, code) {
            (Some(ERROR), Some(0)) => Ok(()),
            (Some(ERROR), Some(code)) => Err(nix::Error::from_raw(-code)).context("netlink refused"),
            _ => bail!("netlink answered something else"),
        }
    }

    fn up(&self, index: u32) -> Result<()> {
        let mut body = vec![0; 4];
        body.extend_from_slice(&index.to_ne_bytes());
        body.extend_from_slice(&UP.to_ne_bytes());
        body.extend_from_slice(&UP.to_ne_bytes());
        self.ask(NEW_LINK, REQUEST, &body)
    }

    fn address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<()> {
        /// `AF_INET`, and the attributes `IFA_ADDRESS` and `IFA_LOCAL` with their length of 8.
        const INET: u8 = 2;
        let mut body = vec![INET, prefix, 0, 0];
        body.extend_from_slice(&index.to_ne_bytes());
        for attribute in [1_u16, 2] {
            body.extend_from_slice(&8_u16.to_ne_bytes());
            body.extend_from_slice(&attribute.to_ne_bytes());
            body.extend_from_slice(&address.octets());
        }
        self.ask(NEW_ADDRESS, CREATE, &body)
    }
}

fn index(name: &str) -> Result<u32> {
    nix::net::if_::if_nametoindex(name).with_context(|| format!("find network interface {name}"))
}

/// Brings the loopback interface of the current network namespace up.
pub fn loopback_up() -> Result<()> {
    Netlink::open()?.up(index("lo")?).context("bring lo up")
}

/// Gives the VM's network card its fixed address. There is no route: only the host's proxy is to be reached.
pub fn configure() -> Result<()> {
    loopback_up()?;
    for entry in std::fs::read_dir("/sys/class/net").context("list /sys/class/net")? {
        let name = entry.context("list /sys/class/net")?.file_name();
        let name = name.to_string_lossy();
        if name == "lo" {
            continue;
        }
        let (netlink, card) = (Netlink::open()?, index(&name)?);
        netlink.up(card).with_context(|| format!("bring {name} up"))?;
        return netlink
            .address(card, Ipv4Addr::new(10, 0, 2, 15), 24)
            .with_context(|| format!("give {name} its address"));
    }
    bail!("the VM has no network card")
}
