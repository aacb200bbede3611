//! A second DEFLATE (RFC 1951), a bit at a time, with the changes of permessage-deflate (RFC 7692
//! §7.2.2).

/// The error of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not a stream, or not a complete one.
    Broken,
    /// It inflates to more than the limit, or has too many streams for that.
    TooLarge,
}

/// The farthest back-reference of a match.
const WINDOW: usize = 32 * 1024;

/// The bytes that a sender leaves out, and an empty final block.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// Returns the message of a payload, which may refer to `before`.
pub fn inflate(before: &[u8], payload: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let bytes = [payload, &TAIL, &END].concat();
    let mut inflater = Inflater {
        bytes: &bytes,
        at: 0,
        out: before.to_vec(),
        most: before.len() + limit,
    };
    let mut streams = 0;
    loop {
        let last = inflater.block()?;
        if !last {
            continue;
        }
        inflater.at = inflater.at.next_multiple_of(8);
        let ended = inflater.at / 8;
        // Only the empty final block may end behind the payload.
        if ended == payload.len() || ended == bytes.len() {
            return Ok(inflater.out.split_off(before.len()));
        }
        if ended > payload.len() {
            return Err(Fault::Broken);
        }
        streams += 1;
        if streams > 1024 + limit / 1024 {
            return Err(Fault::TooLarge);
        }
    }
}

struct Inflater<'a> {
    bytes: &'a [u8],
    /// Position in bits.
    at: usize,
    out: Vec<u8>,
    most: usize,
}

/// A prefix code: the number of codes of each length, and their symbols in order.
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Inflater<'_> {
    /// Reads one block; returns whether it is final.
    fn block(&mut self) -> Result<bool, Fault> {
        let last = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| match symbol {
                        0..=143 | 280..=287 => 8,
                        144..=255 => 9,
                        _ => 7,
                    })
                    .collect();
                self.compressed(&Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => self.dynamic()?,
            _ => return Err(Fault::Broken),
        }
        Ok(last)
    }

    fn stored(&mut self) -> Result<(), Fault> {
        self.at = self.at.next_multiple_of(8);
        let (len, inverse) = (self.bits(16)?, self.bits(16)?);
        if len != !inverse & 0xffff {
            return Err(Fault::Broken);
        }
        for _ in 0..len {
            let byte = self.bits(8)?;
            self.push(byte as u8)?;
        }
        Ok(())
    }

    fn dynamic(&mut self) -> Result<(), Fault> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = self.bits(5)? as usize + 257;
        let distances = self.bits(5)? as usize + 1;
        let codes = self.bits(4)? as usize + 4;
        if literals > 286 || distances > 30 {
            return Err(Fault::Broken);
        }
        let mut lengths = [0; 19];
        for place in &ORDER[..codes] {
            lengths[*place] = self.bits(3)? as u8;
        }
        let code = Code::new(&lengths);
        if code.left() != 0 {
            return Err(Fault::Broken);
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let symbol = self.symbol(&code)?;
            let (length, times) = match symbol {
                16 => {
                    let last = *lengths.last().ok_or(Fault::Broken)?;
                    (last, 3 + self.bits(2)?)
                }
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length as u8, 1),
            };
            lengths.extend((0..times).map(|_| length));
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err(Fault::Broken);
        }
        let (literals, distances) = lengths.split_at(literals);
        let (literals, distances) = (Code::new(literals), Code::new(distances));
        // An incomplete code may only be a single code of one bit, or no code at all.
        for code in [&literals, &distances] {
            let single = code.counts[2..].iter().all(|count| *count == 0);
            if code.left() < 0 || code.left() > 0 && !single {
                return Err(Fault::Broken);
            }
        }
        self.compressed(&literals, &distances)
    }

    fn compressed(&mut self, literals: &Code, distances: &Code) -> Result<(), Fault> {
        loop {
            let symbol = self.symbol(literals)? as usize;
            let symbol = match symbol {
                0..=255 => {
                    self.push(symbol as u8)?;
                    continue;
                }
                256 => return Ok(()),
                symbol => symbol - 257,
            };
            // RFC 1951 §3.2.5.
            let len = match symbol {
                0..=7 => symbol + 3,
                8..=27 => {
                    let extra = symbol / 4 - 1;
                    ((4 + symbol % 4) << extra) + 3 + self.bits(extra)? as usize
                }
                28 => 258,
                _ => return Err(Fault::Broken),
            };
            let symbol = self.symbol(distances)? as usize;
            let distance = match symbol {
                0..=3 => symbol + 1,
                4..=29 => {
                    let extra = symbol / 2 - 1;
                    ((2 + symbol % 2) << extra) + 1 + self.bits(extra)? as usize
                }
                _ => return Err(Fault::Broken),
            };
            if distance > self.out.len() || distance > WINDOW {
                return Err(Fault::Broken);
            }
            for _ in 0..len {
                self.push(self.out[self.out.len() - distance])?;
            }
        }
    }

    fn symbol(&mut self, code: &Code) -> Result<u16, Fault> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            value |= self.bits(1)? as usize;
            let count = usize::from(*count);
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(Fault::Broken)
    }

    fn bits(&mut self, count: usize) -> Result<u32, Fault> {
        let mut value = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Fault::Broken)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        self.out.push(byte);
        match self.out.len() > self.most {
            true => Err(Fault::TooLarge),
            false => Ok(()),
        }
    }
}

impl Code {
    fn new(lengths: &[u8]) -> Code {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for length in 1..16_u8 {
            for (symbol, own) in (0..).zip(lengths) {
                if *own == length {
                    counts[usize::from(length)] += 1;
                    symbols.push(symbol);
                }
            }
        }
        Code { counts, symbols }
    }

    /// Returns the unused space of all codes; negative if there are too many.
    fn left(&self) -> i32 {
        let used = (1..16).map(|length| i32::from(self.counts[length]) << (15 - length));
        (1 << 15) - used.sum::<i32>()
    }
}
