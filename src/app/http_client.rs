//! An HTTP client for commands that ask one server and wait for its answers.

use std::{fmt, ops::ControlFlow, path::Path, time::Duration};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::runtime::Runtime;

use crate::trust::{self, TlsProblem};

/// Nothing answers at the address.
#[derive(Debug)]
pub(crate) struct Unreached {
    uri: Uri,
    problem: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not answer: {}", self.uri, self.problem)
    }
}

impl std::error::Error for Unreached {}

/// An answer is larger than it may be.
#[derive(Debug)]
pub(crate) struct TooLarge {
    max_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is larger than {} MiB", self.max_bytes >> 20)
    }
}

impl std::error::Error for TooLarge {}

/// How an answer that comes in lines was followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Followed {
    /// Until it ended, or enough had come.
    ToTheEnd,
    /// Until Ctrl-C.
    Interrupted,
}

/// Connections that are kept for the next request.
pub(crate) type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes connections over HTTP/1.1, with TLS where the URL says so.
pub(crate) fn pool(tls: ClientConfig) -> Pool {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls);
    Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().wrap_connector(tcp))
}

/// One server, over HTTP/1.1.
pub(crate) struct HttpClient {
    pool: Pool,
    runtime: Runtime,
    headers: Vec<(HeaderName, HeaderValue)>,
    patience: Duration,
    max_answer_bytes: usize,
}

/// How to reach a server.
pub(crate) struct Server<'a> {
    /// As [`base_of`] returns it.
    pub(crate) base: &'a str,
    pub(crate) files: TlsFiles<'a>,
}

/// Whom to trust, and who we are, by the names under which people write that.
#[derive(Clone, Copy)]
pub(crate) struct TlsFiles<'a> {
    /// Authorities to trust in place of the system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// Our own certificate and its key: both or none.
    pub(crate) cert_file: Option<&'a Path>,
    pub(crate) key_file: Option<&'a Path>,
    pub(crate) names: [&'static str; 3],
}

impl<'a> TlsFiles<'a> {
    /// Makes those of the command line.
    pub(crate) fn of_options(
        ca_file: Option<&'a Path>,
        cert_file: Option<&'a Path>,
        key_file: Option<&'a Path>,
    ) -> Self {
        Self { ca_file, cert_file, key_file, names: ["--ca-file", "--cert-file", "--key-file"] }
    }
}

impl Server<'_> {
    /// Nothing is read for a server that speaks no TLS.
    fn tls(&self) -> anyhow::Result<ClientConfig> {
        let TlsFiles { ca_file, cert_file, key_file, names } = self.files;
        let [ca_name, cert_name, key_name] = names;
        let set = [(ca_name, ca_file), (cert_name, cert_file), (key_name, key_file)];
        if !self.base.starts_with("https:") {
            if let Some((name, _)) = set.iter().find(|(_, file)| file.is_some()) {
                bail!("{name} is for https, but the URL is `{}`; write https, or leave it out", self.base)
            }
            return Ok(trust::client(RootCertStore::empty()).with_no_client_auth());
        }
        let roots = match ca_file {
            None => trust::of_system(),
            Some(path) => trust::of_file(ca_name, path, &trust::read(ca_name, path)?)?,
        };
        let client = trust::client(roots);
        match (cert_file, key_file) {
            (None, None) => Ok(client.with_no_client_auth()),
            (Some(cert), Some(key)) => {
                let chain = trust::certificates(cert_name, cert, &trust::read(cert_name, cert)?)?;
                let pem = trust::read(key_name, key)?;
                let private = PrivateKeyDer::from_pem_slice(&pem)
                    .map_err(|problem| TlsProblem::new(key_name, key, &problem))?;
                let fits = client.with_client_auth_cert(chain, private);
                Ok(fits.map_err(|problem| TlsProblem::new(key_name, key, &problem))?)
            }
            _ => bail!("{cert_name} and {key_name} belong together; write both"),
        }
    }
}

impl HttpClient {
    /// Makes a client that sends `headers` with every request, waits so long for an answer, and takes none that is
    /// larger.
    ///
    /// # Errors
    /// When the authorities can not be read.
    pub(crate) fn new(
        server: &Server<'_>,
        headers: Vec<(HeaderName, HeaderValue)>,
        patience: Duration,
        max_answer_bytes: usize,
    ) -> anyhow::Result<Self> {
        let pool = pool(server.tls()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { pool, runtime, headers, patience, max_answer_bytes })
    }

    /// Sends a request and returns the status and the body of the answer.
    ///
    /// # Errors
    /// [`Unreached`], or what was wrong with the answer.
    pub(crate) fn send(&self, mut request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let patience = self.patience;
        self.runtime.block_on(async {
            let answered = tokio::time::timeout(patience, self.answer(request)).await;
            answered.unwrap_or_else(|_elapsed| bail!("no answer within {patience:?}"))
        })
    }

