//! The rules of the handshake, in the order of the bytes: header blocks, the request, the response.

use crate::rule::Rule;

/// All rules of this file.
pub(crate) static ALL: &[&Rule] = &[
    &HTTP,
    &HEAD_SIZE,
    &LINE_END,
    &BLANK_LINE,
    &COMPLETE,
    &REQUEST_LINE,
    &STATUS_LINE,
    &HEADER_LINE,
    &HEADER_VALUE,
    &ONCE,
    &METHOD,
    &HTTP_VERSION,
    &TARGET,
    &HOST,
    &UPGRADE,
    &CONNECTION,
    &BODY,
    &VERSION,
    &KEY_VERSION,
    &DRAFT,
    &ORDER,
    &KEY,
    &KEYS,
    &KEY_DIGITS,
    &KEY_SPACES,
    &KEY_DIVISION,
    &KEY_SIZE,
    &KEY3,
    &ORIGIN,
    &SUBPROTOCOL,
    &EXTENSIONS,
    &STATUS,
    &VERSION_LIST,
    &PREAMBLE,
    &ACCEPT,
    &LOCATION,
    &ORIGIN_ECHO,
    &SUBPROTOCOL_CHOICE,
    &EXTENSION_CHOICE,
    &DEFLATE,
    &PROOF,
];

pub(crate) static HTTP: Rule = Rule {
    id: "handshake.http",
    source: "RFC 9112 §3, §4",
    says: "A connection begins with HTTP: a request with a visible character, a response with \
        `HTTP/`.",
    why: "The handshake is an HTTP request, so that one port can serve web pages and WebSockets. \
        Other first bytes belong to another protocol, such as TLS.",
};

pub(crate) static HEAD_SIZE: Rule = Rule {
    id: "handshake.head-size",
    source: "RFC 6585 §5",
    says: "A receiver may limit the size of a header block.",
    why: "A header block without an end would fill the memory of the receiver.",
};

pub(crate) static LINE_END: Rule = Rule {
    id: "handshake.line-end",
    source: "RFC 9112 §2.2; draft-76 §4.1",
    says: "Each line of a header block ends with CR LF.",
    why: "If one program ends a line at LF alone and another does not, the two read different \
        headers in the same bytes.",
};

pub(crate) static BLANK_LINE: Rule = Rule {
    id: "handshake.blank-line",
    source: "RFC 9112 §2.1; draft-76 §4.1",
    says: "A header block ends with an empty line.",
    why: "The empty line separates the headers from the frames. Without it, the receiver waits for \
        more headers.",
};

pub(crate) static COMPLETE: Rule = Rule {
    id: "handshake.complete",
    source: "RFC 6455 §4.1; draft-76 §5.2",
    says: "A side keeps the TCP connection open until the handshake is complete.",
    why: "The other side cannot know the rest of the handshake, so it fails the connection.",
};

pub(crate) static REQUEST_LINE: Rule = Rule {
    id: "handshake.request-line",
    source: "RFC 9112 §3; draft-76 §5.1",
    says: "The first line of a request has a method, a target and a version of HTTP, with one space \
        between them.",
    why: "A receiver that guesses at other lines can be made to read another request than a proxy \
        before it.",
};

pub(crate) static STATUS_LINE: Rule = Rule {
    id: "handshake.status-line",
    source: "RFC 9112 §4",
    says: "The first line of a response has a version of HTTP, a status of three digits and a \
        reason, with one space between them.",
    why: "The client reads the status from its place in the line.",
};

pub(crate) static HEADER_LINE: Rule = Rule {
    id: "handshake.header-line",
    source: "RFC 9112 §5",
    says: "A header line has a name without blanks, a colon, and a value.",
    why: "A line that programs read in different ways lets a client hide a header from a proxy.",
};

pub(crate) static HEADER_VALUE: Rule = Rule {
    id: "handshake.header-value",
    source: "RFC 9110 §5.5",
    says: "The value of a header has no control characters but tabs.",
    why: "A CR, LF or NUL inside a value could end the header early in another program.",
};

pub(crate) static ONCE: Rule = Rule {
    id: "handshake.once",
    source: "RFC 6455 §11.3; draft-76 §4.1",
    says: "A header with one value occurs once.",
    why: "With two values, one program would use the first and another the last.",
};

pub(crate) static METHOD: Rule = Rule {
    id: "handshake.method",
    source: "RFC 6455 §4.1; draft-76 §5.1",
    says: "The method of the request is GET, in capitals.",
    why: "Only a GET has no body, and no effect on the server if a plain web server gets it.",
};

pub(crate) static HTTP_VERSION: Rule = Rule {
    id: "handshake.http-version",
    source: "RFC 6455 §4.1, §4.2.1",
    says: "The version of HTTP is 1.1 or higher.",
    why: "HTTP/1.0 has neither the header Upgrade nor the status 101.",
};

