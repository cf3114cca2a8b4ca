//! Huffman tables and the numbers coded with them (ITU-T T.81, annexes C and F.2.2).

use super::damaged;
use crate::codec::CodecError;
use crate::codec::bits::Bits;

/// Bits of the codes that one look finds.
const LOOK: u32 = 10;

/// A table that turns codes into symbols.
#[derive(Debug, Clone)]
pub(super) struct Huffman {
    /// For the next bits: length of the code (0 for a longer one), symbol.
    short: Vec<(u8, u8)>,
    /// For each length: the first code beyond it, from the top of 16 bits.
    ends: [u32; 17],
    /// For each length: place of a symbol less its code.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Makes a table of a DHT segment's counts and symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, CodecError> {
        let mut table = Self {
            short: vec![(0, 0); 1 << LOOK],
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let mut code = 0_u32;
        let mut place = 0_usize;
        for length in 1..=16_u8 {
            let bits = usize::from(length);
            table.offsets[bits] = i32::try_from(place).unwrap_or(0) - code.cast_signed();
            for _ in 0..counts[bits - 1] {
                let symbol = *symbols.get(place).ok_or(damaged("a short Huffman table"))?;
                if code >> length != 0 {
                    return Err(damaged("a Huffman table with too many codes"));
                }
                if u32::from(length) <= LOOK {
                    let shift = LOOK - u32::from(length);
                    let start = (code << shift) as usize;
                    table.short[start..start + (1 << shift)].fill((length, symbol));
                }
                code += 1;
                place += 1;
            }
            table.ends[bits] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// Reads a symbol. At least 16 bits must be ready.
    #[inline]
    pub(super) fn symbol(&self, bits: &mut Bits<'_, 8>) -> Result<u8, CodecError> {
        let next = bits.peek();
        let (length, symbol) = self.short[(next >> (64 - LOOK)) as usize];
        if length > 0 {
            bits.skip(u32::from(length));
            return Ok(symbol);
        }
        self.long(bits)
    }

    #[cold]
    fn long(&self, bits: &mut Bits<'_, 8>) -> Result<u8, CodecError> {
        let next = u32::try_from(bits.peek() >> 48).unwrap_or(0);
        let length = (1..=16).find(|&length| next < self.ends[length]);
        let length = length.ok_or(damaged("a code that is in no Huffman table"))?;
        let code = (next >> (16 - length)).cast_signed();
        let place = usize::try_from(code + self.offsets[length]).unwrap_or(usize::MAX);
        bits.skip(u32::try_from(length).unwrap_or(0));
        self.symbols.get(place).copied().ok_or(damaged("a code that is in no Huffman table"))
    }
}

/// Reads the number of a category: `size` bits, negative where the first is 0.
#[inline]
pub(super) fn extend(bits: &mut Bits<'_, 8>, size: u32) -> i32 {
    let value = bits.read(size).cast_signed();
    let positive = 1 << size >> 1;
    if value < positive { value - (1 << size) + 1 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_codes() {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[12]) = (1, 1, 2);
        let table = Huffman::new(&counts, &[7, 8, 9, 10]).expect("a table");
        // 0, 10, 1100000000000, 1100000000001
        let coded = [0x58, 0x00, 0xc0, 0x08];
        let mut bits = Bits::new(&coded);
        let mut found = Vec::new();
        for _ in 0..4 {
            bits.fill();
            found.push(table.symbol(&mut bits).expect("a symbol"));
        }
        assert_eq!(found, [7, 8, 9, 10]);
    }

    #[test]
    fn categories() {
        let mut bits = Bits::new(&[0b0100_1101, 0, 0]);
        assert_eq!(extend(&mut bits, 0), 0);
        assert_eq!(extend(&mut bits, 1), -1);
        assert_eq!(extend(&mut bits, 1), 1);
        assert_eq!(extend(&mut bits, 3), -6);
        assert_eq!(extend(&mut bits, 3), 5);
    }

    #[test]
    fn tables_that_cannot_be() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[1]).is_err());
    }
}
