//! The arguments of the chat.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use stentor::server::TrustedProxies;

use crate::store;

/// The form of the arguments, for the messages of errors.
const USAGE: &str = "usage: chat [--data FILE | --data none | --redis URL [--redis-ca FILE]] [--operator-file FILE] [--grace-period SECONDS] \
    [--metrics ADDRESS | --metrics PORT] [--tls CERTIFICATE KEY | --self-signed[=FILE]] [--proxy NETWORK]... [--trust-forwarded] \
    [ADDRESS | PATH]... | --systemd";

/// The longest grace period, in seconds.
const LONGEST_GRACE: u64 = 3600;

/// The options of one run.
#[derive(Debug)]
pub(crate) struct Options {
    /// Addresses with a port, and paths of Unix sockets.
    pub(crate) places: Vec<String>,
    /// Listens on the sockets that systemd passes.
    pub(crate) systemd: bool,
    pub(crate) certificate: Option<Certificate>,
    /// The file that keeps the messages, or `none`.
    pub(crate) data: String,
    /// The address of the Redis through which several chats share their rooms.
    pub(crate) redis: Option<String>,
    /// The file with the certificates that are trusted at Redis, in PEM.
    #[cfg_attr(
        not(all(feature = "tls", feature = "redis")),
        allow(dead_code, reason = "the option is read, and then rejected")
    )]
    pub(crate) redis_ca: Option<PathBuf>,
    /// The file whose first line is the operators' secret.
    pub(crate) operator_file: Option<PathBuf>,
    /// How long a member whose connection was lost is not announced as left.
    pub(crate) grace_period: Duration,
    /// The proxies that name their clients by the PROXY protocol.
    pub(crate) proxies: TrustedProxies,
    /// Every client comes through a proxy that names it in `X-Forwarded-For`.
    pub(crate) trust_forwarded: bool,
    /// The address of the page of metrics.
    #[cfg_attr(
        not(feature = "prometheus"),
        allow(dead_code, reason = "the option is read, and then rejected")
    )]
    pub(crate) metrics: Option<SocketAddr>,
}

/// The certificate with which the chat proves its name.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "the options are read, and then rejected")
)]
pub(crate) enum Certificate {
    Files {
        certificate: String,
        key: String,
    },
    /// The chat makes one for this run, and writes it to a file, if there is one.
    SelfSigned(Option<String>),
}

impl Options {
    /// Reads the arguments, without the program's name.
    ///
    /// # Errors
    /// The fault, the argument, and the form of the arguments.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            places: Vec::new(),
            systemd: false,
            certificate: None,
            data: store::DEFAULT.to_owned(),
            redis: None,
            redis_ca: None,
            operator_file: None,
            grace_period: Duration::from_secs(5),
            proxies: TrustedProxies::default(),
            trust_forwarded: false,
            metrics: None,
        };
        let mut proxies = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = |needed: &str| match arguments.next() {
                Some(value) => Ok(value),
                None => Err(format!("{argument} needs {needed}: {USAGE}")),
            };
            let (option, file) = match argument.split_once('=') {
                Some(("--self-signed", file)) => ("--self-signed", Some(file.to_owned())),
                _ => (argument.as_str(), None),
            };
            match option {
                "--data" => options.data = value("a file, or none")?,
                "--redis" => options.redis = Some(value("a URL")?),
                "--redis-ca" => options.redis_ca = Some(value("a file")?.into()),
                "--operator-file" => options.operator_file = Some(value("a file")?.into()),
                "--grace-period" => options.grace_period = grace_period(&value("seconds")?)?,
                "--metrics" => {
                    options.metrics = Some(metrics(&value("an address with a port, or a port")?)?);
                }
                "--tls" => {
                    let (certificate, key) = (value("two files")?, value("two files")?);
                    options.certify(Certificate::Files { certificate, key })?;
                }
                "--self-signed" => options.certify(Certificate::SelfSigned(file))?,
                "--proxy" => proxies.push(value("the address of a proxy")?),
                "--trust-forwarded" => options.trust_forwarded = true,
                "--systemd" => options.systemd = true,
                option if option.starts_with('-') => {
                    return Err(format!("{option} is no option here: {USAGE}"));
                }
                place => options.places.push(place.to_owned()),
            }
        }
        options.proxies =
            TrustedProxies::new(proxies).map_err(|error| format!("--proxy: {error}"))?;
        options.checked()
    }

    fn certify(&mut self, certificate: Certificate) -> Result<(), String> {
        match self.certificate.replace(certificate) {
            None => Ok(()),
            Some(_) => Err(format!("two certificates: give one: {USAGE}")),
        }
    }

    fn checked(self) -> Result<Options, String> {
        let needs = |option: &str, feature: &str| {
            let features = format!("cargo run --features {feature} --example chat");
            Err(format!("{option} needs the feature {feature}: {features}"))
        };
        let has_file = ![store::DEFAULT, "none"].contains(&self.data.as_str());
        match &self.certificate {
            Some(Certificate::Files { .. }) if !cfg!(feature = "tls") => needs("--tls", "tls"),
            Some(Certificate::SelfSigned(_)) if !cfg!(feature = "self-signed") => {
                needs("--self-signed", "self-signed")
            }
            _ if self.metrics.is_some() && !cfg!(feature = "prometheus") => {
                needs("--metrics", "prometheus")
            }
            _ if self.redis.is_some() && !cfg!(feature = "redis") => needs("--redis", "redis"),
            _ if self.redis_ca.is_some() && !cfg!(feature = "tls") => needs("--redis-ca", "tls"),
            _ if self.redis_ca.is_some() && self.redis.is_none() => {
                Err(format!("--redis-ca without --redis rediss://…: {USAGE}"))
            }
            _ if self.redis.is_some() && has_file => Err(format!(
                "--redis and --data {}: Redis keeps the messages: give one of them: {USAGE}",
                self.data
            )),
            _ if self.systemd && !cfg!(unix) => {
                Err("--systemd: there is no systemd on this system: give an address".to_owned())
            }
            _ if self.systemd && !cfg!(feature = "systemd") => needs("--systemd", "systemd"),
            _ if self.systemd && !self.places.is_empty() => Err(format!(
                "--systemd and {}: systemd passes all sockets: leave the places out: {USAGE}",
                self.places.join(" ")
            )),
            _ => Ok(self),
        }
    }
}

fn grace_period(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|it| *it <= LONGEST_GRACE);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        format!("--grace-period {text}: give whole seconds, from 0 to {LONGEST_GRACE}")
    })
}

/// Returns the address of the page of metrics: a port alone is one of this machine, which others cannot reach.
fn metrics(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| (Ipv4Addr::LOCALHOST, port).into());
    port.or_else(|_| text.parse()).map_err(|_| {
        format!("--metrics {text}: give a port, or an address with a port, like 127.0.0.1:9100")
    })
}
