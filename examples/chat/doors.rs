//! The addresses and paths on which the chat listens, with TLS or without, and their URLs.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use stentor::server::Endpoint;
use stentor::{Server, ServerBuilder};

/// The address on which the chat listens by default.
const DEFAULT: &str = "127.0.0.1:8000";

/// Turns TLS on if the first arguments request it; returns the scheme of the page's URL.
#[cfg(feature = "tls")]
pub(crate) fn secure(
    builder: ServerBuilder,
    arguments: &mut Vec<String>,
) -> io::Result<(ServerBuilder, &'static str)> {
    let tls = match &arguments[..] {
        [option, certificate, key, ..] if option == "--tls" => {
            let tls = stentor::tls::TlsServer::from_files(certificate, key)?;
            reload_on_signals(tls.clone())?;
            arguments.drain(..3);
            tls
        }
        #[cfg(feature = "self-signed")]
        [option, ..] if option.split('=').next() == Some("--self-signed") => {
            let own = own_addresses()
                .into_iter()
                .map(|address| address.to_string());
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let names: Vec<String> = names.into_iter().chain(own).collect();
            let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
            let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
            if let Some((_, file)) = arguments.remove(0).split_once('=') {
                std::fs::write(file, &certificate)?;
            }
            stentor::tls::TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?
        }
        _ => return Ok((builder, "http")),
    };
    Ok((builder.tls(tls), "https"))
}

#[cfg(not(feature = "tls"))]
pub(crate) fn secure(
    builder: ServerBuilder,
    _: &mut Vec<String>,
) -> io::Result<(ServerBuilder, &'static str)> {
    Ok((builder, "http"))
}

/// Reloads the certificate on SIGHUP: clients that connect after the signal receive the new one.
#[cfg(feature = "tls")]
fn reload_on_signals(tls: stentor::tls::TlsServer) -> io::Result<()> {
    use signal_hook::{consts::SIGHUP, iterator::Signals};
    let mut signals = Signals::new([SIGHUP])?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if let Err(error) = tls.reload() {
                log::error!("the old certificate stays: {error}");
            }
        }
    });
    Ok(())
}

/// Listens at all places; an error names the place that failed, and a remedy.
pub(crate) fn listen(mut builder: ServerBuilder, places: &[String]) -> io::Result<Server> {
    #[cfg(feature = "systemd")]
    if places == ["--systemd"] {
        return builder.systemd().build();
    }
    let places = match places {
        [] => &[DEFAULT.to_owned()],
        places => places,
    };
    // The places by the names that an error of `build` has for them.
    let mut named = Vec::new();
    for place in places {
        if is_path(place) {
            builder = builder.listen_unix(place);
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
