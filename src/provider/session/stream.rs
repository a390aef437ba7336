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

use crate::provider::session::Settings;
use crate::provider::tls::Trust;

/// A connection. Octets that the encryption has taken count as written.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
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
            let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("\"{name}\" is no name that a certificate can have"))?;
            Some(Encryption { trust, name, settings: OnceLock::new() })
        } else {
            None
        };
        Ok(Self { address: address.to_owned(), encryption })
    }

    /// Connects. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn connect(&self) -> Result<Stream, String> {
        let plain = TcpStream::connect(&self.address).await.map_err(|error| format!("no connection: {error}"))?;
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
        let connecting = TlsConnector::from(settings).connect(encryption.name.clone(), plain);
        connecting.await.map(|stream| Stream::Encrypted(Box::new(stream))).map_err(|error| format!("no encryption: {error}"))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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
        for (address, host) in [("smsc.example.com:2775", "smsc.example.com"), ("192.0.2.1:7890", "192.0.2.1"), ("[2001:db8::1]:2775", "2001:db8::1")]
        {
            assert_eq!(host_of(address), host);
        }
    }
}
