//! The API of a running service.

use std::{fs, ops::ControlFlow, path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{HeaderValue, Method, Request, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::Value;

use crate::http_client::{Followed, HttpClient, Server, TlsFiles, base_of, encoded};

const PATIENCE: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 64 << 20;
const ROOT: &str = "/api/v1";

/// Which service is asked, and how its answer is written.
#[derive(Args, Clone)]
pub(crate) struct ApiArgs {
    /// Where the extension `api` of the running service listens
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TRUELINE_API",
        default_value = "http://localhost:8390"
    )]
    api: String,
    /// File that holds the token; without it, the token is taken from TRUELINE_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File of the authorities to trust in place of the system's, where the API is served over https
    #[arg(long, global = true, value_name = "FILE", env = "TRUELINE_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Which component answers, where several do
    #[arg(long, global = true, value_name = "ID")]
    component: Option<String>,
    /// How the answer is written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// For people
    Text,
    /// As the service gives it
    Json,
}

/// The variable that holds the token. It is no option, as others see the options of a process.
const TOKEN: &str = "TRUELINE_TOKEN";

/// A running service.
pub(crate) struct Service {
    http: HttpClient,
    base: String,
    component: Option<String>,
}

impl Service {
    /// # Errors
    /// When the address or the token can not be used.
    pub(crate) fn of(args: &ApiArgs) -> anyhow::Result<Self> {
        let base = base_of("--api", &args.api)?;
        let token = match &args.token_file {
            Some(file) => Some(
                fs::read_to_string(file)
                    .with_context(|| format!("--token-file: {} can not be read", file.display()))?,
            ),
            None => std::env::var(TOKEN).ok(),
        };
        let mut headers = Vec::new();
        if let Some(token) = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()) {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .context("the token holds characters that no header can hold")?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        let files = TlsFiles::of_options(args.ca_file.as_deref(), None, None);
        let server = Server { base: &base, files };
        let http = HttpClient::new(&server, headers, PATIENCE, MAX_ANSWER_BYTES)?;
        Ok(Self { http, base, component: args.component.clone() })
    }

    /// Asks for something: the parts of a path after `/api/v1`, and parameters.
    ///
    /// # Errors
    /// What the service says when it refuses.
    pub(crate) fn get(&self, path: &[&str], parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, parameters, &Value::Null)
    }

    /// Asks every component that has a topic; none where no component has it.
    ///
    /// # Errors
    /// What the service says when it refuses.
    pub(super) fn get_of_each(
        &self,
        topic: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<Vec<(String, Value)>> {
        let topics = self.send(Method::GET, &[], &[], &Value::Null)?;
        let components = topics["topics"][topic].as_array().map_or(&[][..], Vec::as_slice);
        let ask = |component: &Value| {
            let component = component.as_str().unwrap_or_default();
            let parameters: Vec<_> = parameters.iter().copied().chain([("component", component)]).collect();
            let answer = self.send(Method::GET, &[topic], &parameters, &Value::Null)?;
            Ok((component.to_owned(), answer))
        };
        components.iter().map(ask).collect()
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// What the service says when it refuses.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &[&str],
        parameters: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        let component = self.component.as_deref().map(|component| ("component", component));
        let parameters: Vec<_> = parameters.iter().copied().chain(component).collect();
        self.send(method, path, &parameters, body)
    }

    fn send(
        &self,
        method: Method,
        path: &[&str],
        parameters: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        let uri = self.uri(path, parameters);
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder().method(method).uri(&uri).body(Full::new(body))?;
        let (status, answer) = self.http.send(request)?;
        let read: Option<Value> = serde_json::from_slice(&answer).ok();
        match (status, read) {
            (200..=299, Some(value)) => Ok(value),
            (200..=299, None) => bail!("{uri} answers with something that is no JSON; is it a trueline?"),
            (status, _) => Err(refusal(&uri, status, &answer)),
        }
    }

    /// Asks for lines and hands each over as it comes, without its end, until there are no more or enough have come.
    ///
    /// # Errors
    /// What the service says when it refuses.
    pub(crate) fn follow(
        &self,
        path: &[&str],
        parameters: &[(&str, &str)],
        take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> anyhow::Result<Followed> {
        let uri = self.uri(path, parameters);
        let request = Request::builder().uri(&uri).body(Full::default())?;
        match self.http.follow(request, take)? {
            Ok(followed) => Ok(followed),
            Err((status, answer)) => Err(refusal(&uri, status, &answer)),
        }
    }

    fn uri(&self, path: &[&str], parameters: &[(&str, &str)]) -> String {
        let mut uri = format!("{}{ROOT}", self.base);
        path.iter().for_each(|part| uri += &format!("/{}", encoded(part)));
        for (index, (name, value)) in parameters.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            uri += &format!("{mark}{}={}", encoded(name), encoded(value));
        }
        uri
    }
}

/// What the service says, or what it looks like.
fn refusal(uri: &str, status: u16, answer: &[u8]) -> anyhow::Error {
    let read: Option<Value> = serde_json::from_slice(answer).ok();
    match read.as_ref().and_then(|value| value["error"].as_str()) {
        Some(problem) => anyhow!("{problem}"),
        None => anyhow!("{uri} answers with status {status}; is it the extension `api` of a trueline?"),
    }
}
