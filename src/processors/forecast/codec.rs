//! Numbers in little-endian bytes, and back.

use stats::{Bfloat, Conformal, Half};

/// Takes numbers from the front of bytes; none where they end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Takes a number that is finite in every state.
    pub(super) fn finite(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes).filter(|value| value.is_finite())
    }

    /// Takes numbers that are finite in every state.
    pub(super) fn floats<const N: usize>(&mut self) -> Option<[f32; N]> {
        self.maybe_floats().filter(|values: &[f32; N]| values.iter().all(|value| value.is_finite()))
    }

    /// Takes numbers of which some may be none.
    pub(super) fn maybe_floats<const N: usize>(&mut self) -> Option<[f32; N]> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = f32::from_le_bytes(self.take()?);
            if value.is_infinite() {
                return None;
            }
        }
        Some(values)
    }

    pub(super) fn halves<const N: usize>(&mut self) -> Option<[Half; N]> {
        self.u16s().map(|all| all.map(|bits| Half { bits }))
    }

    pub(super) fn u16s<const N: usize>(&mut self) -> Option<[u16; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = self.u16()?;
        }
        Some(values)
    }

    /// Takes short numbers of which some may be none.
    pub(super) fn bfloats<const N: usize>(&mut self) -> Option<[Bfloat; N]> {
        let all = self.u16s()?.map(|bits| Bfloat { bits });
        all.iter().all(|it| !it.to_f32().is_infinite()).then_some(all)
    }

    /// Takes short numbers that are finite in every state.
    pub(super) fn finite_bfloats<const N: usize>(&mut self) -> Option<[Bfloat; N]> {
        self.bfloats().filter(|values: &[Bfloat; N]| values.iter().all(|it| it.to_f32().is_finite()))
    }

    pub(super) fn conformal(&mut self) -> Option<Conformal> {
        let lowest = self.u16()?;
        let (counts, top) = (self.take()?, self.i16()?);
        let [miscoverage, judged, covered] = self.u16s()?;
        Some(Conformal { lowest, counts, top, miscoverage, judged, covered })
    }
}

pub(super) fn put_floats(out: &mut Vec<u8>, values: &[f32]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

pub(super) fn put_halves(out: &mut Vec<u8>, halves: &[Half]) {
    halves.iter().for_each(|half| out.extend_from_slice(&half.bits.to_le_bytes()));
}

pub(super) fn put_bfloats(out: &mut Vec<u8>, values: &[Bfloat]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.bits.to_le_bytes()));
}

pub(super) fn put_u16s(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

pub(super) fn put_conformal(out: &mut Vec<u8>, conformal: &Conformal) {
    put_u16s(out, &[conformal.lowest]);
    out.extend_from_slice(&conformal.counts);
    out.extend_from_slice(&conformal.top.to_le_bytes());
    put_u16s(out, &[conformal.miscoverage, conformal.judged, conformal.covered]);
}
