//! The lists of the protocol's errors are complete: each enum has a function `all`.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use super::{HandshakeError, InvalidUrl, KeyError, ProtocolError, Rejection, SendError};

/// Asserts that a list has each of these variants once, in this order. A new variant makes the
/// `match` incomplete, which is an error of the compiler, until it is here and in the list.
macro_rules! assert_complete {
    ($kind:ty: $($variant:pat),+ $(,)?) => {
        let all = <$kind>::all();
        for one in &all {
            match one {
                $($variant => {})+
            }
        }
        let mut rest = all.iter();
        $(
            let name = stringify!($variant);
            assert!(matches!(rest.next(), Some($variant)), "{name} is not at its place");
        )+
        assert_eq!(rest.next(), None);
        let different: HashSet<Discriminant<$kind>> = all.iter().map(discriminant).collect();
        assert_eq!(different.len(), all.len());
    };
}

#[test]
fn each_rejection_is_in_the_list() {
    use Rejection::*;
    assert_complete!(Rejection:
        HeadersTooLarge(_), TooManyHeaders(_), MalformedHeaders(_), NotHttp(_),
        UnexpectedProxyHeader, InvalidProxyHeader(_), Method(_), HandshakeMethod(_),
        UnknownMethod(_), Resource(_), HttpVersion(_), NoUpgrade, InvalidUpgrade(_),
        NoConnectionUpgrade, Body, Missing(_), Duplicate(_), InvalidHost(_), UnknownHost(_),
        InvalidVersion(_), UnsupportedVersion { .. }, UnsupportedDraft(_), KeyWithoutVersion,
        InvalidKey(_), InvalidChallenge { .. }, InvalidSubprotocol, UnsupportedSubprotocol,
        Origin(_), Timeout, Full, AddressFull, TooManyHandshakes { .. }, ShuttingDown,
        Application { .. },
    );
}

#[test]
fn each_error_of_a_key_is_in_the_list() {
    use KeyError::*;
    assert_complete!(KeyError: NoDigits, NoSpaces, NotDivisible, TooLarge);
}

#[test]
fn each_protocol_error_is_in_the_list() {
    use ProtocolError::*;
    assert_complete!(ProtocolError:
        Unmasked, Masked, ReservedBits(_), ReservedOpcode(_), FragmentedControl(_),
        LongControl(_), LengthNotMinimal(_), LengthTopBit(_), StrayContinuation,
        MessageInsideMessage, CloseBodyOfOneByte, InvalidCloseCode(_), InvalidUtf8,
        MessageTooLarge(_), TooManyFragments(_), SkipTooLarge(_), InvalidCompression,
        UnknownFrameType(_),
    );
}

#[test]
fn each_send_error_is_in_the_list() {
    use SendError::*;
    assert_complete!(SendError:
        UnsupportedByVersion { .. }, CloseCode(_), InvalidUtf8, TooLong(_), WrongState(_),
    );
}

#[test]
fn each_handshake_error_is_in_the_list() {
    use HandshakeError::*;
    assert_complete!(HandshakeError:
        Status(_), HeadersTooLarge(_), TooManyHeaders(_), TooManyInterim(_),
        MalformedHeaders(_), NotHttp(_), Preamble(_), HttpVersion, Missing(_), Duplicate(_),
        Mismatch { .. }, SubprotocolNotOffered { .. }, NotOffered { .. }, Proof { .. },
        StreamEnded,
    );
}

#[test]
fn each_error_of_a_url_is_in_the_list() {
    use InvalidUrl::*;
    assert_complete!(InvalidUrl:
        Scheme(_), Fragment(_), UserInfo, Host(_), Port(_), Resource(_),
    );
}