pub(crate) static TARGET: Rule = Rule {
    id: "handshake.target",
    source: "RFC 6455 §3, §4.2.1; draft-76 §5.1",
    says: "The target is a path that begins with a slash, or a whole URI for the same host, without \
        a fragment.",
    why: "The path names the resource. A fragment is for the client alone, so it never goes to the \
        server.",
};

pub(crate) static HOST: Rule = Rule {
    id: "handshake.host",
    source: "RFC 6455 §4.1; draft-76 §5.2",
    says: "The request has one Host: a name or an address, with an optional port of 1 to 65535.",
    why: "The server compares it with its own names. Otherwise a page can reach the server under a \
        name of its own (DNS rebinding).",
};

pub(crate) static UPGRADE: Rule = Rule {
    id: "handshake.upgrade",
    source: "RFC 6455 §4.1, §4.2.1; draft-76 §5.2",
    says: "The header Upgrade names websocket.",
    why: "It asks the server to change the protocol of this connection, and to which one. A page's \
        script cannot set it in another kind of request.",
};

pub(crate) static CONNECTION: Rule = Rule {
    id: "handshake.connection",
    source: "RFC 6455 §4.1, §4.2.1; draft-76 §5.2",
    says: "The header Connection is a list that has the word Upgrade, in any letter case.",
    why: "It marks Upgrade as a header for the next hop, so that a proxy which does not know it \
        removes it. Some browsers send `keep-alive, Upgrade`.",
};

pub(crate) static BODY: Rule = Rule {
    id: "handshake.body",
    source: "RFC 9110 §9.3.1; draft-76 §5.1",
    says: "The request has no body.",
    why: "A proxy would take the frames after the request for its body.",
};

pub(crate) static VERSION: Rule = Rule {
    id: "handshake.version",
    source: "RFC 6455 §4.1, §4.4",
    says: "The request has one Sec-WebSocket-Version, with one number: 7, 8 or 13.",
    why: "The number tells the server how to read the frames. The drafts without a number have no \
        such header.",
};

pub(crate) static KEY_VERSION: Rule = Rule {
    id: "handshake.key-version",
    source: "RFC 6455 §4.2.1",
    says: "A request with Sec-WebSocket-Key has Sec-WebSocket-Version.",
    why: "Without the number, the request looks like one of draft-75, which has other frames. A \
        proxy may have removed the header.",
};

pub(crate) static DRAFT: Rule = Rule {
    id: "handshake.draft",
    source: "draft-hybi-02 §4.1; draft-hybi-03 §4.1",
    says: "A request with the keys of draft-76 has no Sec-WebSocket-Draft, or its value is 0.",
    why: "Drafts 01 to 03 have the keys of draft-76, but other frames. No browser has shipped \
        them.",
};

pub(crate) static ORDER: Rule = Rule {
    id: "handshake.order",
    source: "draft-75 §4.1",
    says: "A request of draft-75 begins with Upgrade, Connection, Host and Origin, in this order \
        and letter case.",
    why: "The first servers compared the bytes. Proxies reorder headers, so draft-76 gave the \
        order up.",
};

pub(crate) static KEY: Rule = Rule {
    id: "handshake.key",
    source: "RFC 6455 §4.1, §4.2.1",
    says: "Sec-WebSocket-Key is Base64 of 16 bytes: 24 characters.",
    why: "A key that the server has not seen before makes its response a proof that it has read \
        this request.",
};

pub(crate) static KEYS: Rule = Rule {
    id: "handshake.keys",
    source: "draft-76 §5.2",
    says: "A request of draft-76 has both Sec-WebSocket-Key1 and Sec-WebSocket-Key2.",
    why: "The response proves that the server has read both. A page's script cannot set headers \
        that begin with Sec-.",
};

pub(crate) static KEY_DIGITS: Rule = Rule {
    id: "handshake.key-digits",
    source: "draft-76 §5.2 step 4",
    says: "A key of draft-76 has digits.",
    why: "The digits, read as one number, are the hidden value.",
};

pub(crate) static KEY_SPACES: Rule = Rule {
    id: "handshake.key-spaces",
    source: "draft-76 §5.2 step 5",
    says: "A key of draft-76 has spaces: the byte 20.",
    why: "The number is divided by the count of spaces, and a division by zero has no result. A \
        program that joins spaces changes the number.",
};

pub(crate) static KEY_DIVISION: Rule = Rule {
    id: "handshake.key-division",
    source: "draft-76 §5.2 step 6",
    says: "The number of a key of draft-76 is a multiple of its spaces.",
    why: "A client multiplies its number by the spaces. A remainder shows that the client does not \
        know the protocol, or that the key was changed on the way.",
};

pub(crate) static KEY_SIZE: Rule = Rule {
    id: "handshake.key-size",
    source: "draft-76 §4.1 step 18",
    says: "The number of a key of draft-76 is less than 2 to the power of 32.",
    why: "The quotient is hashed as four bytes. A larger number overflows in many programs.",
};

