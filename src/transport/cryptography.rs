//! Which ciphers and key exchanges TLS offers, under the collector's names.

use rustls::{
    ProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
};

/// A name in `cipher_suites` or `curve_preferences` that nothing safe answers to.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// `cipher_suites` or `curve_preferences`.
    pub key: &'static str,
    pub index: usize,
    pub name: String,
    /// What may be written in its place.
    pub valid: Vec<String>,
}

impl std::fmt::Display for UnknownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, name, valid, .. } = self;
        write!(f, "{name:?} in {key} is not offered, use some of {}", valid.join(", "))
    }
}

impl std::error::Error for UnknownName {}

/// Returns the ciphers and key exchanges for the collector's two keys; an empty list means all.
///
/// As with the collector, `cipher_suites` chooses among those of TLS 1.2 only: those of 1.3 are always
/// offered. Curves are offered in the order in which they are written.
///
/// # Errors
/// The first name that is not known.
pub fn crypto_provider(cipher_suites: &[String], curves: &[String]) -> Result<CryptoProvider, UnknownName> {
    let mut provider = aws_lc_rs::default_provider();
    if !cipher_suites.is_empty() {
        let name = |suite: &rustls::SupportedCipherSuite| collectors_name(*suite);
        let valid: Vec<String> = provider.cipher_suites.iter().map(name).collect();
        check("cipher_suites", cipher_suites, |wanted| valid.iter().any(|known| known == wanted), &valid)?;
        provider.cipher_suites.retain(|suite| {
            suite.version().version == ProtocolVersion::TLSv1_3 || cipher_suites.contains(&name(suite))
        });
    }
    if !curves.is_empty() {
        let valid: Vec<String> = CURVES.iter().map(|(name, _)| (*name).to_owned()).collect();
        check("curve_preferences", curves, |wanted| curve(wanted).is_some(), &valid)?;
        provider.kx_groups = curves.iter().filter_map(|name| curve(name)).collect();
    }
    Ok(provider)
}

fn check(
    key: &'static str,
    written: &[String],
    is_known: impl Fn(&str) -> bool,
    valid: &[String],
) -> Result<(), UnknownName> {
    match written.iter().position(|name| !is_known(name)) {
        None => Ok(()),
        Some(index) => Err(UnknownName { key, index, name: written[index].clone(), valid: valid.to_vec() }),
    }
}

/// The suites of TLS 1.3 are called without the number, as the registry of IANA has them.
fn collectors_name(suite: rustls::SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

static CURVES: [(&str, &dyn SupportedKxGroup); 4] = [
    ("X25519MLKEM768", aws_lc_rs::kx_group::X25519MLKEM768),
    ("X25519", aws_lc_rs::kx_group::X25519),
    ("P256", aws_lc_rs::kx_group::SECP256R1),
    ("P384", aws_lc_rs::kx_group::SECP384R1),
];

/// Takes `CurveP256` for `P256`, as Go calls it so.
fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    let name = name.strip_prefix("Curve").unwrap_or(name);
    CURVES.iter().find(|(known, _)| *known == name).map(|(_, group)| *group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn suites_of_tls_1_2_are_chosen_and_those_of_1_3_stay() {
        let all = crypto_provider(&[], &[]).unwrap().cipher_suites.len();
        let chosen = crypto_provider(&strings(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]), &[]).unwrap();
        let names: Vec<_> = chosen.cipher_suites.iter().map(|suite| collectors_name(*suite)).collect();
        assert!(names.contains(&"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".to_owned()), "{names:?}");
        assert!(names.contains(&"TLS_AES_128_GCM_SHA256".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("ECDHE_ECDSA")), "{names:?}");
        assert!(names.len() < all);
    }

    #[test]
    fn curves_keep_the_order_in_which_they_are_written() {
        let chosen = crypto_provider(&[], &strings(&["CurveP256", "X25519"])).unwrap();
        let names: Vec<_> = chosen.kx_groups.iter().map(|group| format!("{:?}", group.name())).collect();
        assert_eq!(names, ["secp256r1", "X25519"]);
    }

    #[test]
    fn a_suite_that_is_not_safe_is_refused_with_those_that_are() {
        let suites = strings(&["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_RC4_128_SHA"]);
        let unknown = crypto_provider(&suites, &[]).unwrap_err();
        assert_eq!((unknown.key, unknown.index), ("cipher_suites", 1));
        assert!(unknown.valid.contains(&"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned()), "{unknown}");
        assert_eq!(crypto_provider(&[], &strings(&["P521"])).unwrap_err().key, "curve_preferences");
    }
}
