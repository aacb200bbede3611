//! The errors after the handshake.

use stentor::protocol::ProtocolError;

use crate::rule::Rule;
use crate::rules::frames as rules;

/// Returns the rule that an error of the peer names; `None` for an error that is newer than this table.
pub fn protocol_error(error: &ProtocolError) -> Option<&'static Rule> {
    Some(match error {
        ProtocolError::Unmasked => &rules::MASK_CLIENT,
        ProtocolError::Masked => &rules::MASK_SERVER,
        ProtocolError::ReservedBits(_) => &rules::RESERVED_BITS,
        ProtocolError::ReservedOpcode(_) => &rules::OPCODE,
        ProtocolError::FragmentedControl(_) => &rules::CONTROL_WHOLE,
        ProtocolError::LongControl(_) => &rules::CONTROL_LENGTH,
        ProtocolError::LengthNotMinimal(_) => &rules::LENGTH_MINIMAL,
        ProtocolError::LengthTopBit(_) => &rules::LENGTH_TOP_BIT,
        ProtocolError::StrayContinuation => &rules::CONTINUATION,
        ProtocolError::MessageInsideMessage => &rules::NESTED,
        ProtocolError::CloseBodyOfOneByte => &rules::CLOSE_BODY,
        ProtocolError::InvalidCloseCode(_) => &rules::CLOSE_CODE,
        ProtocolError::InvalidUtf8 => &rules::TEXT_UTF8,
        ProtocolError::MessageTooLarge(_) => &rules::MESSAGE_SIZE,
        ProtocolError::TooManyFragments(_) => &rules::MESSAGE_FRAGMENTS,
        ProtocolError::SkipTooLarge(_) => &rules::HIXIE_SKIPPED,
        ProtocolError::InvalidCompression => &rules::DEFLATE_DATA,
        ProtocolError::UnknownFrameType(_) => &rules::HIXIE_TYPE,
        _ => return None,
    })
}
