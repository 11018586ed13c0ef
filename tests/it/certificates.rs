//! A certificate authority of a test, in files as operators have them.

use std::{fs, path::Path};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Writes `ca.pem`, `server.pem` and `client.pem` with `server-key.pem` and `client-key.pem`, for `localhost` and
/// `127.0.0.1`; keys for their owner alone.
pub(crate) fn write_certificates(folder: &Path) -> Result<()> {
    let authority = authority()?;
    put(folder, "ca.pem", &authority.pem())?;
    for (name, purpose) in
        [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.extended_key_usages = vec![purpose];
        put(folder, &format!("{name}.pem"), &params.signed_by(&key, &authority)?.pem())?;
        put(folder, &format!("{name}-key.pem"), &key.serialize_pem())?;
    }
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?)
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
