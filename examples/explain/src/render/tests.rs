//! Hand-made notes as text.

use crate::note::{Note, Part, Side, Value, Verdict};
use crate::rule::Rule;
use crate::step::Step;

use super::{Level, Renderer, Style};

static MASK: Rule = Rule {
    id: "test.mask",
    source: "RFC 6455 §5.1",
    says: "A client masks each frame.",
    why: "Otherwise a page could write the bytes of another protocol into a cache between.",
};

static LENGTH: Rule = Rule {
    id: "test.length",
    source: "RFC 6455 §5.2",
    says: "A length has its shortest form.",
    why: "One value has one form.",
};

/// "Hello" from a client, as in RFC 6455 §5.7.
const HELLO: [u8; 11] = [
    0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
];

fn note(id: u32, part: Part, bytes: std::ops::Range<u64>, bits: u8, value: Value) -> Note {
    Note {
        id,
        parent: (id > 0).then_some(0),
        from: Side::Client,
        bytes,
        bits,
        part,
        value,
        steps: Vec::new(),
        verdicts: Vec::new(),
    }
}

fn hello() -> Vec<Note> {
    let mut notes = vec![
        note(0, Part::Frame, 0..11, 0xff, Value::None),
        note(1, Part::Fin, 0..1, 0x80, Value::Flag(true)),
        note(2, Part::Rsv1, 0..1, 0x40, Value::Flag(false)),
        note(3, Part::Rsv2, 0..1, 0x20, Value::Flag(false)),
        note(4, Part::Rsv3, 0..1, 0x10, Value::Flag(false)),
        note(5, Part::Opcode, 0..1, 0x0f, Value::Name("text")),
        note(6, Part::MaskBit, 1..2, 0x80, Value::Flag(true)),
        note(7, Part::Length7, 1..2, 0x7f, Value::Number(5)),
        note(8, Part::MaskingKey, 2..6, 0xff, Value::None),
        note(
            9,
            Part::Payload,
            6..11,
            0xff,
            Value::Text("Hello".to_owned()),
        ),
    ];
    notes[6].verdicts.push(Verdict::Holds(&MASK));
    notes[7].verdicts.push(Verdict::Holds(&LENGTH));
    for at in 0..5 {
        let (masked, key) = (HELLO[6 + at], HELLO[2 + at % 4]);
        notes[9].steps.push(Step::Xor {
            at: at as u64,
            masked,
            key,
            plain: masked ^ key,
        });
    }
    notes
}

