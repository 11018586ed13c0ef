//! The windows that are open, and the last state of every counter.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

use super::{
    AggregationConfig,
    cell::Cell,
    ingest::{Cells, add},
    partial::{CellRow, Kind, PointRow, RollupPartial, SeriesKey, VERSION, WindowRow},
    restarts::Restarts,
};
use crate::aggregation::{
    deployments::Deployments,
    spec::{SERVICE_NAME, SPAN_KIND, STATUS_CODE, overflow_list, service_identity},
};

/// Everything the analysis half knows.
pub(super) struct State {
    started_at: Timestamp,
    lateness: Duration,
    limit: usize,
    expiry: Duration,
    /// By width, ascending: the first is fed, the others are merges of it.
    levels: Vec<Level>,
    /// What came since the last tick; taken in the order of keys, so that shards do not matter.
    came: Cells,
    points: Vec<PointRow>,
    /// What went astray before the tick.
    strays: Strays,
    /// Series that have room, and when they were last seen.
    known: BTreeMap<SeriesKey, Timestamp>,
    last: BTreeMap<SeriesKey, Last>,
    /// Windows of the first level that end by then are closed.
    closed_until: Timestamp,
    pub(super) deployments: Deployments,
    pub(super) restarts: Restarts,
}

/// Cells and points that wait for the tick, beside twice those that the tables hold.
const MOST_UNSETTLED: usize = 65_536;

struct Level {
    width: Duration,
    open: BTreeMap<u64, BTreeMap<SeriesKey, Cell>>,
}

/// The state of a counter when it was last seen.
struct Last {
    start: u64,
    time: u64,
    value: Option<f64>,
    cell: Option<Cell>,
    seen: Timestamp,
    /// *Units*: nanoseconds since the point before it; 0 when that is not known.
    step: u64,
    /// Whether the point after it had counted less, without having begun anew.
    is_doubted: bool,
}

/// A window of one series that has ended.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Closed {
    pub(super) series: SeriesKey,
    pub(super) width: Duration,
    pub(super) start: Timestamp,
    pub(super) cell: Cell,
}

/// What did not go where it belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Strays {
    /// Items of windows that were closed; counted in the next open one.
    pub(super) late: u64,
    /// Items of the far future; counted in the present window.
    pub(super) early: u64,
    /// Points of counters that are not newer than the last one; left out.
    pub(super) out_of_order: u64,
    /// Items of series without room; counted in overflow series.
    pub(super) overflowed: u64,
    /// Items that found no room at all.
    pub(super) dropped: u64,
}

impl State {
    pub(super) fn new(config: &AggregationConfig, started_at: Timestamp) -> Self {
        let level = |width: &config::Duration| Level { width: width.get(), open: BTreeMap::new() };
        let levels: Vec<Level> = config.windows.iter().map(level).collect();
        let lateness = config.allowed_lateness.get();
        let first = levels.first().map_or(Duration::ZERO, |level| level.width);
        Self {
            started_at,
            lateness,
            limit: config.max_series as usize,
            expiry: config.series_expiration.get(),
            levels,
            came: Cells::new(),
            points: Vec::new(),
            strays: Strays::default(),
            known: BTreeMap::new(),
            last: BTreeMap::new(),
            closed_until: (started_at - lateness).window_start(first),
            deployments: Deployments::new(config.max_series as usize),
            restarts: Restarts::new(config.max_series as usize),
        }
    }

    pub(super) fn n_series(&self) -> usize {
        self.known.len()
    }

    /// Takes a partial. Returns the rows that no shard would write.
    pub(super) fn take(&mut self, message: RollupPartial) -> u64 {
        let mut damaged = 0;
        for WindowRow { series, start, cell, items } in message.windows {
            match cell.cell().filter(|_| series.is_sound()) {
                Some(cell) => add(&mut self.came, series, start, &cell, items),
                None => damaged += 1,
            }
        }
        let n_points = message.points.len();
        let points = message.points.into_iter().filter(|point| point.series.is_sound());
        let n_before = self.points.len();
        self.points.extend(points);
        damaged += (n_points - (self.points.len() - n_before)) as u64;
        message.versions.into_iter().for_each(|row| drop(self.deployments.take(row)));
        damaged
    }

