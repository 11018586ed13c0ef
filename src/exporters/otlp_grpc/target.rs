//! What may stand in `endpoint`.

use http::uri::Authority;

/// A server's name and port, and whether the endpoint itself says how to speak to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) scheme: Scheme,
}

/// What the endpoint's scheme says about TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    /// `http://`: plaintext, whatever `tls` says.
    Http,
    /// `https://`: TLS, even with `tls.insecure`.
    Https,
    /// None: `tls.insecure` decides.
    Unsaid,
}

impl Target {
    /// Reads `host:port` with or without `http://`, `https://`, `dns:///`, `passthrough:///`.
    ///
    /// # Errors
    /// A message for the operator.
    pub(super) fn parse(endpoint: &str) -> Result<Self, String> {
        let endpoint = endpoint.trim();
        if endpoint.is_empty() {
            return Err("endpoint is missing, set it to the server's host:port".to_owned());
        }
        let (scheme, rest) = split_scheme(endpoint)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let problem = |what: &str| format!("endpoint is {endpoint:?}, {what}");
        if rest.contains('/') {
            return Err(problem("gRPC has no path, keep only host:port"));
        }
        let authority: Authority = rest.parse().map_err(|_| problem("must be host:port"))?;
        let port = authority.port_u16().filter(|port| *port > 0);
        let port = port.ok_or_else(|| problem("must end in a port: host:4317"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || rest.contains('@') {
            return Err(problem("must be host:port"));
        }
        Ok(Self { host, port, scheme })
    }

    /// Returns `host:port`, an IPv6 address in brackets.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn split_scheme(endpoint: &str) -> Result<(Scheme, &str), String> {
    for (prefix, scheme) in [
        ("http://", Scheme::Http),
        ("https://", Scheme::Https),
        ("dns:///", Scheme::Unsaid),
        ("passthrough:///", Scheme::Unsaid),
        ("dns:", Scheme::Unsaid),
    ] {
        if let Some(rest) = endpoint.strip_prefix(prefix) {
            if rest.starts_with("//") {
                return Err(format!(
                    "endpoint is {endpoint:?}, a resolver of one's own is not supported, use dns:///"
                ));
            }
            return Ok((scheme, rest));
        }
    }
    match endpoint.split_once("://") {
        Some((other, _)) => Err(format!("endpoint has scheme {other:?}, must be http, https, dns or none")),
        None => Ok((Scheme::Unsaid, endpoint)),
    }
}
