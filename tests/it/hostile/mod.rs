//! Clients that mean harm. While each attack lasts, an ordinary client's requests are taken and the health check answers, and
//! memory stays within a bound.

mod bed;
mod bodies;
mod cardinality;
mod floods;
mod table;

use anyhow::{Context, Result, ensure};

use self::bed::{Attack, Bed, Toll};

fn suffer(attack: &Attack) -> Result<Toll> {
    let toll = Bed::start(attack.max_connections)?.suffers(attack)?;
    toll.check()?;
    Ok(toll)
}

/// Suffers an attack during which nobody else is to be turned away.
fn withstand(name: &str) -> Result<()> {
    let mut all = bodies::ATTACKS.iter().chain(&floods::ATTACKS);
    let attack = all.find(|attack| attack.name == name).context("an attack of that name")?;
    let toll = suffer(attack)?;
    ensure!(toll.beside.turned_away == 0, "others were turned away {} times", toll.beside.turned_away);
    Ok(())
}

#[test]
fn bombs_are_refused_within_the_limit() -> Result<()> {
    ["gzip bomb", "zstd bomb", "snappy bomb", "a lie about the size"].into_iter().try_for_each(withstand)
}

#[test]
fn values_within_values_a_hundred_thousand_deep_do_not_overflow_the_stack() -> Result<()> {
    withstand("values within values")
}

#[test]
fn a_span_with_a_million_attributes_harms_nobody() -> Result<()> {
    withstand("a million attributes")
}

#[test]
fn messages_with_nothing_in_them_do_not_grow_in_memory() -> Result<()> {
    withstand("messages with nothing in them")
}

#[test]
fn numbers_that_do_not_end_are_malformed() -> Result<()> {
    withstand("numbers that do not end")
}

#[test]
fn two_thousand_clients_that_send_a_letter_at_a_time_stop_nobody() -> Result<()> {
    withstand("heads a few letters at a time")
}

#[test]
fn four_hundred_bodies_that_stop_in_the_middle_stop_nobody() -> Result<()> {
    withstand("bodies that stop in the middle")
}

#[test]
fn clients_that_read_no_answers_are_closed() -> Result<()> {
    withstand("answers that nobody reads")
}

#[test]
fn headers_without_an_end_close_their_connection_alone() -> Result<()> {
    withstand("headers without an end")
}

#[test]
fn ten_thousand_streams_that_are_taken_back_end_their_connection_and_are_counted() -> Result<()> {
    withstand("rapid reset")
}

#[test]
fn a_million_frames_that_want_an_answer_stop_nobody() -> Result<()> {
    ["SETTINGS", "PING"].into_iter().try_for_each(withstand)
}

#[test]
fn two_thousand_connections_that_say_nothing_are_closed() -> Result<()> {
    withstand("connections that say nothing")
}

#[test]
fn five_thousand_connections_that_come_and_go_stop_nobody() -> Result<()> {
    withstand("connections that come and go")
}

#[test]
fn who_finds_no_place_in_a_crowd_gets_one_a_moment_later() -> Result<()> {
    let attack = floods::ATTACKS.iter().find(|attack| attack.max_connections > 0);
    let toll = suffer(attack.context("an attack by a crowd")?)?;
    ensure!(toll.beside.turned_away > 0, "there was no crowd");
    Ok(())
}
