//! A second DEFLATE (RFC 1951), a bit at a time, with the changes of permessage-deflate (RFC 7692
//! §7.2.2). It names the blocks of a message, which libraries hide.

/// The error of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not a stream, or not a complete one.
    Broken,
    /// It inflates to more than the limit, or has too many streams for that.
    TooLarge,
}

/// The bytes that a sender leaves out (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The most blocks of a message that are kept one by one.
pub const BLOCKS: usize = 64;

/// An empty final block.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The farthest back-reference of a match.
const WINDOW: usize = 32 * 1024;

/// Returns the message of a payload, which may refer to `before`.
///
/// # Errors
/// If the payload is not a compressed message, or the message is larger than `limit`.
pub fn inflate(before: &[u8], payload: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut inflater = Inflater::new(before, limit);
    inflater.push(payload)?;
    inflater.finish()?;
    Ok(inflater.take())
}

/// The way in which a block is compressed (RFC 1951 §3.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BTYPE 00: not at all.
    Stored,
    /// BTYPE 01: with the codes that the specification fixes.
    Fixed,
    /// BTYPE 10: with codes that the block itself describes.
    Dynamic,
}

/// A block of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// BFINAL: the last block of a stream.
    pub last: bool,
    /// BTYPE.
    pub kind: Kind,
    /// The first bit, counted from the first bit of the message's payload.
    pub start: u64,
    /// The bit after the last one; if the block is not complete, the bit after the last one that was
    /// read.
    pub end: u64,
    /// The bytes that it decompresses to.
    pub plain: u64,
    /// How many of them were copied out of the bytes before the message.
    pub from_before: u64,
}

/// Decompresses one message, whose payload comes in any pieces.
#[derive(Debug)]
pub struct Inflater {
    /// The compressed bytes that are not used up.
    bytes: Vec<u8>,
    /// How many bytes came before those.
    dropped: u64,
    /// The position in bits, in the bytes that are left.
    at: usize,
    /// The bytes to which matches may refer, and how many of them belong to the message.
    window: Vec<u8>,
    plain: u64,
    limit: usize,
    /// The decompressed bytes that were not taken.
    out: Vec<u8>,
    place: Place,
    blocks: Vec<Block>,
    block: Option<Block>,
    count: u64,
    streams: usize,
    from_before: u64,
    farthest: usize,
}

/// The position in a block.
#[derive(Debug)]
enum Place {
    /// Before a block.
    Block,
    /// Behind a final block.
    Ended,
    Stored {
        left: u32,
    },
    Codes {
        literals: Code,
        distances: Code,
    },
}

/// A prefix code: the number of codes of each length, and their symbols in order.
#[derive(Debug)]
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
    longest: usize,
}

/// The reason why a step was not done.
enum Stop {
    /// It needs more bits.
    Short,
    Fault(Fault),
}

const BROKEN: Stop = Stop::Fault(Fault::Broken);

impl Inflater {
    /// Begins a message, which may refer to `before` and may have `limit` bytes.
    pub fn new(before: &[u8], limit: usize) -> Inflater {
        Inflater {
            bytes: Vec::new(),
            dropped: 0,
            at: 0,
            window: before[before.len().saturating_sub(WINDOW)..].to_vec(),
            plain: 0,
            limit,
            out: Vec::new(),
            place: Place::Block,
            blocks: Vec::new(),
            block: None,
            count: 0,
            streams: 0,
            from_before: 0,
            farthest: 0,
        }
    }

