//! Lesson 7: the close.

use stentor::Version;

use crate::closing::{self, Closing};
use crate::diagnoses::closing as d;
use crate::exchange::{self, Delivery, Exchange};
use crate::lesson::{Case, Check, Failure, Lesson, Role, Shown};
use crate::talk::{End, Missing, Talk};
use crate::wire::{self, Frame, opcode};

pub(crate) static LESSON: Lesson = Lesson {
    number: 7,
    title: "The close",
    role: Role::Server,
    versions: &[Version::Rfc6455, Version::Hybi08, Version::Hybi07],
    cases: &[
        Case {
            id: "7.1",
            title: "a close frame comes back",
            run: close,
        },
        Case {
            id: "7.2",
            title: "then the server closes the TCP connection",
            run: tcp_end,
        },
        Case {
            id: "7.3",
            title: "a close frame without a code",
            run: no_code,
        },
        Case {
            id: "7.4",
            title: "a reason of 123 bytes",
            run: reason,
        },
        Case {
            id: "7.5",
            title: "a code of an application, 4321",
            run: application,
        },
        Case {
            id: "7.6",
            title: "a close frame just behind a message",
            run: message_before,
        },
        Case {
            id: "7.7",
            title: "a message after the close frame is ignored",
            run: message_after,
        },
        Case {
            id: "7.8",
            title: "a close frame inside a message",
            run: inside,
        },
        Case {
            id: "7.9",
            title: "bytes after the close frame do not lead to a TCP reset",
            run: no_reset,
        },
    ],
};

/// The bytes of the message after the close frame.
const LATE: usize = 300_000;

fn close(talk: &mut Talk) -> Check {
    talk.open()?;
    Exchange::echo(Frame::text("before the close")).play(talk, Delivery::Together)?;
    Closing::new(Frame::close(1000, "")).play(talk)
}

fn tcp_end(talk: &mut Talk) -> Check {
    talk.open()?;
    let sent = talk.send_frame(Frame::close(1000, ""));
    // Case 7.1 judges the frame.
    closing::skip_to_close(talk);
    closing::tcp_end(talk, &sent)
}

fn no_code(talk: &mut Talk) -> Check {
    talk.open()?;
    Closing::new(Frame::new(opcode::CLOSE, "")).play(talk)
}

fn reason(talk: &mut Talk) -> Check {
    talk.open()?;
    let reason = format!("{}ü{}", talk.random.word(60), talk.random.word(61));
    Closing::new(Frame::close(1001, &reason)).play(talk)
}

fn application(talk: &mut Talk) -> Check {
    talk.open()?;
    Closing::new(Frame::close(4321, "done")).play(talk)
}

fn message_before(talk: &mut Talk) -> Check {
    talk.open()?;
    let message = Frame::text(&format!("the last message {}", talk.random.word(4)));
    let mut closing = Closing::new(Frame::close(1000, ""));
    closing.sent.insert(0, message.clone());
    closing.before = vec![message];
    closing.play(talk)
}

fn message_after(talk: &mut Talk) -> Check {
    talk.open()?;
    let mut closing = Closing::new(Frame::close(1000, ""));
    let late = Frame::text(&format!("too late {}", talk.random.word(4)));
    closing.sent.push(late);
    closing.play(talk)?;
    let (rest, _) = talk.rest_until_silence();
    if wire::is_keepalive(&rest) {
        return Ok(());
    }
    Failure::diagnosed(&d::AFTER_CLOSE, "Bytes came after the close frame.")
        .received(Shown::bytes(rest, "after the close frame"))
        .expected("nothing after the close frame")
        .fail()
}

fn inside(talk: &mut Talk) -> Check {
    talk.open()?;
    let mut closing = Closing::new(Frame::close(1000, ""));
    let start = Frame::text("this message will not end").unfinished();
    closing.sent.insert(0, start);
    closing.any_code = true;
    closing.silent = &d::NOT_AT_ONCE;
    closing.play(talk)
}

fn no_reset(talk: &mut Talk) -> Check {
    talk.open()?;
    // More bytes than one read returns: a server that closes its socket at once leaves some unread.
    let close = Frame::close(1000, "").masked(talk.random.mask());
    let late = Frame::text(&talk.random.word(LATE)).masked(talk.random.mask());
    talk.send(&[close.encode(), late.encode()].concat());
    closing::skip_to_close(talk);
    let missing = talk.wait_for_end(talk.timeout());
    if missing != Missing::Ended(End::Reset) {
        return Ok(());
    }
    Failure::diagnosed(&d::RESET, "")
        .sent(Shown::bytes(close.encode(), exchange::description(&close)))
        .sent(Shown::bytes(late.encode(), exchange::description(&late)))
        .received(Shown::line(format!(
            "(the close frame of your server; {})",
            missing.words()
        )))
        .expected("the close frame, and then the normal end of the TCP connection")
        .fail()
}
