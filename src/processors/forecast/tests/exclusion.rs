//! A range of time that is excluded afterwards: forecasts go back with the baselines that they follow.

use component::{ProcessorDef, Snapshot};
use model::{Checkpoint, Forgotten};
use serde::de::DeserializeOwned;

use super::*;
use crate::{
    anomaly::Anomaly,
    baseline::Baseline,
    forecast::{processor::Memory, snapshot},
};

const SETTINGS: &str = "window: 1h\nemit: {metrics: ['*']}\n\
                        capacity: [{name: disk, metric: disk, statistic: mean, capacity: 100}]\n";

fn two_series() -> Vec<Arc<Series>> {
    vec![series(1, "disk"), series(2, "load")]
}

/// On the twentieth day there is a load test of six hours.
fn values(since: u64) -> Vec<f64> {
    let is_load_test = (19 * DAY + 9 * HOUR..19 * DAY + 15 * HOUR).contains(&since);
    let factor = if is_load_test { 6.0 } else { 1.0 };
    vec![
        20.0 + factor * days(since) + normal(1, since),
        factor * (100.0 + 20.0 * daily(since) + normal(2, since)),
    ]
}

fn at(since: u64) -> Timestamp {
    BEGIN + Duration::from_secs(since)
}

fn give(feed: &mut Feed, since: u64, recall: Recall) -> Points {
    let rows: Vec<_> = feed.series.iter().cloned().zip(values(since)).collect();
    let mut rollups = window(since, feed.width, &rows);
    rollups.baseline.as_mut().expect("it was added").recall = recall;
    let mut out = feed.harness.judge(rollups);
    out.pop();
    Points::of(&out.into_iter().filter(|payload| matches!(payload, Payload::Metrics(_))).collect::<Vec<_>>())
}

fn memory(feed: &mut Feed) -> Memory {
    let stored = feed.harness.analysis().snapshot().expect("the state survives a restart");
    snapshot::read(&stored, 0.95).expect("the snapshot is sound")
}

fn learned(feed: &mut Feed) -> Vec<u8> {
    snapshot::write_learned(&memory(feed), 0.95)
}

#[test]
fn forecasts_of_a_range_that_is_excluded_afterwards_are_as_if_it_had_not_been() {
    let [mut asleep, mut awake] = [(); 2].map(|()| Feed::of(SETTINGS, two_series()));
    for since in (0..19 * DAY).step_by(HOUR as usize) {
        give(&mut asleep, since, Recall::default());
    }
    for since in (0..20 * DAY).step_by(HOUR as usize) {
        let is_kept = since == 16 * DAY || since == 19 * DAY;
        let checkpoint = is_kept.then(|| Checkpoint { until: at(since), most: 2 });
        give(&mut awake, since, Recall { checkpoint, forgotten: None });
    }
    let stored = awake.harness.analysis().snapshot().expect("the state survives a restart");
    let [mut rewound, mut kept] = [(); 2].map(|()| {
        let mut feed = Feed::of(SETTINGS, two_series());
        feed.harness.analysis().restore(stored.clone()).expect("the snapshot is sound");
        assert_eq!(
            feed.harness.analysis().snapshot(),
            Some(stored.clone()),
            "earlier states survive a restart"
        );
        feed
    });
    assert_eq!(memory(&mut kept).earlier.states.len(), 2);
    let recall =
        Recall { checkpoint: None, forgotten: Some(Forgotten { from: at(19 * DAY), until: at(20 * DAY) }) };
    let width = |told: &Points| {
        let bound = |bound| told.get(&["load.forecast{", "horizon=24h", &format!("bound={bound}")]);
        bound("upper").zip(bound("lower")).map(|(upper, lower)| upper - lower)
    };
    let mut widths = Vec::new();
    for since in (20 * DAY..22 * DAY).step_by(HOUR as usize) {
        let told = give(&mut rewound, since, recall);
        assert_eq!(told, give(&mut asleep, since, Recall::default()), "{since}");
        widths.push((width(&told), width(&give(&mut kept, since, Recall::default()))));
    }
    assert_eq!(learned(&mut rewound), learned(&mut asleep));
    let (without, with) = widths.last().copied().expect("hours passed");
    let (without, with) = (without.expect("it is told"), with.expect("it is told"));
    assert!(with > 1.5 * without, "what the load test would have done: {with} for {without}");
    assert_eq!(memory(&mut rewound).earlier.states.len(), 2);
    // Without a state from before, all is learned anew.
    let all = Forgotten { from: at(15 * DAY), until: at(22 * DAY) };
    give(&mut kept, 22 * DAY, Recall { checkpoint: None, forgotten: Some(all) });
    let memory = memory(&mut kept);
    assert!(memory.states().all(|(_, state)| state.n_hours == 1) && memory.earlier.states.is_empty());
}