    /// Decompresses the next bytes of the payload, as far as they go.
    ///
    /// # Errors
    /// If they cannot be decompressed, or the message becomes larger than the limit.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if matches!(self.place, Place::Ended) && !payload.is_empty() {
            self.again()?;
        }
        self.bytes.extend_from_slice(payload);
        loop {
            match self.step() {
                Ok(()) => {}
                Err(Stop::Short) => break,
                Err(Stop::Fault(fault)) => return Err(fault),
            }
            if matches!(self.place, Place::Ended) {
                if self.at / 8 == self.bytes.len() {
                    break;
                }
                self.again()?;
            }
        }
        let used = self.at / 8;
        self.bytes.drain(..used);
        self.dropped += used as u64;
        self.at %= 8;
        Ok(())
    }

    /// Ends the message with the bytes that its sender has left out. Returns whether they were needed:
    /// they are not behind a final block.
    ///
    /// # Errors
    /// The same as [`push`](Inflater::push), and if the payload is cut short.
    pub fn finish(&mut self) -> Result<bool, Fault> {
        if matches!(self.place, Place::Ended) {
            return Ok(false);
        }
        let streams = self.streams;
        self.push(&TAIL)?;
        // The final block that is put behind the tail is not part of the message.
        let (count, begun) = (self.count, u64::from(self.block.is_some()));
        let within_tail = matches!(self.place, Place::Ended);
        self.push(&END)?;
        if within_tail || streams != self.streams || !matches!(self.place, Place::Ended) {
            return Err(Fault::Broken);
        }
        self.count = count + begun;
        self.blocks
            .truncate(usize::try_from(self.count).unwrap_or(BLOCKS));
        Ok(true)
    }

    /// Returns the decompressed bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Returns the last bytes of the message, and of those before it: those to which a next message may
    /// refer, with context takeover.
    pub fn window(&self) -> &[u8] {
        &self.window[self.window.len().saturating_sub(WINDOW)..]
    }

    /// Returns the first blocks, with the one that is being read.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let block = self.block.filter(|_| self.blocks.len() < BLOCKS);
        self.blocks.iter().copied().chain(block)
    }

    /// Returns how many blocks there are; [`blocks`](Inflater::blocks) has the first 64 of them.
    pub fn count(&self) -> u64 {
        self.count + u64::from(self.block.is_some())
    }

    /// Returns how many bytes of the message were copied out of the bytes before it.
    pub fn from_before(&self) -> u64 {
        self.from_before
    }

    /// Returns the farthest distance of a match, in bytes: the window that the sender has used.
    pub fn farthest(&self) -> usize {
        self.farthest
    }

    /// Returns how many bits are read.
    pub fn bits_read(&self) -> u64 {
        self.dropped * 8 + self.at as u64
    }

    /// Begins the next stream, behind a final block.
    fn again(&mut self) -> Result<(), Fault> {
        self.streams += 1;
        if self.streams > 1024 + self.limit / 1024 {
            return Err(Fault::TooLarge);
        }
        self.place = Place::Block;
        Ok(())
    }

    /// Reads one part: a block's header, a stored byte, a symbol. If bits are missing, nothing changes.
    fn step(&mut self) -> Result<(), Stop> {
        let at = self.at;
        let place = std::mem::replace(&mut self.place, Place::Block);
        let next = match &place {
            Place::Block => self.begin().map(Some),
            Place::Ended => Err(Stop::Short),
            Place::Stored { left: 0 } => Ok(Some(Place::Block)),
            Place::Stored { left } => self
                .stored()
                .map(|()| Some(Place::Stored { left: left - 1 })),
            Place::Codes {
                literals,
                distances,
            } => match self.coded(literals, distances) {
                Ok(true) => Ok(Some(Place::Block)),
                Ok(false) => Ok(None),
                Err(stop) => Err(stop),
            },
        };
        match next {
            Err(stop) => {
                self.place = place;
                if matches!(stop, Stop::Short) {
                    self.at = at;
                }
                return Err(stop);
            }
            Ok(None) => self.place = place,
            Ok(Some(next)) => self.place = next,
        }
        if let Some(block) = &mut self.block {
            block.end = self.dropped * 8 + self.at as u64;
            if matches!(self.place, Place::Block) {
                self.complete();
            }
        }
        Ok(())
    }

    /// Keeps the block that has ended.
    fn complete(&mut self) {
        let Some(mut block) = self.block.take() else {
            return;
        };
        if block.last {
            self.at = self.at.next_multiple_of(8);
            block.end = self.dropped * 8 + self.at as u64;
            self.place = Place::Ended;
        }
        self.count += 1;
        if self.blocks.len() < BLOCKS {
            self.blocks.push(block);
        }
    }

    /// Reads the header of a block.
    fn begin(&mut self) -> Result<Place, Stop> {
        let start = self.bits_read();
        let last = self.bits(1)? == 1;
        let (kind, place) = match self.bits(2)? {
            0 => (Kind::Stored, self.stored_length()?),
            1 => (Kind::Fixed, fixed()),
            2 => (Kind::Dynamic, self.dynamic()?),
            _ => return Err(BROKEN),
        };
        self.block = Some(Block {
            last,
            kind,
            start,
            end: start,
            plain: 0,
            from_before: 0,
        });
        Ok(place)
    }

    fn stored_length(&mut self) -> Result<Place, Stop> {
        self.at = self.at.next_multiple_of(8);
        let (len, inverse) = (self.bits(16)?, self.bits(16)?);
        match len == !inverse & 0xffff {
            true => Ok(Place::Stored { left: len }),
            false => Err(BROKEN),
        }
    }

    fn stored(&mut self) -> Result<(), Stop> {
        let byte = self.bits(8)?;
        self.push_byte(byte.to_le_bytes()[0])
    }

    fn dynamic(&mut self) -> Result<Place, Stop> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = self.bits(5)? as usize + 257;
        let distances = self.bits(5)? as usize + 1;
        let codes = self.bits(4)? as usize + 4;
        if literals > 286 || distances > 30 {
            return Err(BROKEN);
        }
        let mut lengths = [0; 19];
        for place in &ORDER[..codes] {
            lengths[*place] = self.bits(3)?.to_le_bytes()[0];
        }
        let code = Code::new(&lengths);
        if code.longest == 0 {
            // Without a code, no length can be read. zlib reads a bit for each of them, and fails then.
            self.bits(literals + distances)?;
            return Err(BROKEN);
        }
        if code.left() != 0 {
            return Err(BROKEN);
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let symbol = self.symbol(&code)?;
            let (length, times) = match symbol {
                16 => {
                    let last = *lengths.last().ok_or(BROKEN)?;
                    (last, 3 + self.bits(2)?)
                }
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length.to_le_bytes()[0], 1),
            };
            lengths.extend((0..times).map(|_| length));
            if lengths.len() > literals + distances {
                return Err(BROKEN);
            }
        }
        if lengths[256] == 0 {
            return Err(BROKEN);
        }
        let (literals, distances) = lengths.split_at(literals);
        let (literals, distances) = (Code::new(literals), Code::new(distances));
        // An incomplete code may only be a single code of one bit, or no code at all.
        for code in [&literals, &distances] {
            if code.left() < 0 || code.left() > 0 && code.longest > 1 {
                return Err(BROKEN);
            }
        }
        Ok(Place::Codes {
            literals,
            distances,
        })
    }

    /// Reads a byte, or a match; returns whether the block has ended.
    fn coded(&mut self, literals: &Code, distances: &Code) -> Result<bool, Stop> {
        let symbol = usize::from(self.symbol(literals)?);
        let symbol = match symbol {
            0..=255 => {
                self.push_byte(symbol.to_le_bytes()[0])?;
                return Ok(false);
            }
            256 => return Ok(true),
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
            _ => return Err(BROKEN),
        };
        let symbol = usize::from(self.symbol(distances)?);
        let distance = match symbol {
            0..=3 => symbol + 1,
            4..=29 => {
                let extra = symbol / 2 - 1;
                ((2 + symbol % 2) << extra) + 1 + self.bits(extra)? as usize
            }
            _ => return Err(BROKEN),
        };
        if distance > self.window.len() || distance > WINDOW {
            return Err(BROKEN);
        }
        self.farthest = self.farthest.max(distance);
        for _ in 0..len {
            let from_before = u64::from(distance as u64 > self.plain);
            self.push_byte(self.window[self.window.len() - distance])?;
            self.from_before += from_before;
            if let Some(block) = &mut self.block {
                block.from_before += from_before;
            }
        }
        Ok(false)
    }

    fn symbol(&mut self, code: &Code) -> Result<u16, Stop> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..=code.longest.max(1)] {
            value |= self.bits(1)? as usize;
            let count = usize::from(*count);
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(BROKEN)
    }

    /// Reads a number, the least significant bit first. Of more than 32 bits, the rest is skipped.
    fn bits(&mut self, count: usize) -> Result<u32, Stop> {
        let mut value = 0;
        for place in (0..).take(count) {
            let byte = self.bytes.get(self.at / 8).ok_or(Stop::Short)?;
            let bit = u32::from(byte >> (self.at % 8) & 1);
            value |= bit.checked_shl(place).unwrap_or_default();
            self.at += 1;
        }
        Ok(value)
    }

    fn push_byte(&mut self, byte: u8) -> Result<(), Stop> {
        if self.plain == self.limit as u64 {
            return Err(Stop::Fault(Fault::TooLarge));
        }
        if self.window.len() == 2 * WINDOW {
            self.window.drain(..WINDOW);
        }
        self.window.push(byte);
        self.out.push(byte);
        self.plain += 1;
        if let Some(block) = &mut self.block {
            block.plain += 1;
        }
        Ok(())
    }
}

/// Returns the codes that the specification fixes (RFC 1951 §3.2.6).
fn fixed() -> Place {
    let lengths: Vec<u8> = (0..288)
        .map(|symbol| match symbol {
            0..=143 | 280..=287 => 8,
            144..=255 => 9,
            _ => 7,
        })
        .collect();
    Place::Codes {
        literals: Code::new(&lengths),
        distances: Code::new(&[5; 30]),
    }
}

impl Code {
    fn new(lengths: &[u8]) -> Code {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        let mut longest = 0;
        for length in 1..16_u8 {
            for (symbol, own) in (0..).zip(lengths) {
                if *own == length {
                    counts[usize::from(length)] += 1;
                    symbols.push(symbol);
                    longest = usize::from(length);
                }
            }
        }
        Code {
            counts,
            symbols,
            longest,
        }
    }

    /// Returns the unused space of all codes; negative if there are too many.
    fn left(&self) -> i32 {
        let used = (1..16).map(|length| i32::from(self.counts[length]) << (15 - length));
        (1 << 15) - used.sum::<i32>()
    }
}