    /// Puts what came into its windows before the tick when it is more than the tables are made for, as of a sender that
    /// makes up a series for each item.
    pub(super) fn settle_what_is_too_much(&mut self, now: Timestamp) {
        if self.came.len() + self.points.len() > 2 * self.limit + MOST_UNSETTLED {
            self.strays = self.settle(now);
        }
    }

    /// Whether a partial is of the same windows.
    pub(super) fn fits(&self, message: &RollupPartial) -> bool {
        let width = self.levels.first().map(|level| level.width.as_nanos() as u64);
        message.version == VERSION && Some(message.width) == width
    }

    /// Puts what came into its windows and returns those that have ended, by series, width and start.
    pub(super) fn advance(&mut self, now: Timestamp) -> (Vec<Closed>, Strays) {
        let widest = self.levels.last().map_or(Duration::ZERO, |level| level.width);
        // The widest of the windows that close now, and the one before it.
        self.restarts.forget(self.closed_until - 2 * widest);
        let strays = self.settle(now);
        let closed = self.close((now - self.lateness).window_start(self.first_width()));
        self.forget(now);
        (closed, strays)
    }

    /// Returns all windows, ended or not.
    pub(super) fn finish(&mut self, now: Timestamp) -> (Vec<Closed>, Strays) {
        let strays = self.settle(now);
        let closed_until = self.closed_until;
        let closed = self.close(Timestamp(u64::MAX));
        self.closed_until = closed_until;
        (closed, strays)
    }

    fn first_width(&self) -> Duration {
        self.levels.first().map_or(Duration::ZERO, |level| level.width)
    }

    fn settle(&mut self, now: Timestamp) -> Strays {
        let mut strays = std::mem::take(&mut self.strays);
        let mut points = std::mem::take(&mut self.points);
        points.sort_by(|a, b| (&a.series, a.time, a.start).cmp(&(&b.series, b.time, b.start)));
        for point in points {
            self.count_on(point, now, &mut strays);
        }
        for ((series, start), (cell, items)) in std::mem::take(&mut self.came) {
            self.place(series, Timestamp(start), &cell, items, now, &mut strays);
        }
        strays
    }

    /// Finds what a point of a counter adds to the one before it.
    fn count_on(&mut self, point: PointRow, now: Timestamp, strays: &mut Strays) {
        let PointRow { series, start, time, value, cell } = point;
        let Some(cell) = cell.map_or(Some(None), |row| row.cell().map(Some)) else {
            strays.dropped += 1;
            return;
        };
        // A clock that runs ahead must not make all that follows look old.
        let latest = now + self.lateness + self.first_width();
        let seen_time = if Timestamp(time) > latest { now.as_nanos() } else { time };
        let mut point = Last { start, time: seen_time, value, cell, seen: now, step: 0, is_doubted: false };
        let last = self.last.get(&series);
        if last.is_some_and(|last| point.time <= last.time && !point.has_counted_on(last)) {
            strays.out_of_order += 1;
            return;
        }
        if last.is_none() && self.last.len() >= 2 * self.limit {
            strays.dropped += 1;
            return;
        }
        let window = Timestamp(time).window_start(self.first_width()).as_nanos();
        if last.is_some_and(|last| point.has_begun_anew(last)) {
            self.restarts.note(&series.resource, Timestamp(window));
        }
        let increase = point.follow(last, self.started_at, self.first_width());
        if increase.is_none() {
            add(&mut self.came, series.clone(), window, &Cell::unreadable(), 1);
            // The next point tells whether this one was wrong, or the one before it.
            if let Some(last) = self.last.get_mut(&series).filter(|last| !last.is_doubted) {
                last.is_doubted = true;
                return;
            }
        }
        self.last.insert(series.clone(), point);
        if let Some(increase) = increase {
            add(&mut self.came, series, window, &increase, 1);
        }
    }

