//! The connection itself: TCP, encrypted or not.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::provider::line::session::Settings;
use crate::provider::tls::Trust;

/// A connection. Octets that the encryption has taken count as written.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether it is encrypted: then a failed write may have written some of what it was given.
    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted(_))
    }
}

/// Where connections come from.
pub(super) struct Door {
    address: String,
    encryption: Option<Encryption>,
}

struct Encryption {
    trust: Trust,
    name: ServerName<'static>,
    /// Made at the first connection. A failure is not kept.
    settings: OnceLock<Arc<ClientConfig>>,
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Door {
    /// # Errors
    /// Which file or name cannot be used.
    pub(super) fn new(address: &str, settings: &Settings) -> Result<Self, String> {
        let encryption = if settings.tls {
            let identity = settings.tls_cert_file.as_deref().zip(settings.tls_key_file.as_deref());
            let trust = Trust::read(settings.tls_ca_file.as_deref(), identity)?;
            let name = settings.tls_server_name.as_deref().unwrap_or_else(|| host_of(address));
            let name = ServerName::try_from(name.to_owned())
                .map_err(|_| format!("\"{name}\" is no name that a certificate can have"))?;
            Some(Encryption { trust, name, settings: OnceLock::new() })
        } else {
            None
        };
        Ok(Self { address: address.to_owned(), encryption })
    }

    /// Connects, and tells how far it is. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn connect(&self, so_far: impl Fn(&str) + Send + Sync) -> Result<Stream, String> {
        so_far("the connection has no answer so far");
        let plain =
            TcpStream::connect(&self.address).await.map_err(|error| format!("no connection: {error}"))?;
        // Several requests go out in one write anyway; none should wait for the answer to an earlier one.
        plain.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
        let Some(encryption) = &self.encryption else { return Ok(Stream::Plain(plain)) };
        let settings = match encryption.settings.get() {
            Some(settings) => Arc::clone(settings),
            None => {
                let made = Arc::new(encryption.trust.settings()?);
                Arc::clone(encryption.settings.get_or_init(|| made))
            }
        };
        so_far(
            "the connection is made, and its encryption has no answer so far; does the carrier speak TLS at \
             this port?",
        );
        let connecting = TlsConnector::from(settings).connect(encryption.name.clone(), plain);
        connecting
            .await
            .map(|stream| Stream::Encrypted(Box::new(stream)))
            .map_err(|error| no_encryption(&error))
    }
}

/// Why a connection is not encrypted, with what is likely wrong.
fn no_encryption(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("no encryption: the carrier does not answer in TLS at this port ({error})")
        }
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            format!(
                "no encryption: the carrier ended the connection; does it speak TLS at this port? ({error})"
            )
        }
        _ => format!("no encryption: {error}"),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        for (address, host) in [
            ("smsc.example.com:2775", "smsc.example.com"),
            ("192.0.2.1:7890", "192.0.2.1"),
            ("[2001:db8::1]:2775", "2001:db8::1"),
        ] {
            assert_eq!(host_of(address), host);
        }
    }
}
