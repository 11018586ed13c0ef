//! `kill -9` at random moments before destinations of many moods: nothing that was to be told is lost, what is told twice
//! has the same id, and of each alert the order is kept. Spans come in, rules judge them, and every format goes
//! out: from half of them through incidents.

mod formats;
mod subject;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testbed::eventually;

use self::{
    formats::{FORMATS, Format, Word},
    subject::{Subject, Truth},
};
use super::{
    SOON,
    destination::{Destination, Mood, Seen},
    spans::StatusCode,
};

/// Of each of six formats, at the same time.
const N_KILLS: usize = 17;
/// Printed when the test fails.
const SEED: u64 = 0x9E37_79B9;
const SERVICES: [&str; 9] =
    ["shop", "cart", "payment", "search", "stock", "mail", "login", "price", "rating"];

/// Numbers that look random, the same for the same seed.
struct Dice(AtomicU64);

impl Dice {
    fn of(seed: u64) -> Self {
        Self(AtomicU64::new(seed.max(1)))
    }

    fn below(&self, most: u64) -> u64 {
        let mut x = self.0.load(Ordering::Acquire);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Release);
        x % most
    }
}

/// Takes a third of all it is sent, until it is good.
fn mood(dice: &Dice, is_good: &AtomicBool) -> Mood {
    match if is_good.load(Ordering::Acquire) { 0 } else { dice.below(6) } {
        0 | 1 => Mood::Takes,
        2 => Mood::IsBusy,
        3 => Mood::Fails,
        4 => Mood::Hangs,
        _ => Mood::Drops,
    }
}

/// How each service is. Who is not told of is silent, and its alert stays as it is.
type Traffic = BTreeMap<&'static str, StatusCode>;

/// Some services change, one of them for sure.
fn turn(traffic: &mut Traffic, dice: &Dice) {
    let sure = dice.below(SERVICES.len() as u64) as usize;
    for (index, service) in SERVICES.into_iter().enumerate() {
        let status = traffic.entry(service).or_insert(StatusCode::Unset);
        if index == sure || dice.below(3) == 0 {
            *status = if *status == StatusCode::Error { StatusCode::Unset } else { StatusCode::Error };
        }
    }
}

/// Starts the subject, lets it judge spans and kills it: at times while it still starts, at times when it has taken
/// spans, most often when it is telling.
fn live_and_die(
    subject: &Subject,
    destination: &Destination,
    dice: &Dice,
    traffic: &mut Traffic,
) -> Result<Truth> {
    let mut running = subject.start()?;
    let kind = dice.below(6);
    if kind == 0 {
        std::thread::sleep(Duration::from_millis(dice.below(300)));
        running.kill()?;
        return Ok(Truth::default());
    }
    // What has been stored holds, whatever came after.
    let truth = eventually("it says what it knows", SOON, || subject.truth(&mut running))?;
    turn(traffic, dice);
    let n_seen = destination.look(<[Seen]>::len);
    eventually("it is where it shall die", SOON, || {
        subject.send(&mut running, traffic)?;
        ensure!(kind == 1 || destination.look(<[Seen]>::len) > n_seen, "it tells nothing yet");
        Ok(())
    })?;
    let wait = Duration::from_millis(dice.below(600));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(wait);
        running.kill()
    });
    while !killer.is_finished() {
        // It dies meanwhile.
        subject.send_anyway(traffic);
    }
    killer.join().ok().context("the killer ends")??;
    Ok(truth)
}

#[test]
fn kill_9_at_a_hundred_random_moments_loses_no_alert_and_keeps_the_order_of_each() -> Result<()> {
    println!("seed {SEED:#x}");
    const { assert!(FORMATS.len() * N_KILLS >= 100) };
    let of_format = |(number, format): (usize, &'static Format)| {
        std::thread::spawn(move || survive(format, SEED + number as u64).context(format.name))
    };
    let running: Vec<_> = FORMATS.iter().enumerate().map(of_format).collect();
    let ended: Vec<_> = running.into_iter().map(|thread| thread.join().ok().context("it panics")).collect();
    let (mut left, mut moods) = (0, BTreeSet::new());
    for ended in ended {
        let survived = ended??;
        left += survived.n_left;
        moods.extend(survived.moods);
    }
    ensure!(left >= N_KILLS / 2, "only {left} kills left something untold");
    ensure!(moods.len() == 5, "destinations were never but {moods:?}");
    Ok(())
}

