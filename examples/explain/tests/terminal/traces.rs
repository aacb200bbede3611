//! Saved traces.

use super::support::run;

#[test]
fn a_trace_is_explained_with_its_gaps_and_ends() {
    let trace = "{\"explain\":1}\n\
        {\"connection\":3,\"from\":\"server\",\"ms\":5,\"bytes\":\"810548656c6c6f\"}\n\
        {\"connection\":4,\"from\":\"client\",\"ms\":1500,\"bytes\":\"8980\"}\n\
        \n\
        {\"connection\":4,\"from\":\"client\",\"ms\":1501,\"bytes\":\"00000000\",\"other\":[]}\n\
        {\"connection\":3,\"from\":\"server\",\"ms\":2000,\"lost\":9}\n\
        {\"connection\":3,\"from\":\"server\",\"ms\":2000,\"bytes\":\"ffff\"}\n\
        {\"connection\":3,\"from\":\"server\",\"ms\":2001,\"end\":true}\n";
    let text = run(&["-q", "--as", "13"], trace.as_bytes()).expect(0);
    let expected = "\
<S #3 0.005 frame 1   text, whole, not masked, 5 bytes, \"Hello\"
C> #4 1.501 frame 1   ping, masked, 0 bytes
<S #3 2.000 9 bytes are missing here: later frames of the server are not
            explained
<S #3 2.001 the stream ends here; 2 bytes after the gap are not explained
";
    assert_eq!(text, expected);
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let trace = "{\"explain\":1}\n{\"connection\":1,\"from\":\"client\",\"ms\":0}\n";
    let ran = run(&[], trace.as_bytes());
    assert!(ran.errors.contains("line 2 of the trace"), "{ran:?}");
    assert_eq!(ran.status, 2);
    assert_eq!(run(&[], b"{\"explain\":2}\n").status, 2);
}

#[test]
fn tls_is_named_and_not_explained() {
    let trace = "{\"connection\":1,\"from\":\"client\",\"ms\":0,\"bytes\":\"1603010200010001fc\"}\n\
                 {\"connection\":1,\"from\":\"server\",\"ms\":0,\"bytes\":\"160303\"}\n\
                 {\"connection\":1,\"from\":\"client\",\"ms\":0,\"end\":true}\n";
    let text = run(&["--no-times"], trace.as_bytes()).expect(0);
    assert_eq!(
        text,
        "C> #1 this is TLS: its bytes are encrypted, and cannot be explained\n"
    );
}
