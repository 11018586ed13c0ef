//! One request for a token, over one connection.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use transport::ClientTls;

use super::{
    answer::{self, Token},
    source::Credentials,
};

/// A longer answer is none.
const MAX_ANSWER: usize = 1 << 20;

/// Where the client says who it is: RFC 6749, section 2.3.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Header,
    Form,
}

pub(super) struct Asker<'a> {
    pub(super) url: &'a Uri,
    pub(super) credentials: &'a Credentials,
    pub(super) tls: ClientTls,
    /// The one that the server has taken.
    pub(super) style: Style,
}

impl Asker<'_> {
    /// Asks in the style that worked last, and in the other when that is refused.
    ///
    /// # Errors
    /// What went wrong, without any secret.
    pub(super) async fn ask(&mut self) -> Result<Token, String> {
        let (status, body) = self.send(self.style).await?;
        if !matches!(status, 400 | 401) {
            return answer::read(status, &body);
        }
        let other = if self.style == Style::Header { Style::Form } else { Style::Header };
        let (second, body_of_second) = self.send(other).await?;
        let token = answer::read(second, &body_of_second);
        if token.is_ok() {
            self.style = other;
            return token;
        }
        answer::read(status, &body)
    }

    async fn send(&self, style: Style) -> Result<(u16, Bytes), String> {
        let request = self.request(style)?;
        let authority = self.url.authority().ok_or("token_url names no host")?;
        let host = authority.host().trim_matches(['[', ']']);
        let is_tls = self.url.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let at =
            |problem: &dyn std::fmt::Display| format!("{authority} can not be asked for a token: {problem}");
        let tcp = TcpStream::connect((host, port)).await.map_err(|problem| at(&problem))?;
        if !is_tls {
            return exchange(tcp, request).await.map_err(|problem| at(&problem));
        }
        let trust = self.tls.get().await.map_err(|problem| at(&problem))?;
        let name = self.tls.config().server_name(host).map_err(|problem| at(&problem))?;
        let stream = TlsConnector::from(trust).connect(name, tcp).await.map_err(|problem| at(&problem))?;
        exchange(stream, request).await.map_err(|problem| at(&problem))
    }

    fn request(&self, style: Style) -> Result<Request<Full<Bytes>>, String> {
        let Credentials { id, secret, form } = self.credentials;
        let (id, secret) = (id.text(), secret.text());
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form {
            body.append_pair(name, value.expose());
        }
        if style == Style::Form {
            body.append_pair("client_id", id.expose()).append_pair("client_secret", secret.expose());
        }
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body.finish())))
            .map_err(|problem| problem.to_string())?;
        if style == Style::Header {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = format!("{}:{}", encoded(id.expose()), encoded(secret.expose()));
            let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(both.as_bytes())))
                .expect("base64 is legal in a header");
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), component::BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?;
        Ok::<_, component::BoxError>((status, body.to_bytes()))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}
