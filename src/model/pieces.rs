//! Bytes that stand one behind the other in memory of several places.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// An encoded request in pieces. Requests are joined by putting their pieces one behind the other, so that nothing is copied
/// until somebody needs them whole.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// Without empty ones.
    pieces: VecDeque<Bytes>,
    len: usize,
}

/// Smaller pieces cost more to carry than to copy.
const SMALLEST: usize = 1 << 10;
/// Small pieces are copied into one of this size.
const COPIED: usize = 16 << 10;

impl Pieces {
    /// Joins requests.
    ///
    /// *Cost*: copies those that are smaller than a kilobyte.
    pub fn joined(requests: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        let mut small = BytesMut::new();
        for piece in requests.into_iter().flat_map(|request| request.pieces) {
            if piece.len() < SMALLEST {
                if small.capacity() - small.len() < piece.len() {
                    all.push(small.split().freeze());
                    small.reserve(COPIED);
                }
                small.extend_from_slice(&piece);
                continue;
            }
            all.push(small.split().freeze());
            all.push(piece);
        }
        all.push(small.freeze());
        all
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push_back(piece);
        }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the pieces in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// Returns the request in one piece.
    ///
    /// *Cost*: a copy where there are several.
    pub fn whole(&self) -> Bytes {
        let mut pieces = self.pieces.iter();
        match (pieces.next(), pieces.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => only.clone(),
            _ => {
                let mut whole = Vec::with_capacity(self.len);
                self.pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
                whole.into()
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for Pieces {
    fn from(bytes: T) -> Self {
        let mut pieces = Self::default();
        pieces.push(bytes.into());
        pieces
    }
}

/// Reading takes the bytes away.
impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let both = slices.iter_mut().zip(&self.pieces);
        both.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.len, "{n} bytes are taken of {}", self.len);
        self.len -= n;
        while n > 0 {
            let Some(front) = self.pieces.front_mut() else { return };
            if n < front.len() {
                return front.advance(n);
            }
            n -= front.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn joined_requests_are_one_behind_the_other_however_they_are_read(
            lens in prop::collection::vec(prop::collection::vec(0_usize..3000, 0..4), 0..20),
            steps in prop::collection::vec(1_usize..5000, 1..200),
        ) {
            let mut next = 0_u8;
            let mut bytes = |len: usize| -> Vec<u8> {
                (0..len).map(|_| { next = next.wrapping_mul(7).wrapping_add(3); next }).collect()
            };
            let mut expected = Vec::new();
            let requests: Vec<_> = lens.iter().map(|lens| {
                let parts: Vec<Vec<u8>> = lens.iter().map(|len| bytes(*len)).collect();
                parts.iter().for_each(|part| expected.extend_from_slice(part));
                Pieces::joined(parts.into_iter().map(Pieces::from))
            }).collect();
            let mut joined = Pieces::joined(requests);
            prop_assert_eq!(joined.len(), expected.len());
            prop_assert_eq!(&joined.whole()[..], &expected[..]);
            let mut slices = [IoSlice::new(&[]); 64];
            let n_slices = joined.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..n_slices].iter().flat_map(|slice| slice.to_vec()).collect();
            prop_assert!(expected.starts_with(&seen));
            let mut read = Vec::new();
            for step in steps.into_iter().cycle() {
                if !joined.has_remaining() {
                    break;
                }
                let n = step.min(joined.chunk().len());
                read.extend_from_slice(&joined.chunk()[..n]);
                joined.advance(n);
            }
            prop_assert_eq!(read, expected);
            prop_assert!(joined.is_empty());
        }
    }

    #[test]
    fn small_requests_are_copied_together_and_large_ones_are_not() {
        let large = Bytes::from(vec![1; 5000]);
        let requests = std::iter::repeat_n(Bytes::from_static(b"small"), 5000).chain([large.clone()]);
        let joined = Pieces::joined(requests.map(Pieces::from));
        assert_eq!(joined.iter().len(), 3);
        assert_eq!(joined.iter().last().map(|piece| piece.as_ptr()), Some(large.as_ptr()));
    }

    #[test]
    fn one_request_is_whole_without_a_copy() {
        let only = Bytes::from(vec![1; 100]);
        assert_eq!(Pieces::from(only.clone()).whole().as_ptr(), only.as_ptr());
        assert!(Pieces::from(Bytes::new()).is_empty());
    }
}
