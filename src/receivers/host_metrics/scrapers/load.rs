//! How many threads run or want to.

use super::{Fault, Host, Known, Scraper, Shape, Sheet, known};

pub(super) const KNOWN: &[Known] = &[
    known("system.cpu.load_average.15m", "Load, averaged over 15 minutes.", "{thread}", Shape::Gauge),
    known("system.cpu.load_average.1m", "Load, averaged over a minute.", "{thread}", Shape::Gauge),
    known("system.cpu.load_average.5m", "Load, averaged over 5 minutes.", "{thread}", Shape::Gauge),
];

pub(super) struct Load {
    /// Divide by the number of processors.
    pub(super) is_per_cpu: bool,
}

impl Scraper for Load {
    fn scrape(&mut self, host: &Host, sheet: &mut Sheet) -> Result<(), Fault> {
        // The parser has the numbers in single precision, which shows.
        let text = host.text("/proc/loadavg")?;
        let mut values = text.split(' ').map(|value| value.parse::<f64>().ok());
        let [Some(one), Some(five), Some(fifteen)] = [0; 3].map(|_| values.next().flatten()) else {
            return Err(format!("/proc/loadavg is not understood: {text:?}"));
        };
        let divisor = match self.is_per_cpu {
            true => std::thread::available_parallelism().map_or(1, usize::from) as f64,
            false => 1.0,
        };
        sheet.double("system.cpu.load_average.1m", &[], one / divisor);
        sheet.double("system.cpu.load_average.5m", &[], five / divisor);
        sheet.double("system.cpu.load_average.15m", &[], fifteen / divisor);
        Ok(())
    }
}
