//! Certificates for the doubles: an authority made for the occasion, and a server certificate of its own.
//!
//! It never keeps the authority's key: whoever trusts `ca.pem` trusts this one server certificate and no other.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::{clock, pem::pem};

/// The names that a Worker may know the doubles by: on this machine, or in Cloudflare's place by way of `/etc/hosts`.
pub const NAMES: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "gateway.ai.cloudflare.com",
    "*.cloudflareaccess.com",
];
/// Certificates of longer life are refused by some clients: Apple's limit for public ones is 398 days.
const LIFE: Duration = Duration::days(390);
/// A kept certificate is replaced when less than this is left: a working day must not end in the middle.
const LEFT_MIN: Duration = Duration::days(2);

/// The authority that a backend is to trust.
pub const CA_FILE: &str = "ca.pem";
const CERTIFICATE_FILE: &str = "server.pem";
const KEY_FILE: &str = "server-key.pem";
/// Says that the files are ours, for which names and until when.
const NOTE_FILE: &str = "made-by-moltproof.json";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name that no certificate can carry, or a library that refused.
    #[error("no certificate can be made")]
    Certificate(#[from] rcgen::Error),
    /// Certificate and key do not fit each other or TLS.
    #[error("certificate and key cannot be used for TLS")]
    Unusable(#[from] tokio_rustls::rustls::Error),
    /// A file is no PEM of what it should hold.
    #[error("{path} is not readable as PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: tokio_rustls::rustls::pki_types::pem::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Certificate and key of the doubles, and the authority that vouches for them.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    ca_pem: String,
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    names: Vec<String>,
    not_after: i64,
}

/// The three files of an identity, in PEM.
struct Files {
    ca: String,
    certificate: String,
    key: String,
    not_after: OffsetDateTime,
}

impl Identity {
    /// A fresh one for these names, kept nowhere.
    ///
    /// # Errors
    /// When a name is none, or the cryptographic library refuses.
    pub fn generate(names: &[String]) -> Result<Self, TlsError> {
        let files = Files::generate(names)?;
        Self::of(&files, Path::new("memory"))
    }

    /// The one that lies in a folder; made there when there is none, or ours is for other names or about to end.
    /// Files of somebody else are used as they are.
    ///
    /// # Errors
    /// When files cannot be read, written or used.
    pub fn in_folder(folder: &Path, names: &[String]) -> Result<Self, TlsError> {
        let made_here = read(&folder.join(NOTE_FILE)).ok();
        let has = |name: &str| folder.join(name).exists();
        let is_usable = match made_here {
            Some(note) => has(KEY_FILE) && still_good(&note, names),
            // Even one file of somebody else is not ours to replace: what is missing is told.
            None => [CA_FILE, CERTIFICATE_FILE, KEY_FILE].into_iter().any(has),
        };
        if !is_usable {
            Files::generate(names)?.write(folder, names)?;
        }
        let files = Files {
            ca: read(&folder.join(CA_FILE))?,
            certificate: read(&folder.join(CERTIFICATE_FILE))?,
            key: read(&folder.join(KEY_FILE))?,
            not_after: OffsetDateTime::UNIX_EPOCH,
        };
        Self::of(&files, folder)
    }

    /// What a backend is to trust, in PEM: the text for the file of `NODE_EXTRA_CA_CERTS`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    fn of(files: &Files, folder: &Path) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(files.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|source| TlsError::Pem {
                path: folder.join(CERTIFICATE_FILE),
                source,
            })?;
        let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).map_err(|source| {
            TlsError::Pem {
                path: folder.join(KEY_FILE),
                source,
            }
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // The doubles speak nothing else; a client that offers HTTP/2 must hear so.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            ca_pem: files.ca.clone(),
        })
    }
}

impl Files {
    fn generate(names: &[String]) -> Result<Self, TlsError> {
        let now = OffsetDateTime::UNIX_EPOCH + clock::since_epoch();
        // A day ago: the other side's clock may be behind.
        let (not_before, not_after) = (now - Duration::DAY, now + LIFE);
        let mut authority = CertificateParams::default();
        authority.distinguished_name = called("Moltproof doubles, authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (authority.not_before, authority.not_after) = (not_before, not_after);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut server = CertificateParams::new(names.to_vec())?;
        server.distinguished_name = called("Moltproof doubles");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        (server.not_before, server.not_after) = (not_before, not_after);
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        Ok(Self {
            ca: pem("CERTIFICATE", authority.der()),
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", key.serialized_der()),
            not_after,
        })
    }

    fn write(&self, folder: &Path, names: &[String]) -> Result<(), TlsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| TlsError::File { path, source }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let note = Note {
            names: names.to_vec(),
            not_after: self.not_after.unix_timestamp(),
        };
        let note = serde_json::to_string(&note).unwrap_or_default();
        let public = [
            (CA_FILE, &self.ca),
            (CERTIFICATE_FILE, &self.certificate),
            (NOTE_FILE, &note),
        ];
        let path = folder.join(KEY_FILE);
        write_private(&path, &self.key).map_err(failed(&path))?;
        for (name, text) in public {
            let path = folder.join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        Ok(())
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

fn still_good(note: &str, names: &[String]) -> bool {
    let now = OffsetDateTime::UNIX_EPOCH + clock::since_epoch();
    serde_json::from_str::<Note>(note)
        .is_ok_and(|note| note.names == names && note.not_after > (now + LEFT_MIN).unix_timestamp())
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file is readable by its owner alone from its first moment, and stays so when it gets its name.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