fn text(style: Style, bytes: &[u8], notes: Vec<Note>) -> String {
    let mut renderer = Renderer::new(style);
    let mut out = Vec::new();
    renderer.bytes(Side::Client, bytes);
    renderer.write(notes.into_iter(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn level(level: Level) -> Style {
    Style {
        level,
        ..Style::default()
    }
}

#[test]
fn quiet_is_one_line_a_frame() {
    let text = text(level(Level::Quiet), &HELLO, hello());
    assert_eq!(
        text,
        "C> frame 1   text, whole, masked, 5 bytes, \"Hello\"\n"
    );
}

#[test]
fn bytes_stand_beside_their_parts() {
    let expected = "\
C> frame 1   text, whole, masked, 5 bytes                               11 bytes
   0000  81                       FIN 1, RSV 000, opcode 1 (text)
   0001  85                       MASK 1, length 5
   0002  37 fa 21 3d              masking key
   0006  7f 9f 4d 51 58           payload \"Hello\"
";
    assert_eq!(text(Style::default(), &HELLO, hello()), expected);
}

#[test]
fn verbose_shows_bits_rules_and_arithmetic() {
    let expected = "\
C> frame 1   text, whole, masked, 5 bytes                               11 bytes
   0000  81   1··· ····           FIN 1: the message ends here
              ·000 ····           RSV 000: no extension
              ···· 0001           opcode 1 (text)
   0001  85   1··· ····           MASK 1: a key follows         ok RFC 6455 §5.1
              ·000 0101           length 5 = 4+1                ok RFC 6455 §5.2
   0002  37 fa 21 3d              masking key
   0006  7f 9f 4d 51 58           payload \"Hello\"
         XOR       7f⊕37=48 H  9f⊕fa=65 e  4d⊕21=6c l  51⊕3d=6c l  58⊕37=6f o
         in bits   0111 1111 ⊕ 0011 0111 = 0100 1000: 1 where the bits differ
";
    assert_eq!(text(level(Level::Verbose), &HELLO, hello()), expected);
}

#[test]
fn broken_rules_are_shown_with_their_reason_if_wanted() {
    let mut notes = hello();
    let by = "The length 5 stands in \u{1b}[31m 16 bits.".to_owned();
    notes[7].verdicts = vec![Verdict::Broken(&LENGTH, by)];
    let style = Style {
        only_broken: true,
        why: true,
        ..Style::default()
    };
    let expected = "\
C> frame 1   text, whole, masked, 5 bytes                               11 bytes
   0001  85                       MASK 1, length 5
   BROKEN test.length, RFC 6455 §5.2
          The length 5 stands in \\x1b[31m 16 bits.
     rule A length has its shortest form.
      why One value has one form.
";
    assert_eq!(text(style, &HELLO, notes), expected);
    assert_eq!(text(style, &HELLO, hello()), "");
}

#[test]
fn reasons_are_given_once() {
    let mut renderer = Renderer::new(Style {
        why: true,
        ..Style::default()
    });
    let mut out = Vec::new();
    for _ in 0..2 {
        renderer.write(hello().into_iter(), &mut out).unwrap();
    }
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("Otherwise a page").count(), 1, "{text}");
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    let mut notes = hello();
    notes[9].value = Value::Text("word ".repeat(40) + &"日".repeat(60) + &"x".repeat(200));
    notes[9].verdicts = vec![
        Verdict::Broken(&MASK, "y".repeat(300)),
        Verdict::Holds(&MASK),
    ];
    for width in [0, 60, 80, 132] {
        for level in [Level::Quiet, Level::Usual, Level::Verbose] {
            let style = Style {
                level,
                why: true,
                width,
                ..Style::default()
            };
            for line in text(style, &HELLO, notes.clone()).lines() {
                let columns = super::visible::columns(line);
                assert!(columns <= width.max(60), "{width}: {line}");
            }
        }
    }
}

#[test]
fn colours_are_used_only_if_wanted() {
    let mut notes = hello();
    notes[7].verdicts = vec![Verdict::Broken(&LENGTH, "It is.".to_owned())];
    assert!(!text(Style::default(), &HELLO, notes.clone()).contains('\x1b'));
    let style = Style {
        color: true,
        ..Style::default()
    };
    assert!(text(style, &HELLO, notes).contains("\x1b[1;31m   BROKEN"));
}

#[test]
fn an_end_of_a_read_within_a_frame_is_shown() {
    let mut cut = note(0, Part::Cut, 4..4, 0xff, Value::None);
    cut.parent = None;
    let mut notes = vec![cut];
    notes.extend(hello());
    let text = text(level(Level::Verbose), &HELLO, notes);
    assert!(
        text.contains("   0004  - - - a read ended here - - -\n   0006"),
        "{text}"
    );
}

#[test]
fn hidden_values_are_not_shown() {
    let line = b"Cookie: a=SECRET\r\n";
    let notes = vec![
        note(0, Part::Request, 0..18, 0xff, Value::None),
        note(1, Part::Header, 0..18, 0xff, Value::None),
        note(2, Part::HeaderName, 0..6, 0xff, Value::None),
        note(3, Part::HeaderValue, 8..16, 0xff, Value::Hidden(8)),
    ];
    for level in [Level::Quiet, Level::Usual, Level::Verbose] {
        let style = Style {
            level,
            ..Style::default()
        };
        let text = text(style, line, notes.clone());
        assert!(!text.contains("SECRET"), "{text}");
        if level > Level::Quiet {
            assert!(
                text.contains("Cookie: (8 bytes hidden: --secrets shows them)"),
                "{text}"
            );
        }
    }
}
