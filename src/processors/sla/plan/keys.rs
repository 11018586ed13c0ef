//! Which keys of an indicator belong to which types.

use component::Checks;

use super::objective::Settings;
use crate::sla::config::{CombineConfig, SliConfig, SliType};

/// A key, whether it is written, and the types that take it.
pub(in crate::sla) type Key = (&'static str, bool, &'static [SliType]);

/// Types that are made of spans.
const SPANS: [SliType; 7] = {
    use SliType as T;
    [T::SuccessRate, T::Latency, T::Value, T::Availability, T::Throughput, T::Freshness, T::Workflow]
};

/// Reports keys that the indicator's type does not take, and those that its source makes idle: what is written and not read
/// is a promise that nobody keeps.
pub(super) fn refuse_foreign(settings: &Settings<'_>, checks: &mut Checks) {
    let sli = settings.sli();
    for (key, is_set, types) in keys(sli) {
        if is_set && !types.contains(&sli.r#type) {
            let names: Vec<_> = types.iter().map(|kind| kind.name()).collect();
            let message = format!("{key} is a key of {}, not of {}", names.join(" and "), sli.r#type.name());
            settings.error(checks, &format!("sli.{key}"), message);
        }
    }
    let counted_by = match sli.r#type {
        SliType::SuccessRate if sli.counters.is_some() => "counters",
        SliType::Workflow if sli.started.is_some() || sli.completed.is_some() => "started and completed",
        _ => return,
    };
    let of_spans = ["exclude", "bad", "start", "end", "key"];
    for (key, is_set, types) in keys(sli) {
        if is_set && types.contains(&sli.r#type) && of_spans.contains(&key) {
            let message =
                format!("{key} is asked of spans, and {counted_by} are series; leave one of them out");
            settings.error(checks, &format!("sli.{key}"), message);
        }
    }
}

/// Returns every key but `type`. That none is forgotten the compiler sees to: all fields are named.
pub(in crate::sla) fn keys(sli: &SliConfig) -> [Key; 27] {
    use SliType as T;
    #[rustfmt::skip]
    let SliConfig {
        r#type: _, exclude, bad, counters, targets, within, attribute, lt, gt, between, metric, min, max, slice,
        up_from, silence_is_down, max_age, start, end, started_event, ended_event, key, escalate_after, give_up_after,
        started, completed, of, combine,
    } = sli;
    [
        ("exclude", !exclude.is_empty(), &SPANS),
        ("bad", !bad.is_empty(), &[T::SuccessRate, T::Availability]),
        ("counters", counters.is_some(), &[T::SuccessRate]),
        ("targets", !targets.is_empty(), &[T::Latency]),
        ("within", within.is_some(), &[T::Latency, T::Workflow]),
        ("attribute", attribute.is_some(), &[T::Value]),
        ("lt", lt.is_some(), &[T::Value, T::Metric]),
        ("gt", gt.is_some(), &[T::Value, T::Metric]),
        ("between", between.is_some(), &[T::Value, T::Metric]),
        ("metric", metric.is_some(), &[T::Metric]),
        ("min", min.is_some(), &[T::Throughput]),
        ("max", max.is_some(), &[T::Throughput]),
        ("slice", slice.is_some(), &[T::Throughput, T::Availability, T::Freshness]),
        ("up_from", up_from.is_some(), &[T::Availability]),
        ("silence_is_down", *silence_is_down, &[T::Availability]),
        ("max_age", max_age.is_some(), &[T::Freshness]),
        ("start", !start.is_empty(), &[T::Workflow]),
        ("end", !end.is_empty(), &[T::Workflow]),
        ("started_event", started_event.is_some(), &[T::Workflow]),
        ("ended_event", ended_event.is_some(), &[T::Workflow]),
        ("key", key.is_some(), &[T::Workflow]),
        ("escalate_after", escalate_after.is_some(), &[T::Workflow]),
        ("give_up_after", give_up_after.is_some(), &[T::Workflow]),
        ("started", started.is_some(), &[T::Workflow]),
        ("completed", completed.is_some(), &[T::Workflow]),
        ("of", !of.is_empty(), &[T::Composite]),
        ("combine", *combine != CombineConfig::default(), &[T::Composite]),
    ]
}
