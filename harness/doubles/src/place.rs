//! Where a double listens, by which name it is reached, and whether it speaks TLS. It never answers anybody.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use tokio_rustls::TlsAcceptor;

use super::tls::Identity;

/// Where a double is to be served; by default on 127.0.0.1, on a free port, without TLS.
#[derive(Debug, Clone)]
pub struct Place {
    /// Address to listen on.
    pub ip: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Certificate and key; without them the double speaks plain HTTP.
    pub tls: Option<Identity>,
    /// Host by which a backend reaches the double; by default `localhost` with TLS, else the address.
    pub name: Option<String>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            tls: None,
            name: None,
        }
    }
}

/// A place that has been taken.
pub(super) struct Taken {
    pub(super) listener: TcpListener,
    pub(super) acceptor: Option<TlsAcceptor>,
    /// Scheme, host and port, as a backend is told them.
    pub(super) origin: String,
    /// Host and port alone.
    pub(super) authority: String,
}

impl Place {
    /// The default place, with TLS if there is an identity for it.
    #[must_use]
    pub fn with(tls: Option<Identity>) -> Self {
        Self {
            tls,
            ..Self::default()
        }
    }

    /// Listens here.
    pub(super) fn take(&self) -> io::Result<Taken> {
        let listener = TcpListener::bind(SocketAddr::new(self.ip, self.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (scheme, host) = match &self.tls {
            Some(_) => ("https", "localhost".to_owned()),
            None => ("http", reachable(self.ip)),
        };
        let authority = format!("{}:{port}", self.name.clone().unwrap_or(host));
        Ok(Taken {
            listener,
            acceptor: self.tls.as_ref().map(Identity::acceptor),
            origin: format!("{scheme}://{authority}"),
            authority,
        })
    }
}

/// The address as the host of a URL. Nobody can connect to "all addresses", so loopback stands for them.
fn reachable(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
