//! Addresses of names, asked of those whom `/etc/resolv.conf` names, after `/etc/hosts`.
//!
//! Not by the C library, as in a static program it can't be relied on; nor by the runtimes, as Go's programs do it by
//! themselves, too, from the same files.

use super::fault::{Fault, Kind};
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Asks for addresses.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Made when the first name is asked for: most of what is asked on loopback needs none.
    resolver: OnceCell<TokioResolver>,
}

/// How long one server is waited for, and how often it is asked.
const PATIENCE: (Duration, usize) = (Duration::from_secs(3), 2);

// === impl Names ===

impl Names {
    /// The addresses of a host, IPv4 first: where IPv6 does not work, it often is not known not to.
    pub(super) async fn find(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let fault = |error: &NetError| Fault::new(Kind::Dns, host, words(error));
        let resolver = self.resolver.get_or_try_init(async || resolver()).await.map_err(|error| fault(&error))?;
        // What has a dot is whole. A search list would ask for `registry.k8s.io.corp.example` first, or after.
        let asked = if host.contains('.') && !host.ends_with('.') { format!("{host}.") } else { host.to_owned() };
        let found = resolver.lookup_ip(asked).await.map_err(|error| fault(&error))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.dedup();
        if addresses.is_empty() { Err(Fault::new(Kind::Dns, host, "it has no address")) } else { Ok(addresses) }
    }
}

fn resolver() -> Result<TokioResolver, NetError> {
    // Without the file, this machine is asked, as by the C library and by Go.
    let mut builder = Resolver::builder_tokio().unwrap_or_else(|_| {
        let here = NameServerConfig::udp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![here]);
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    });
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    (options.timeout, options.attempts) = PATIENCE;
    builder.build()
}

fn words(error: &NetError) -> String {
    if error.is_nx_domain() {
        "there is no such name (NXDOMAIN)".to_owned()
    } else if error.is_no_records_found() {
        "it has no address".to_owned()
    } else if let NetError::Timeout = error {
        "no name server of /etc/resolv.conf answered in time".to_owned()
    } else if let NetError::NoConnections = error {
        "no name server of /etc/resolv.conf could be reached".to_owned()
    } else {
        error.to_string()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]
mod tests {
    use super::*;
    use hickory_resolver::Hosts;
    use hickory_resolver::config::ConnectionConfig;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::net::UdpSocket;
    use tokio::task::JoinSet;

    /// A name server that has an address for `registry.example`, none of any kind for `text.example`, and knows nothing else.
    async fn server(tasks: &mut JoinSet<()>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tasks.spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let _sent = socket.send_to(&answer(&buffer[..length]), from).await;
            }
        });
        address
    }

    /// The question, with what there is to say to it.
    fn answer(query: &[u8]) -> Vec<u8> {
        // After twelve bytes: the name, its type and its class.
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let is = |name: &[u8]| query[12..end - 4].eq_ignore_ascii_case(name);
        let is_known = is(b"\x08registry\x07example\x00");
        let has = is_known && query[end - 3] == 1;
        let code = if is_known || is(b"\x04text\x07example\x00") { 0 } else { 3 };
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(has), 0, 0, 0, 0]);
        answer.extend(&query[12..end]);
        if has {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        }
        answer
    }

    fn asking(server: SocketAddr) -> Names {
        let mut udp = ConnectionConfig::udp();
        udp.port = server.port();
        let mut server = NameServerConfig::udp(server.ip());
        server.connections = vec![udp];
        let search = "corp.example.".parse().unwrap();
        let config = ResolverConfig::from_parts(None, vec![search], vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.options_mut().attempts = 0;
        builder.options_mut().timeout = Duration::from_millis(500);
        let mut resolver = builder.build().unwrap();
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(b"192.0.2.9 here.example\n".as_slice()).unwrap();
        resolver.set_hosts(Arc::new(hosts));
        Names { resolver: OnceCell::new_with(Some(resolver)) }
    }

    #[tokio::test]
    async fn names_are_looked_up_and_what_they_lack_is_said() {
        let mut tasks = JoinSet::new();
        let names = asking(server(&mut tasks).await);
        for (name, address) in [
            ("registry.example", [192, 0, 2, 7]),
            ("REGISTRY.example.", [192, 0, 2, 7]),
            ("here.example", [192, 0, 2, 9]),
            ("127.0.0.1", [127, 0, 0, 1]),
        ] {
            assert_eq!(names.find(name).await, Ok(vec![IpAddr::from(address)]), "{name}");
        }
        for (name, detail) in
            [("gone.example", "there is no such name (NXDOMAIN)"), ("text.example", "it has no address")]
        {
            let fault = names.find(name).await.unwrap_err();
            assert_eq!((fault.kind, &*fault.host, &*fault.detail), (Kind::Dns, name, detail));
        }
        for odd in ["", ".", "..", "a..b", "-", "\u{1b}[2J", &"x".repeat(300), "[::1]"] {
            assert_eq!(names.find(odd).await.unwrap_err().kind, Kind::Dns, "{odd}");
        }
    }

    #[tokio::test]
    async fn without_a_server_that_is_said() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        let fault = asking(address).find("registry.example").await.unwrap_err();
        assert_eq!(fault.kind, Kind::Dns);
        assert!(!fault.detail.is_empty());
    }
}