/// Baselines and the two stages that learn behind them.
struct Chain([Harness; 3]);

impl Chain {
    fn new(exclude: &str) -> Self {
        let baseline = format!("window: 1h\ncheckpoints: 2\ncheckpoint_interval: 72h\nexclude: [{exclude}]");
        let anomaly = "window: 1h\ndetectors: [seasonal, novelty]";
        Self([
            harness::<Baseline>(&baseline),
            harness::<Anomaly>(anomaly),
            harness::<Forecast>("window: 1h\nemit: {metrics: ['*']}"),
        ])
    }

    fn give(&mut self, since: u64) {
        let rows: Vec<_> = two_series().into_iter().zip(values(since)).collect();
        let mut table = window(since, HOUR, &rows);
        for stage in &mut self.0 {
            let passed = stage.judge(table).into_iter().rev().find_map(|payload| match payload {
                Payload::Rollups(rollups) => Some(*rollups),
                _ => None,
            });
            table = passed.expect("the table passes on");
        }
    }

    fn stored(&mut self) -> [Snapshot; 3] {
        self.0.each_mut().map(|stage| stage.analysis().snapshot().expect("the state survives a restart"))
    }

    fn restarted(&mut self, exclude: &str) -> Self {
        let mut again = Self::new(exclude);
        for (stage, snapshot) in again.0.iter_mut().zip(self.stored()) {
            stage.analysis().restore(snapshot).expect("the snapshot is sound");
        }
        again
    }

    fn metric(&self, stage: usize, name: &str) -> u64 {
        self.0[stage].telemetry.read().iter().filter(|it| it.name.ends_with(name)).map(|it| it.value).sum()
    }
}

fn harness<D: ProcessorDef<Config: DeserializeOwned>>(yaml: &str) -> Harness {
    let node = ::config::parse(&::config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = ::config::Problems::default();
    let read: Option<D::Config> = ::config::decode(&node, "", &mut problems);
    Harness::new::<D>(&read.expect("the settings are read"), 1, BEGIN)
}

#[test]
fn all_stages_go_back_to_the_same_moment_when_a_range_is_excluded_afterwards() {
    // Checkpoints are made at multiples of three days since 1970: two days before the load test.
    let hours = |from: u64, to: u64| (from..to).step_by(HOUR as usize);
    let kept_at = (0..20)
        .rev()
        .map(|day| day * DAY)
        .find(|since| (at(*since).as_nanos() / 86_400_000_000_000).is_multiple_of(3));
    let kept_at = kept_at.expect("some day is a multiple of three");
    let (mut chain, mut asleep) = (Chain::new(""), Chain::new(""));
    hours(0, 20 * DAY).for_each(|since| chain.give(since));
    hours(0, kept_at).for_each(|since| asleep.give(since));
    assert_eq!([1, 2].map(|stage| chain.metric(stage, "checkpoint_bytes") > 0), [true; 2]);
    let range = "{from: 2024-01-20T09:00:00Z, to: 2024-01-20T15:00:00Z}";
    let mut rewound = chain.restarted(range);
    assert_eq!(rewound.metric(0, "baseline_rewinds"), 1);
    // Stored before a window came, and taken back once more: what is to be forgotten is not forgotten.
    let mut rewound = rewound.restarted(range);
    assert_eq!(rewound.metric(0, "baseline_rewinds"), 0);
    let mut plain = chain.restarted("");
    for since in hours(20 * DAY, 21 * DAY) {
        [&mut rewound, &mut asleep, &mut plain].into_iter().for_each(|chain| chain.give(since));
    }
    let [of_rewound, of_asleep, of_plain] = [&mut rewound, &mut asleep, &mut plain].map(|chain| {
        let [_, _, forecasts] = chain.stored();
        snapshot::write_learned(&snapshot::read(&forecasts, 0.95).expect("the snapshot is sound"), 0.95)
    });
    assert_eq!(of_rewound.len(), of_asleep.len());
    let differing = |other: &[u8]| of_rewound[8..].iter().zip(&other[8..]).filter(|(a, b)| a != b).count();
    assert!(
        differing(&of_asleep) * 10 < differing(&of_plain),
        "{} {}",
        differing(&of_asleep),
        differing(&of_plain)
    );
}