    fn place(
        &mut self,
        series: SeriesKey,
        start: Timestamp,
        cell: &Cell,
        items: u64,
        now: Timestamp,
        strays: &mut Strays,
    ) {
        let Some(series) = self.admit(series, items, now, strays) else { return };
        let present = now.window_start(self.first_width());
        let start = if start < self.closed_until {
            strays.late += items;
            self.closed_until
        } else if start > present + self.lateness + self.first_width() {
            strays.early += items;
            present.max(self.closed_until)
        } else {
            start
        };
        let Some(first) = self.levels.first_mut() else { return };
        first.open.entry(start.as_nanos()).or_default().entry(series).or_default().merge(cell);
    }

    /// Returns the series that takes an item: its own, or when there is no room, that of its metric and
    /// service, for spans of their kind and status too.
    fn admit(
        &mut self,
        series: SeriesKey,
        items: u64,
        now: Timestamp,
        strays: &mut Strays,
    ) -> Option<SeriesKey> {
        if let Some(seen) = self.known.get_mut(&series) {
            *seen = now;
            return Some(series);
        }
        if self.known.len() < self.limit {
            self.known.insert(series.clone(), now);
            return Some(series);
        }
        // Rates and error ratios of a service stay right; those of metrics have no attribute in common.
        let keys: &[&str] = match series.kind() {
            Kind::Spans => &[SERVICE_NAME, SPAN_KIND, STATUS_CODE],
            Kind::Level | Kind::Counter | Kind::Distribution => &[],
        };
        let resource = service_identity(&series.resource).into();
        let attributes = overflow_list(&series.attributes, keys).into();
        let overflow = SeriesKey { resource, attributes, ..series };
        if !self.known.contains_key(&overflow) && self.known.len() >= self.limit + self.limit / 10 + 64 {
            strays.dropped += items;
            return None;
        }
        strays.overflowed += items;
        self.known.insert(overflow.clone(), now);
        Some(overflow)
    }

    fn close(&mut self, until: Timestamp) -> Vec<Closed> {
        self.closed_until = self.closed_until.max(until);
        let mut closed = Vec::new();
        let Some((first, upper)) = self.levels.split_first_mut() else { return closed };
        for (start, cells) in first.pop_ended(until) {
            for (series, cell) in &cells {
                for level in upper.iter_mut() {
                    let window = start.window_start(level.width).as_nanos();
                    let cells = level.open.entry(window).or_default();
                    cells.entry(series.clone()).or_default().merge(cell);
                }
            }
            closed.extend(of_window(first.width, start, cells));
        }
        for level in upper {
            for (start, cells) in level.pop_ended(until) {
                closed.extend(of_window(level.width, start, cells));
            }
        }
        closed.sort_by(|a, b| (&a.series, a.width, a.start).cmp(&(&b.series, b.width, b.start)));
        closed
    }

    /// Forgets series that were idle too long; those with open windows stay until they are closed.
    fn forget(&mut self, now: Timestamp) {
        if !self.expiry.is_zero() {
            let expiry = self.expiry;
            self.known.retain(|_, seen| now.since(*seen) < expiry);
            self.last.retain(|_, last| now.since(last.seen) < expiry);
        }
    }

    /// Spells what came and is not in its windows yet.
    pub(super) fn save_came(&self) -> RollupPartial {
        let row = |((series, start), (cell, items)): (&(SeriesKey, u64), &(Cell, u64))| WindowRow {
            series: series.clone(),
            start: *start,
            cell: CellRow::of(cell),
            items: *items,
        };
        let windows = self.came.iter().map(row).collect();
        let width = self.first_width().as_nanos() as u64;
        let versions = self.deployments.save();
        RollupPartial { version: VERSION, width, windows, points: self.points.clone(), versions }
    }

