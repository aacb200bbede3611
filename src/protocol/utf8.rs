//! Text that comes in parts, which may end in the middle of a character.

/// Returns how many bytes, from the front, are whole characters. Bytes that follow may complete the rest.
///
/// # Errors
/// The same number, if no following bytes could make the text valid UTF-8.
pub(crate) fn whole_characters(bytes: &[u8]) -> Result<usize, usize> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.len()),
        Err(error) if error.error_len().is_some() => Err(error.valid_up_to()),
        Err(error) => Ok(error.valid_up_to()),
    }
}
