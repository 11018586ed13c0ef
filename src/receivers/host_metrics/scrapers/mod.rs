//! One file for each part of a machine.

mod cpu;
mod disk;
mod filesystem;
mod load;
mod memory;
mod network;
mod paging;
mod processes;
mod system;

use component::Checks;

use super::{
    config::Scrapers,
    host::{Fault, Host},
    sheet::{Known, Shape, Sheet, validate},
};

/// Reads one part of a machine.
pub(super) trait Scraper: Send {
    /// Fills the sheet. What was found before a fault is told all the same.
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault>;
}

/// A scraper with its name and what it has found.
pub(super) struct Running {
    pub(super) name: &'static str,
    pub(super) scraper: Box<dyn Scraper>,
    pub(super) sheet: Sheet,
}

const fn known(name: &'static str, description: &'static str, unit: &'static str, shape: Shape) -> Known {
    Known { name, description, unit, shape, is_usual: true }
}

const fn rare(name: &'static str, description: &'static str, unit: &'static str, shape: Shape) -> Known {
    Known { name, description, unit, shape, is_usual: false }
}

/// Builds the scrapers that a configuration has, in a fixed order.
pub(super) fn build(config: &Scrapers) -> Vec<Running> {
    let mut all: Vec<Running> = Vec::new();
    let mut add = |name, known, toggles, scraper: Box<dyn Scraper>| {
        all.push(Running { name, scraper, sheet: Sheet::new(known, toggles) });
    };
    if let Some(it) = config.cpu.get() {
        add("cpu", cpu::KNOWN, &it.metrics, Box::<cpu::Cpu>::default());
    }
    if let Some(it) = config.load.get() {
        add("load", load::KNOWN, &it.metrics, Box::new(load::Load { is_per_cpu: it.cpu_average }));
    }
    if let Some(it) = config.memory.get() {
        add("memory", memory::KNOWN, &it.metrics, Box::new(memory::Memory));
    }
    if let Some(it) = config.paging.get() {
        add("paging", paging::KNOWN, &it.metrics, Box::new(paging::Paging));
    }
    if let Some(it) = config.disk.get() {
        add("disk", disk::KNOWN, &it.metrics, Box::new(disk::Disk::new(it)));
    }
    if let Some(it) = config.filesystem.get() {
        add("filesystem", filesystem::KNOWN, &it.metrics, Box::new(filesystem::FileSystems::new(it)));
    }
    if let Some(it) = config.network.get() {
        add("network", network::KNOWN, &it.metrics, Box::new(network::Network::new(it)));
    }
    if let Some(it) = config.processes.get() {
        add("processes", processes::KNOWN, &it.metrics, Box::new(processes::Processes));
    }
    if let Some(it) = config.system.get() {
        add("system", system::KNOWN, &it.metrics, Box::new(system::System));
    }
    all
}

/// Reports metrics that no scraper has.
pub(super) fn check_metrics(config: &Scrapers, checks: &mut Checks) {
    let rows = [
        ("cpu", cpu::KNOWN, config.cpu.get().map(|it| &it.metrics)),
        ("load", load::KNOWN, config.load.get().map(|it| &it.metrics)),
        ("memory", memory::KNOWN, config.memory.get().map(|it| &it.metrics)),
        ("paging", paging::KNOWN, config.paging.get().map(|it| &it.metrics)),
        ("disk", disk::KNOWN, config.disk.get().map(|it| &it.metrics)),
        ("filesystem", filesystem::KNOWN, config.filesystem.get().map(|it| &it.metrics)),
        ("network", network::KNOWN, config.network.get().map(|it| &it.metrics)),
        ("processes", processes::KNOWN, config.processes.get().map(|it| &it.metrics)),
        ("system", system::KNOWN, config.system.get().map(|it| &it.metrics)),
    ];
    for (name, known, toggles) in rows {
        if let Some(toggles) = toggles {
            validate(&format!("scrapers.{name}.metrics"), toggles, known, checks);
        }
    }
}