    /// Spells what is open, for a snapshot: the windows of each level, and the last points with the first.
    pub(super) fn save(&self) -> (Vec<RollupPartial>, u64) {
        let save = |level: &Level| {
            let row = |start: &u64, (series, cell): (&SeriesKey, &Cell)| WindowRow {
                series: series.clone(),
                start: *start,
                cell: CellRow::of(cell),
                items: 0,
            };
            let windows =
                level.open.iter().flat_map(|(start, cells)| cells.iter().map(move |it| row(start, it)));
            let windows = windows.collect();
            RollupPartial {
                version: VERSION,
                width: level.width.as_nanos() as u64,
                windows,
                points: Vec::new(),
                versions: Vec::new(),
            }
        };
        let mut levels: Vec<RollupPartial> = self.levels.iter().map(save).collect();
        let point = |(series, last): (&SeriesKey, &Last)| PointRow {
            series: series.clone(),
            start: last.start,
            time: last.time,
            value: last.value,
            cell: last.cell.as_ref().map(CellRow::of),
        };
        if let Some(first) = levels.first_mut() {
            first.points = self.last.iter().map(point).collect();
        }
        (levels, self.closed_until.as_nanos())
    }

    /// Takes back what [`Self::save`] returned. Returns false, with nothing changed, when it is damaged or of
    /// other windows.
    pub(super) fn restore(&mut self, saved: Vec<RollupPartial>, closed_until: u64, now: Timestamp) -> bool {
        let widths = self.levels.iter().map(|level| level.width.as_nanos() as u64);
        if !saved.iter().map(|level| level.width).eq(widths) {
            return false;
        }
        let (mut open, mut last, mut known) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for level in saved {
            let mut windows: BTreeMap<u64, BTreeMap<SeriesKey, Cell>> = BTreeMap::new();
            for row in level.windows {
                let Some(cell) = row.cell.cell().filter(|_| row.series.is_sound()) else { return false };
                known.insert(row.series.clone(), now);
                windows.entry(row.start).or_default().insert(row.series, cell);
            }
            for PointRow { series, start, time, value, cell } in level.points {
                if !series.is_sound() {
                    return false;
                }
                let cell = cell.and_then(CellRow::cell);
                last.insert(series, Last { start, time, value, cell, seen: now, step: 0, is_doubted: false });
            }
            open.push(windows);
        }
        for (level, windows) in self.levels.iter_mut().zip(open) {
            level.open = windows;
        }
        (self.last, self.known, self.closed_until) = (last, known, Timestamp(closed_until));
        true
    }
}

impl Level {
    /// Removes and returns the windows that end by then, in order.
    fn pop_ended(&mut self, until: Timestamp) -> Vec<(Timestamp, BTreeMap<SeriesKey, Cell>)> {
        let mut ended = Vec::new();
        while let Some(window) = self.open.first_entry() {
            if Timestamp(*window.key()) + self.width > until {
                break;
            }
            let (start, cells) = window.remove_entry();
            ended.push((Timestamp(start), cells));
        }
        ended
    }
}

fn of_window(
    width: Duration,
    start: Timestamp,
    cells: BTreeMap<SeriesKey, Cell>,
) -> impl Iterator<Item = Closed> {
    cells.into_iter().map(move |(series, cell)| Closed { series, width, start, cell })
}

impl Last {
    /// Returns what is new beside an earlier point, and notes the step from it.
    fn follow(&mut self, earlier: Option<&Self>, started_at: Timestamp, window: Duration) -> Option<Cell> {
        let increase = self.since(earlier, started_at);
        let Some(earlier) = earlier else { return increase };
        let step = self.time.saturating_sub(earlier.time);
        let is_late = earlier.step > 0 && step / 3 > earlier.step / 2;
        // One long step is no new habit, several are.
        self.step = if is_late { step.min(earlier.step.saturating_mul(2)) } else { step };
        let is_caught_up = is_late && Duration::from_nanos(step) > window;
        increase.map(|cell| Cell { is_caught_up, ..cell })
    }

