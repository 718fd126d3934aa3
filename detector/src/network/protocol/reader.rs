//! Reads numbers in network order from the front of hostile bytes.

/// What is left to read; every read fails once it would go past the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, as many as the result has.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes behind one byte that says how many.
    pub(super) fn counted8(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let count = ahead.u8()?;
        let taken = ahead.take(count.into())?;
        *self = ahead;
        Some(taken)
    }

    /// Bytes behind two bytes that say how many.
    pub(super) fn counted16(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let count = ahead.u16()?;
        let taken = ahead.take(count.into())?;
        *self = ahead;
        Some(taken)
    }
}

/// Whether `bytes` begin with `start`, or may once there are more of them.
pub(super) fn may_start_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(there, wanted)| there == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_takes_nothing() {
        let mut reader = Reader(b"\x00\x03ab");
        assert_eq!(reader.counted16(), None);
        assert_eq!(reader.u16(), Some(3));
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.take(2), Some(&b"ab"[..]));
        assert_eq!(reader.u8(), None);
    }
}