/// What a format went through.
struct Survived {
    /// Kills that left something untold.
    n_left: usize,
    moods: BTreeSet<Mood>,
}

fn survive(format: &Format, seed: u64) -> Result<Survived> {
    let dice = Dice::of(seed);
    let is_good = Arc::new(AtomicBool::new(false));
    let destination = {
        let (moods, is_good) = (Dice::of(!seed), Arc::clone(&is_good));
        Destination::start(move || mood(&moods, &is_good))?
    };
    let subject = Subject::new(format, &destination)?;
    let (mut truth, mut traffic, mut n_left) = (Truth::default(), Traffic::new(), 0);
    for kill in 1..=N_KILLS {
        let known = live_and_die(&subject, &destination, &dice, &mut traffic);
        add(&mut truth, known.with_context(|| format!("kill {kill}"))?);
        destination.look(|seen| check_order(format, seen));
        n_left += usize::from(destination.look(|seen| check_all(format, seen, &truth)).is_err());
    }
    is_good.store(true, Ordering::Release);
    let mut running = subject.start()?;
    traffic.values_mut().for_each(|status| *status = StatusCode::Unset);
    eventually("all alerts end, and all that was to be told is told", SOON, || {
        subject.send(&mut running, &traffic)?;
        add(&mut truth, subject.truth(&mut running)?);
        for (service, words) in &truth {
            ensure!(words.last().is_some_and(|last| last.is_end), "{service} still fires: {words:?}");
        }
        destination.look(|seen| check_all(format, seen, &truth))
    })?;
    destination.look(|seen| check_order(format, seen));
    let n_words: usize = truth.values().map(BTreeSet::len).sum();
    ensure!(n_words >= N_KILLS / 3, "only {n_words} times there was something to tell");
    Ok(Survived { n_left, moods: destination.look(|seen| seen.iter().map(|seen| seen.mood).collect()) })
}

/// Of each alert the stage remembers the last events.
fn add(truth: &mut Truth, known: Truth) {
    for (service, words) in known {
        truth.entry(service).or_default().extend(words);
    }
}

/// What a destination heard of each service, in order.
fn heard<'a>(
    format: &Format,
    seen: impl Iterator<Item = &'a Seen>,
) -> BTreeMap<String, Vec<(Word, Option<String>)>> {
    let mut of_service: BTreeMap<String, Vec<(Word, Option<String>)>> = BTreeMap::new();
    for said in seen.flat_map(|seen| (format.read)(&seen.body)) {
        let words = of_service.entry(said.service).or_default();
        // A resolve of PagerDuty does not say of which firing it is: of the last.
        let last = || words.last().map(|(word, _)| word.starts_at);
        let starts_at = said.starts_at.or_else(last).expect("no end comes before a beginning");
        words.push((Word { starts_at, is_end: said.is_end }, said.id));
    }
    of_service
}

/// No transition comes behind a later one of the same alert, and each has one id, however often it comes.
fn check_order(format: &Format, seen: &[Seen]) {
    for (service, words) in heard(format, seen.iter()) {
        let name = format.name;
        assert!(
            words.is_sorted_by_key(|(word, _)| *word),
            "{name}: {service} was told out of order: {words:?}"
        );
        let ids: BTreeSet<_> = words.iter().filter(|(_, id)| id.is_some()).collect();
        let n_words = ids.iter().map(|(word, _)| word).collect::<BTreeSet<_>>().len();
        assert_eq!(ids.len(), n_words, "{name}, {service}: a duplicate has another id: {words:?}");
    }
}

/// Whether the destination took all that was to be told. Groups are told how an alert is by then, so of them the last
/// word counts.
fn check_all(format: &Format, seen: &[Seen], truth: &Truth) -> Result<()> {
    let taken = heard(format, seen.iter().filter(|seen| seen.mood == Mood::Takes));
    for (service, words) in truth {
        let taken: Vec<Word> = taken.get(service).into_iter().flatten().map(|(word, _)| *word).collect();
        let missing: Vec<&Word> = match format.tells_all {
            true => words.iter().filter(|word| !taken.contains(word)).collect(),
            false => words.last().into_iter().filter(|last| taken.last() != Some(last)).collect(),
        };
        ensure!(missing.is_empty(), "{service}: {missing:?} of {words:?} are not told");
    }
    Ok(())
}
