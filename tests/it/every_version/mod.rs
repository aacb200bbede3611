//! One suite for every version. A claim that is true of all five is made here, once; a claim that
//! is true of only some has its own place.

mod handshake;

mod messages;

mod goodbyes;

mod limits;

use goodbyes::*;
use handshake::*;
use limits::*;
use messages::*;

macro_rules! suite {
    ($($claim:ident)*) => {
        suite! { draft75: Draft75 $($claim)* }
        suite! { draft76: Draft76 $($claim)* }
        suite! { hybi07: Hybi07 $($claim)* }
        suite! { hybi08: Hybi08 $($claim)* }
        suite! { rfc6455: Rfc6455 $($claim)* }
    };
    ($name:ident: $version:ident $($claim:ident)*) => {
        mod $name {
            $(
                #[test]
                fn $claim() {
                    super::$claim(stentor::Version::$version);
                }
            )*
        }
    };
}

suite! {
    text_reaches_the_application
    text_comes_back
    empty_text_is_a_message
    messages_in_one_piece_come_in_order
    a_message_may_be_cut_anywhere
    a_handshake_may_be_cut_anywhere
    bytes_behind_the_handshake_are_the_first_message
    the_request_can_be_read
    a_cookie_goes_into_the_101
    a_version_that_is_not_allowed_is_refused
    a_request_is_answered_once
    the_application_can_refuse
    the_application_can_answer_with_a_page
    sending_before_the_handshake_waits_or_is_refused

    our_goodbye_is_answered_by_the_peer
    the_peers_goodbye_is_answered_by_us
    a_second_goodbye_is_not_sent
    nothing_is_sent_after_our_goodbye
    nothing_is_delivered_after_our_goodbye
    nothing_is_processed_after_the_peers_goodbye
    an_end_without_goodbye_is_clean_only_where_it_is_the_goodbye
    an_end_inside_a_message_is_not_clean
    an_end_instead_of_the_peers_goodbye_is_not_clean
    an_end_during_the_handshake_is_an_error
    hanging_up_behind_the_last_message_loses_none
    open_is_told_before_closed
    a_goodbye_that_may_not_be_sent_is_refused_everywhere

    a_message_may_have_as_many_bytes_as_the_limit
    the_default_limit_is_a_mebibyte
    a_long_message_is_refused_before_it_has_come
    what_is_only_announced_is_refused_on_its_header
    a_head_may_have_as_many_bytes_as_the_limit
    a_head_without_end_is_refused_at_the_limit
    a_head_may_have_as_many_fields_as_the_limit

    binary_is_carried_or_named_as_missing
    pings_are_carried_or_named_as_missing
    frames_of_unknown_kinds_are_skipped_or_refused
    every_first_byte_is_survived
}
