//! How many different values came.

#[cfg(test)]
mod tests;

/// Bits of a hash that choose a register: 1,024 registers, whose estimate has a standard error of 3.3 %.
const BITS: u32 = 10;
const REGISTERS: usize = 1 << BITS;

/// An estimate of the number of different values, mergeable in any order: HyperLogLog (Flajolet and others, 2007) with
/// linear counting below 2.5 values for each register.
///
/// *Cost*: 1 kB; adding a value is one register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Distinct(Box<[u8; REGISTERS]>);

impl Default for Distinct {
    fn default() -> Self {
        Self(Box::new([0; REGISTERS]))
    }
}

impl Distinct {
    /// Adds a value by its hash, of which every bit must depend on the whole value.
    pub fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> (u64::BITS - BITS)) as usize];
        // One more than the zeros before the first one of the remaining bits; at least the lowest bit is one.
        let rank = ((hash << BITS) | 1 << (BITS - 1)).leading_zeros() as u8 + 1;
        *register = (*register).max(rank);
    }

    pub fn merge(&mut self, other: &Self) {
        for (register, more) in self.0.iter_mut().zip(other.0.iter()) {
            *register = (*register).max(*more);
        }
    }

    /// Returns about how many different values were added.
    pub fn estimate(&self) -> f64 {
        let n = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|rank| f64::from(-i32::from(*rank)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / n) * n * n / sum;
        let untouched = self.0.iter().filter(|rank| **rank == 0).count() as f64;
        if raw <= 2.5 * n && untouched > 0.0 { n * (n / untouched).ln() } else { raw }
    }

    pub fn registers(&self) -> &[u8] {
        &self.0[..]
    }

    /// Reads what [`Self::registers`] returned; none when it can not be that.
    pub fn of_registers(registers: &[u8]) -> Option<Self> {
        let registers: [u8; REGISTERS] = registers.try_into().ok()?;
        let highest = (u64::BITS - BITS + 1) as u8;
        registers.iter().all(|rank| *rank <= highest).then(|| Self(Box::new(registers)))
    }
}