    /// What is new beside an earlier point; none when that can not be told. A counter that began after the
    /// earlier point, or fell to less than half, began again at zero. Of one that fell by less the source is
    /// at fault: all that it ever counted would be taken for what is new. Of the first point of a counter only
    /// that is new which is known to have come since we run.
    fn since(&self, earlier: Option<&Self>, started_at: Timestamp) -> Option<Cell> {
        let Some(earlier) = earlier else {
            return (self.start >= started_at.as_nanos()).then(|| self.whole());
        };
        if self.has_begun_anew(earlier) { Some(self.whole()) } else { self.growth(earlier) }
    }

    fn has_begun_anew(&self, earlier: &Self) -> bool {
        let is_later = self.start != earlier.start && self.start > earlier.time;
        is_later || self.growth(earlier).is_none() && self.size() < earlier.size() / 2.0
    }

    /// What came since an earlier point, unless something went down.
    fn growth(&self, earlier: &Self) -> Option<Cell> {
        match (self.value, earlier.value, &self.cell, &earlier.cell) {
            (Some(now), Some(then), _, _) => (now >= then).then(|| Cell::of_value(now - then)),
            (_, _, Some(now), Some(then)) => now.since(then),
            _ => None,
        }
    }

    /// Whether this point, though dated before an earlier one, has counted on from it: then a clock was set
    /// back. What comes out of order has counted less.
    fn has_counted_on(&self, earlier: &Self) -> bool {
        self.time < earlier.time && self.size() >= earlier.size() && self.growth(earlier).is_some()
    }

    /// How much was counted.
    fn size(&self) -> f64 {
        let of_cell = |cell: &Cell| cell.moments.count as f64;
        self.value.unwrap_or_else(|| self.cell.as_ref().map_or(0.0, of_cell))
    }

    fn whole(&self) -> Cell {
        match (self.value, &self.cell) {
            (Some(value), _) => Cell::of_value(value),
            (None, Some(cell)) => cell.clone(),
            (None, None) => Cell::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aggregation::attributes::AttributeList, testing::T0};

    #[test]
    fn what_comes_in_a_second_is_bounded_and_nothing_of_it_lost() {
        const N_SERIES: u64 = 200_000;
        const AT_ONCE: u64 = 10_000;
        let mut state = State::new(&AggregationConfig { max_series: 10, ..AggregationConfig::default() }, T0);
        let mut cell = Cell::default();
        cell.add(1.0);
        let row = |number: u64| {
            let mut attributes = AttributeList::default();
            attributes.push_str("session.id", &number.to_string());
            let series = SeriesKey {
                name: "load".to_owned(),
                attributes: attributes.into_bytes().into(),
                kind: Kind::Level.into(),
                ..SeriesKey::default()
            };
            WindowRow { series, start: T0.as_nanos(), cell: CellRow::of(&cell), items: 1 }
        };
        let most = 2 * 10 + MOST_UNSETTLED + AT_ONCE as usize;
        for first in (0..N_SERIES).step_by(AT_ONCE as usize) {
            let windows = (first..first + AT_ONCE).map(row).collect();
            assert_eq!(state.take(RollupPartial { windows, ..RollupPartial::default() }), 0);
            assert!(state.came.len() <= most, "{} cells wait", state.came.len());
            state.settle_what_is_too_much(T0);
        }
        let (_, strays) = state.advance(T0);
        assert_eq!(strays, Strays { overflowed: N_SERIES - 10, ..Strays::default() });
        let (closed, _) = state.finish(T0);
        let of_shortest =
            closed.iter().filter(|window| Some(window.width) == closed.first().map(|it| it.width));
        assert_eq!(of_shortest.map(|window| window.cell.n_seen()).sum::<u64>(), N_SERIES);
    }
}