pub(crate) static KEY3: Rule = Rule {
    id: "handshake.key3",
    source: "draft-76 §5.2 step 8",
    says: "Eight bytes follow the request of draft-76. They may have any value.",
    why: "To HTTP they are no body, so a server that does not know the protocol cannot have read \
        them.",
};

pub(crate) static ORIGIN: Rule = Rule {
    id: "handshake.origin",
    source: "draft-76 §4.1, §5.2",
    says: "A request of draft-75 or draft-76 has an Origin.",
    why: "The server sees from it which web page makes the request. The response repeats it.",
};

pub(crate) static SUBPROTOCOL: Rule = Rule {
    id: "handshake.subprotocol",
    source: "RFC 6455 §4.1; draft-76 §4.1",
    says: "A subprotocol is a token. Draft-75 and draft-76 have one string of U+0020 to U+007E, not \
        a list.",
    why: "The server writes the name into its response: other characters could end the header or \
        split the list.",
};

pub(crate) static EXTENSIONS: Rule = Rule {
    id: "handshake.extensions",
    source: "RFC 6455 §9.1",
    says: "Extensions are a list of names, each with parameters.",
    why: "If the list cannot be parsed, the two sides may not agree on the frames.",
};

pub(crate) static STATUS: Rule = Rule {
    id: "handshake.status",
    source: "RFC 6455 §4.1, §4.2.2; draft-76 §4.1",
    says: "A server that accepts a valid request responds with the status 101. It may refuse the \
        request with another status, of 300 to 599.",
    why: "After any other status the connection still speaks HTTP, and no frames follow.",
};

pub(crate) static VERSION_LIST: Rule = Rule {
    id: "handshake.version-list",
    source: "RFC 6455 §4.2.2, §4.4",
    says: "A server that rejects a version names the versions that it accepts in \
        Sec-WebSocket-Version.",
    why: "The client can try again with one of them.",
};

pub(crate) static PREAMBLE: Rule = Rule {
    id: "handshake.preamble",
    source: "draft-75 §4.1 steps 12 to 15",
    says: "The first three lines of a response of draft-75 are the same in each response, to the \
        byte.",
    why: "The client compares 85 bytes before it parses a header, so that it accepts no other kind \
        of server. `Web Socket` has a space here.",
};

pub(crate) static ACCEPT: Rule = Rule {
    id: "handshake.accept",
    source: "RFC 6455 §4.2.2 step 5",
    says: "Sec-WebSocket-Accept is Base64 of the SHA-1 digest of the key, as it was sent, and a \
        fixed text.",
    why: "It proves that the server has read this request and knows the protocol. It does not \
        prove the name of the server.",
};

pub(crate) static LOCATION: Rule = Rule {
    id: "handshake.location",
    source: "draft-76 §5.2; draft-75 §4.1",
    says: "The response of draft-75 and draft-76 repeats the URL of the client: scheme, host, port \
        if it is not the default one, path and query.",
    why: "The client learns that the server serves this host and this resource, and did not just \
        copy headers.",
};

pub(crate) static ORIGIN_ECHO: Rule = Rule {
    id: "handshake.origin-echo",
    source: "draft-76 §5.2; draft-75 §4.1",
    says: "The response of draft-75 and draft-76 repeats the Origin, to the byte.",
    why: "The client learns that the server accepts pages of this origin.",
};

pub(crate) static SUBPROTOCOL_CHOICE: Rule = Rule {
    id: "handshake.subprotocol-choice",
    source: "RFC 6455 §4.1, §4.2.2; draft-76 §4.1",
    says: "The subprotocol of the response is one of those in the request, in the same letter case.",
    why: "The client cannot speak a subprotocol that it has not offered. In draft-75 and draft-76 \
        the client needs the one that it names.",
};

pub(crate) static EXTENSION_CHOICE: Rule = Rule {
    id: "handshake.extension-choice",
    source: "RFC 6455 §4.1, §9.1",
    says: "The extensions of the response were offered in the request.",
    why: "An extension changes the frames. A client that does not use it cannot read them.",
};

pub(crate) static DEFLATE: Rule = Rule {
    id: "handshake.deflate",
    source: "RFC 7692 §5, §7.1",
    says: "The parameters of permessage-deflate are known, occur once, have valid values, and \
        answer an offer.",
    why: "Both sides must use the same window and the same context, or decompression fails in a \
        later message.",
};

pub(crate) static PROOF: Rule = Rule {
    id: "handshake.proof",
    source: "draft-76 §5.2 steps 10 to 15",
    says: "After the response of draft-76, 16 bytes follow: the MD5 digest of the two quotients, \
        four bytes each with the most significant byte first, and key3.",
    why: "It proves that the server has read the keys and the eight bytes after the request. A \
        server of another protocol cannot do that.",
};