    /// Sends a request and hands over each line of the answer as it comes, without its end. A line is as long as an
    /// answer may be at most. Returns status and body of an answer that is no success.
    ///
    /// # Errors
    /// [`Unreached`], or what was wrong with the answer.
    pub(crate) fn follow(
        &self,
        mut request: Request<Full<Bytes>>,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> anyhow::Result<Result<Followed, (u16, Bytes)>> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        self.runtime.block_on(async {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.context("Ctrl-C can not be caught")?;
                    Ok(Ok(Followed::Interrupted))
                }
                followed = self.lines(request, &mut take) => followed,
            }
        })
    }

    async fn lines(
        &self,
        request: Request<Full<Bytes>>,
        take: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> anyhow::Result<Result<Followed, (u16, Bytes)>> {
        let patience = self.patience;
        let answer = tokio::time::timeout(patience, self.head(request)).await;
        let answer = answer.unwrap_or_else(|_elapsed| bail!("no answer within {patience:?}"))?;
        if !answer.status().is_success() {
            return self.whole(answer).await.map(Err);
        }
        let (mut body, mut rest) = (answer.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the answer did not come whole")?;
            let Ok(data) = frame.into_data() else { continue };
            rest.extend_from_slice(&data);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if take(&line[..end]).is_break() {
                    return Ok(Ok(Followed::ToTheEnd));
                }
            }
            if rest.len() > self.max_answer_bytes {
                return Err(TooLarge { max_bytes: self.max_answer_bytes }.into());
            }
        }
        Ok(Ok(Followed::ToTheEnd))
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        let answer = self.head(request).await?;
        self.whole(answer).await
    }

    async fn head(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        let uri = request.uri().clone();
        let answer = match self.pool.request(request).await {
            Ok(answer) => answer,
            Err(problem) if problem.is_connect() => {
                // The outer error says only that connecting failed.
                let problem = anyhow::Error::from(problem).root_cause().to_string();
                return Err(Unreached { uri, problem }.into());
            }
            Err(problem) => return Err(problem.into()),
        };
        Ok(answer)
    }

    async fn whole(&self, answer: Response<Incoming>) -> anyhow::Result<(u16, Bytes)> {
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), self.max_answer_bytes).collect().await;
        let body = body.map_err(|problem| match problem.is::<LengthLimitError>() {
            true => TooLarge { max_bytes: self.max_answer_bytes }.into(),
            false => anyhow!(problem).context("the answer did not come whole"),
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// Reads the address of a server: `http://HOST:PORT` or `https://HOST:PORT`, perhaps with a path.
///
/// # Errors
/// Names the option and what is right.
pub(crate) fn base_of(option: &str, url: &str) -> anyhow::Result<String> {
    let wrong = || format!("{option} is `{url}`, must be http://HOST:PORT or https://HOST:PORT");
    let base = url.trim_end_matches('/').to_owned();
    let uri: Uri = base.parse().with_context(wrong)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        bail!(wrong());
    }
    Ok(base)
}

/// All but unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns a text as it may stand in a path, in a query and in a form.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_encoded_byte_by_byte() {
        assert_eq!(encoded("rate(a_b[5m]) + é").to_string(), "rate%28a_b%5B5m%5D%29%20%2B%20%C3%A9");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_option() {
        assert_eq!(base_of("--api", "http://localhost:8390/").unwrap(), "http://localhost:8390");
        for wrong in ["localhost:8390", "ftp://host", "http://a b", ""] {
            let problem = base_of("--api", wrong).unwrap_err();
            assert!(problem.to_string().contains("--api is"), "{problem}");
        }
    }

    #[test]
    fn authorities_are_read_for_https_alone() {
        let file = Path::new("/no/such/ca.pem");
        let tls = |base, ca_file| Server { base, files: TlsFiles::of_options(ca_file, None, None) }.tls();
        assert!(tls("http://localhost:8390", None).is_ok());
        let problem = tls("https://localhost:8390", Some(file)).unwrap_err().to_string();
        assert!(problem.starts_with("/no/such/ca.pem can not be read"), "{problem}");
        let problem = tls("http://localhost:8390", Some(file)).unwrap_err().to_string();
        assert!(problem.contains("--ca-file is for https"), "{problem}");
        let halves = TlsFiles::of_options(None, Some(file), None);
        let problem = Server { base: "https://localhost", files: halves }.tls().unwrap_err().to_string();
        assert!(problem.contains("--cert-file and --key-file belong together"), "{problem}");
    }
}
