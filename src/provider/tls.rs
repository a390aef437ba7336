//! Encryption towards a vendor: whose word is believed about who the other end is, and how we prove who we
//! are.

use std::path::Path;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Settings that believe the system's authorities. Nothing where these cannot be read, which may be different
/// later. Reading them takes time and memory, so it is done at the first need.
pub(super) fn with_system_authorities() -> Option<ClientConfig> {
    system().map(ConfigBuilder::<ClientConfig, _>::with_no_client_auth)
}

fn system() -> Option<ConfigBuilder<ClientConfig, WantsClientCert>> {
    // One crypto provider for the process; an earlier call may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientConfig::builder().with_platform_verifier().ok()
}

/// What proves who we are: our certificate with its chain, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Whom to believe and what to show, read from files.
pub(super) struct Trust {
    authorities: Option<RootCertStore>,
    identity: Option<Identity>,
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: String| format!("no certificate can be read from {}: {why}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(found) }
}

impl Trust {
    /// Reads the files: the authorities in place of those of the system, and our certificate with its key.
    ///
    /// # Errors
    /// Which of them cannot be used, and why. Never what is in one.
    pub(super) fn read(authorities: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<Self, String> {
        let authorities = match authorities {
            None => None,
            Some(file) => {
                let mut store = RootCertStore::empty();
                for certificate in certificates(file)? {
                    store
                        .add(certificate)
                        .map_err(|error| format!("{} holds no authority: {error}", file.display()))?;
                }
                Some(store)
            }
        };
        let identity = match identity {
            None => None,
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|_| format!("no private key can be read from {}", key.display()))?;
                Some(Identity { chain, key })
            }
        };
        let trust = Self { authorities, identity };
        // Whether the key is that of the certificate does not depend on whom we believe.
        trust.finish(own(trust.authorities.clone().unwrap_or_else(RootCertStore::empty))?)?;
        Ok(trust)
    }

    /// The settings. Can be different the next time where the system's authorities could not be read.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) fn settings(&self) -> Result<ClientConfig, String> {
        self.finish(match &self.authorities {
            Some(authorities) => own(authorities.clone())?,
            None => system().ok_or("the system's certificates cannot be read")?,
        })
    }

    fn finish(&self, builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Result<ClientConfig, String> {
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(Identity { chain, key }) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| format!("our certificate and its key cannot be used: {error}")),
        }
    }
}

fn own(authorities: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(authorities))
}
