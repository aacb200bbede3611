//! The addresses and paths on which the chat listens, with TLS or without, and their URLs.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use stentor::server::Endpoint;
use stentor::{Server, ServerBuilder};

use crate::options::{Certificate, Options};

/// The address on which the chat listens by default.
const DEFAULT: &str = "127.0.0.1:8000";

/// Turns TLS on if the options request it; returns the scheme of the page's URL.
#[cfg(feature = "tls")]
pub(crate) fn secure(
    builder: ServerBuilder,
    certificate: Option<&Certificate>,
) -> io::Result<(ServerBuilder, &'static str)> {
    let tls = match certificate {
        None => return Ok((builder, "http")),
        Some(Certificate::Files { certificate, key }) => {
            let tls = stentor::tls::TlsServer::from_files(certificate, key)?;
            #[cfg(unix)]
            crate::signals::reload(tls.clone())?;
            tls
        }
        Some(Certificate::SelfSigned(file)) => self_signed(file.as_deref())?,
    };
    Ok((builder.tls(tls), "https"))
}

#[cfg(not(feature = "tls"))]
pub(crate) fn secure(
    builder: ServerBuilder,
    _: Option<&Certificate>,
) -> io::Result<(ServerBuilder, &'static str)> {
    Ok((builder, "http"))
}

/// Makes a certificate for this machine, and writes it to the file, if there is one.
#[cfg(feature = "self-signed")]
fn self_signed(file: Option<&str>) -> io::Result<stentor::tls::TlsServer> {
    let own = own_addresses();
    let own = own.iter().map(IpAddr::to_string);
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let names: Vec<String> = names.into_iter().chain(own).collect();
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    if let Some(file) = file {
        std::fs::write(file, &certificate)?;
    }
    let tls = stentor::tls::TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?;
    Ok(tls)
}

#[cfg(all(feature = "tls", not(feature = "self-signed")))]
fn self_signed(_: Option<&str>) -> io::Result<stentor::tls::TlsServer> {
    Err(io::Error::other(
        "--self-signed needs the feature self-signed",
    ))
}

/// Returns the trust in the certificates of a file, and in no others.
#[cfg(all(feature = "tls", feature = "redis"))]
pub(crate) fn trusted(file: &std::path::Path) -> io::Result<stentor::tls::TlsClient> {
    let explained = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("--redis-ca {}: {error}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|error| explained(&error))?;
    stentor::tls::TlsClient::trusting_only(&pem).map_err(|error| explained(&error))
}

/// Listens at all places; an error names the place that failed, and a remedy.
pub(crate) fn listen(mut builder: ServerBuilder, options: &Options) -> io::Result<Server> {
    #[cfg(all(feature = "systemd", unix))]
    if options.systemd {
        return builder.systemd().build();
    }
    let places = match &options.places[..] {
        [] => &[DEFAULT.to_owned()],
        places => places,
    };
    // The places by the names that an error of `build` has for them.
    let mut named = Vec::new();
    for place in places {
        if is_path(place) {
            builder = listen_unix(builder, place)?;
            named.push((place.clone(), place));
            continue;
        }
        let addresses = place.to_socket_addrs();
        let addresses = addresses.map_err(|error| explained(place, &error))?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        builder = builder.listen(&addresses[..]);
        named.extend(addresses.iter().map(|address| (address.to_string(), place)));
    }
    builder.build().map_err(|error| {
        let words = error.to_string();
        let failed = named
            .iter()
            .find(|(name, _)| words.contains(&format!(" {name}: ")));
        match failed {
            Some((_, place)) => explained(place, &error),
            None => error,
        }
    })
}

#[cfg(unix)]
fn listen_unix(builder: ServerBuilder, path: &str) -> io::Result<ServerBuilder> {
    Ok(builder.listen_unix(path))
}

#[cfg(not(unix))]
fn listen_unix(_: ServerBuilder, path: &str) -> io::Result<ServerBuilder> {
    let words = format!("{path}: Unix sockets exist on Unix only: give an address, like {DEFAULT}");
    Err(io::Error::new(io::ErrorKind::Unsupported, words))
}

fn is_path(place: &str) -> bool {
    place.contains('/')
}

/// Returns the error with its place and a remedy.
fn explained(place: &str, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => match place.parse::<SocketAddr>() {
            Ok(mut address) => {
                address.set_port(address.port().checked_add(1).unwrap_or(8000));
                format!("end the program that listens there, or try {address}")
            }
            Err(_) => "end the program that listens there, or choose another place".to_owned(),
        },
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 0.0.0.0:8000 stands for all that it has".to_owned()
        }
        io::ErrorKind::PermissionDenied if is_path(place) => {
            "choose a folder that you may write to".to_owned()
        }
        io::ErrorKind::PermissionDenied => "choose a port from 1024 on".to_owned(),
        io::ErrorKind::NotFound if is_path(place) => "create its folder first".to_owned(),
        _ => format!("a place is an address with a port, like {DEFAULT}, or a path with a slash"),
    };
    let (kind, error) = (error.kind(), error.to_string());
    let named = match error.contains(place) {
        true => error,
        false => format!("{place}: {error}"),
    };
    io::Error::new(kind, format!("{named}: {remedy}"))
}

/// Prints the URLs of the page, those for other devices too.
pub(crate) fn announce(server: &Server, scheme: &str) -> io::Result<()> {
    for endpoint in server.endpoints()? {
        let Endpoint::Net(address) = endpoint else {
            println!("chatting at {endpoint}");
            continue;
        };
        if !address.ip().is_unspecified() {
            println!("chatting at {scheme}://{address}/");
            continue;
        }
        // 0.0.0.0 and [::] are all addresses of this machine, and none that a browser can open.
        let here: IpAddr = match address.is_ipv4() {
            true => [127, 0, 0, 1].into(),
            false => [0, 0, 0, 0, 0, 0, 0, 1].into(),
        };
        let url = |ip| format!("{scheme}://{}/", SocketAddr::new(ip, address.port()));
        println!("chatting at {}", url(here));
        let mut own = own_addresses();
        own.retain(|ip| address.is_ipv6() || ip.is_ipv4());
        for ip in &own {
            println!("from other devices at {}", url(*ip));
        }
        if own.is_empty() {
            let port = address.port();
            println!(
                "from other devices at {scheme}://ADDRESS:{port}/: no ADDRESS was found, so look for one in this machine's network settings"
            );
        }
    }
    Ok(())
}

/// Returns the addresses of this machine towards others, one of each family. A UDP socket has such an address
/// once it is connected, and sends nothing; the target addresses are reserved for examples (RFC 5737, RFC 3849).
fn own_addresses() -> Vec<IpAddr> {
    let outgoing = |from: &str, to: &str| -> io::Result<IpAddr> {
        let socket = UdpSocket::bind(from)?;
        socket.connect(to)?;
        Ok(socket.local_addr()?.ip())
    };
    let kinds = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let own = kinds
        .into_iter()
        .filter_map(|(from, to)| outgoing(from, to).ok());
    own.filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
        .collect()
}
