//! Formats, and types of metrics.

/// In which format a target answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Text,
    OpenMetrics,
}

/// The type of a metric, as `# TYPE` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    Unknown,
}

impl Dialect {
    /// Reads a `Content-Type`; none where it names neither format.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Self::OpenMetrics)
        } else {
            media_type.eq_ignore_ascii_case("text/plain").then_some(Self::Text)
        }
    }
}

impl Kind {
    pub(super) fn parse(name: &str, dialect: Dialect) -> Option<Self> {
        Some(match (name, dialect) {
            ("counter", _) => Self::Counter,
            ("gauge", _) => Self::Gauge,
            ("histogram", _) => Self::Histogram,
            ("summary", _) => Self::Summary,
            ("untyped", Dialect::Text) | ("unknown", Dialect::OpenMetrics) => Self::Unknown,
            ("gaugehistogram", Dialect::OpenMetrics) => Self::GaugeHistogram,
            ("info", Dialect::OpenMetrics) => Self::Info,
            ("stateset", Dialect::OpenMetrics) => Self::StateSet,
            _ => return None,
        })
    }

    /// The name that OpenMetrics gives it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }
}
