//! Frames that are made by hand, right or wrong.

/// A frame of version 7, 8 or 13 with the first byte as given, and the shortest form of its length.
pub(super) fn hybi(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0x00 };
    let length = payload.len();
    let mut frame = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => frame.push(bit | length),
        (_, Ok(length)) => {
            frame.push(bit | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(masked(payload, mask));
    frame
}

/// A frame with the first two bytes and the length as given.
pub(super) fn with_length(
    first: u8,
    second: u8,
    length: &[u8],
    payload: &[u8],
    mask: Option<[u8; 4]>,
) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0x00 };
    let mut frame = vec![first, bit | second];
    frame.extend(length);
    frame.extend(masked(payload, mask));
    frame
}

/// The key, and the payload under it; or the payload alone.
fn masked(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let Some(key) = mask else {
        return payload.to_vec();
    };
    let under = payload.iter().zip(key.iter().cycle());
    key.iter()
        .copied()
        .chain(under.map(|(byte, key)| byte ^ key))
        .collect()
}
