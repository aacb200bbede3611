//! Each form of a paste.

use crate::Side;

use super::{Form, Pasted, read};

/// "Hello" from a client, as in RFC 6455 §5.7.
const HELLO: [u8; 11] = [
    0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
];

fn bytes(text: &str) -> Vec<u8> {
    match read(text, Form::Any) {
        Ok(Pasted::Bytes(bytes)) => bytes,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    read(text, Form::Any).unwrap_err()
}

#[test]
fn hex_is_read_with_any_usual_separators() {
    for text in [
        "818537fa213d7f9f4d5158",
        "81 85 37 fa 21 3d 7f 9f 4d 51 58",
        "81 85 37FA213D 7f9f4d5158\n",
        "81,85,37,fa,21,3d,7f,9f,4d,51,58",
        "81:85:37:fa:21:3d:7f:9f:4d:51:58",
        "81-85-37-FA-21-3D-7F-9F-4D-51-58",
        "0x81 0x85 0x37 0xfa 0x21 0x3d 0x7f 0x9f 0x4d 0x51 0x58",
        "0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,",
        "0x818537fa213d7f9f4d5158",
        "0x810x850x370xfa0x210x3d0x7f0x9f0x4d0x510x58",
        "\"818537fa213d7f9f4d5158\"",
        "bytes.fromhex(\"818537fa213d7f9f4d5158\")",
        "binascii.unhexlify('818537fa213d7f9f4d5158')",
        "Buffer.from('818537fa213d7f9f4d5158', 'hex')",
    ] {
        assert_eq!(bytes(text), HELLO, "{text}");
    }
    assert_eq!(bytes("0x81 0x5"), [0x81, 5]);
    assert_eq!(bytes("['0x81', '0x5']"), [0x81, 5]);
}

#[test]
fn literals_of_languages_are_read() {
    for text in [
        r"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        r"\x81 \x85 \x37 \xfa \x21 \x3d \x7f \x9f \x4d \x51 \x58",
        r"b'\x81\x857\xfa!=\x7f\x9fMQX'",
        r#"b"\x81\x857\xfa!=\x7f\x9fMQX""#,
        r#"bytearray(b'\x81\x857\xfa!=\x7f\x9fMQX')"#,
        r#""\x81\x85\x37\xfa" "\x21\x3d\x7f\x9f\x4d\x51\x58""#,
        r"printf '\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58'",
        r"printf '\201\205\67\372!=\177\237MQX'",
        r"\x81\x857\xfa!=\x7f\x9fMQX",
    ] {
        assert_eq!(bytes(text), HELLO, "{text}");
    }
    assert_eq!(bytes(r"b'\x81\x05Hello'"), b"\x81\x05Hello");
    assert_eq!(bytes(r#"b"it's\n\\\"""#), b"it's\n\\\"");
    assert_eq!(bytes(r"\x81\x04it's"), b"\x81\x04it's");
    for text in [
        r"(b'\x81\x857\xfa!=\x7f\x9fMQX', ('127.0.0.1', 5000))",
        r"12:00 don't: ('127.0.0.1', 5000) sent b'\x81\x857\xfa!=' + b'\x7f\x9fMQX'",
    ] {
        assert_eq!(bytes(text), HELLO, "{text}");
    }
    assert_eq!(bytes("received b'Hello'"), b"Hello");
    let text = r#""\u0081\u00857\u00fa!=\u007f\u009fMQX""#;
    assert_eq!(bytes(text), HELLO);
    assert!(error(r#""\u0081\ufffd""#).contains("no escape"));
    assert!(error(r"b'\x81\q'").contains("no escape"));
    assert!(error(r"b'\x81").contains("no end"));
}

#[test]
fn lists_of_numbers_are_read() {
    for text in [
        "[129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
        "&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]",
        "vec![129u8, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
        "let frame: [u8; 11] = [129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88];",
        "[129 133 55 250 33 61 127 159 77 81 88]",
        "[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}",
        "new byte[] {(byte)0x81, (byte)0x85, 55, -6, 33, 61, 127, -97, 77, 81, 88}",
        "[-127, -123, 55, -6, 33, 61, 127, -97, 77, 81, 88]",
        "Uint8Array(11) [\n  129, 133, 55, 250, 33,\n  61, 127, 159, 77, 81, 88\n]",
        "[81, 85, 37, fa, 21, 3d, 7f, 9f, 4d, 51, 58]",
        "['0x81', '0x85', '0x37', '0xfa', '0x21', '0x3d', '0x7f', '0x9f', '0x4d', '0x51', '0x58']",
        "<Buffer 81 85 37 fa 21 3d 7f 9f 4d 51 58>",
        "<< <Buffer 81 85 37 fa 21 3d 7f 9f 4d 51 58>",
    ] {
        assert_eq!(bytes(text), HELLO, "{text}");
    }
    assert!(error("<Buffer 81 85 ... 50 more bytes>").contains("shortened"));
    assert!(error("[129, 256]").contains("256 is no byte"));
}

#[test]
fn dumps_are_read_without_their_offsets_and_characters() {
    for text in [
        "00000000: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
        "00000000: 81 85 37 fa 21 3d 7f 9f 4d 51 58                 ..7.!=..MQX",
        "00000000  81 85 37 fa 21 3d 7f 9f  4d 51 58                 |..7.!=..MQX|\n0000000b\n",
        "0000   81 85 37 fa 21 3d 7f 9f 4d 51 58                  ..7.!=..MQX\n",
        "0000  81 85 37 fa 21 3d 7f 9f  4d 51 58                  ..7.!=.. MQX\n",
        "0000   81 85 37 fa 21 3d 7f 9f 4d 51 58\n",
        "\t0x0000:  8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX\n",
        "0000000 8581 fa37 3d21 9f7f 514d 0058\n000000b\n",
        "0000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n0000013\n",
        "0000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n0000011\n",
        "=> Send data, 11 bytes (0xb)\n0000: 81 85 37 fa 21 3d 7f 9f 4d 51 58                ..7.!=..MQX",
    ] {
        assert_eq!(bytes(text), HELLO, "{text}");
    }
}

#[test]
fn dumps_of_several_lines_are_checked_by_their_offsets() {
    let xxd = "00000000: 827e 0014 6161 6161 6161 6161 6161 6161  .~..aaaaaaaaaaaa\n\
               00000010: 6161 6161 6161 6161                      aaaaaaaa\n";
    let mut expected = vec![0x82, 0x7e, 0, 20];
    expected.resize(24, b'a');
    assert_eq!(bytes(xxd), expected);
    // A column of characters that looks like hex is none of the bytes.
    let missing = xxd.replace("00000010", "00000020");
    assert!(
        error(&missing).contains("offset 00000020"),
        "{}",
        error(&missing)
    );
    // hexdump writes equal lines once.
    let repeated = "00000000  82 7e 00 3c 61 61 61 61  61 61 61 61 61 61 61 61  |.~.<aaaaaaaaaaaa|\n\
                    00000010  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  |aaaaaaaaaaaaaaaa|\n\
                    *\n00000040\n";
    let mut expected = vec![0x82, 0x7e, 0, 60];
    expected.resize(64, b'a');
    assert_eq!(bytes(repeated), expected);
}

#[test]
fn dumps_that_are_not_hex_are_refused_with_the_right_command() {
    for (text, words) in [
        (
            "0000000 002601 062510 066154 000157\n0000007\n",
            "octal, as od without options",
        ),
        (
            "00000000: 65480581   6f6c6c                    ..Hello",
            "xxd -e",
        ),
        (
            "00000000: 65480581 006f6c6c 8581ff0a 3d21fa37  ..Hello.....7.!=\n\
             00000010: 514d9f7f       58                    ..MQX\n",
            "xxd -e",
        ),
        (
            "00000000: 10000001 00000101 01001000 01100101  ..He",
            "xxd -b",
        ),
        (
            "0000000 201 005   H   e   l   l   o\n0000007\n",
            "not in hex",
        ),
        (
            "0000000 129   5  72 101 108 108 111\n0000007\n",
            "not in hex",
        ),
        ("0000000   72   10   11\n0000003\n", "not in hex"),
        ("000000 129   5  72 101\n000004\n", "not in hex"),
        ("0000000 65480581 006f6c6c\n0000010\n", "not in hex"),
        ("0000000   a   b   c\n0000003\n", "not in hex"),
    ] {
        let error = error(text);
        assert!(
            error.contains(words) && error.contains("Run: xxd FILE"),
            "{text}: {error}"
        );
    }
    // The same words in their order, as xxd -g 4 writes them.
    let text = "00000000: 81054865 6c6c6f                      ..Hello\n";
    assert_eq!(bytes(text), b"\x81\x05Hello");
    let text = "00000000: 00000000 00000000 01010000 00000000  ................\n\
                00000010: 6162                                 ab\n";
    assert_eq!(bytes(text).len(), 18);
}

#[test]
fn a_column_of_characters_that_looks_like_hex_is_left_out() {
    let text = "0000   61 62 63 64 65 66 30 31 32 33 34 35 36 37 38 39   abcdef0123456789\n\
                0010   61 62                                             ab\n";
    assert_eq!(bytes(text), b"abcdef0123456789ab");
    let text = "0000   61 62 20 7c 61 62 20 20 63 64                     ab |ab  cd\n";
    assert_eq!(bytes(text), b"ab |ab  cd");
    let text = "00000000: 6162 6364 6566 3031 3233 3435 3637 3839  abcdef0123456789";
    assert_eq!(bytes(text), b"abcdef0123456789");
}

#[test]
fn base64_is_read_only_if_asked_for() {
    for text in ["gYU3+iE9f59NUVg=", "gYU3+iE9f59NUVg", "gYU3-iE9f59NUVg\n"] {
        assert_eq!(read(text, Form::Base64), Ok(Pasted::Bytes(HELLO.to_vec())));
        assert!(read(text, Form::Any).is_err());
    }
    assert!(read("81 8*", Form::Base64).is_err());
}

#[test]
fn heads_are_read_as_text() {
    assert_eq!(
        bytes("GET / HTTP/1.1\nHost: h\n\n"),
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    );
    assert_eq!(bytes("HTTP/1.1 101 x\r\n\r\n"), b"HTTP/1.1 101 x\r\n\r\n");
}

#[test]
fn lines_of_the_log_are_headers_without_payload() {
    let text = "[2026-11-30T10:00:00Z TRACE stentor::connection] client 1: < frame 818537fa213d\n\
                [2026-11-30T10:00:00Z TRACE stentor::connection] client 1: > frame 8105\n\
                connection 7: > frame 8a01: b\nconnection 7: < frame 8900\n";
    let expected = vec![
        (Side::Client, vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]),
        (Side::Server, vec![0x81, 0x05]),
        (Side::Client, vec![0x8a, 0x01]),
        (Side::Server, vec![0x89, 0x00]),
    ];
    assert_eq!(read(text, Form::Any), Ok(Pasted::Headers(expected)));
}

#[test]
fn text_that_is_no_bytes_is_named() {
    assert!(error("81 8").contains("odd number"));
    assert!(error("81 zz").contains("\"zz\" is not hex"));
    assert!(error("129 5").contains("brackets"));
    assert!(error("81 z\u{1b}").contains("\\x1b"));
    assert_eq!(error(""), "there are no bytes to explain");
    assert_eq!(error(" \n"), "there are no bytes to explain");
}
