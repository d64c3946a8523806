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
