# A WebSocket server of the old days: Protocol::WebSocket speaks the protocol, this module owns the
# socket. An accepted connection is a `Client` from the other side: it shakes hands as a server, does
# not mask, wants masked frames, and hangs up first.
package Server;

use v5.36;
use parent 'Client';
use IO::Select;
use IO::Socket::IP;
use MIME::Base64 'decode_base64';
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Server;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

# What stands in the request for each version; the library takes whatever is not 13 for version 8.
our %NUMBER = ('version 7' => 7, 'version 8' => 8, 'RFC 6455' => 13);

# A listening socket on a free port of 127.0.0.1.
sub listen ($class) {
    return IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 16) || die "cannot listen: $@\n";
}

# The next connection, its request checked and answered; dies with the reason if anything is amiss.
# Arguments: listener, version (one of ours), resource and subprotocols (what the request must ask for),
# subprotocol (what to answer to the latter), patience (seconds that any one wait may take), and spoil,
# which may change the answer: it gets its head and, in draft-76, its sixteen bytes, and returns both.
sub accept ($class, %arguments) {
    my ($listener, $version) = @arguments{qw(listener version)};
    my $draft = $Client::DRAFT{$version} // die "no such version: $version\n";
    IO::Select->new($listener)->can_read($arguments{patience}) or die "nobody connected within $arguments{patience} s\n";
    my $socket = $listener->accept or die "accept: $!\n";
    $socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    my $self = bless {
        socket   => $socket,
        host     => '127.0.0.1:' . $listener->sockport,
        resource => $arguments{resource},
        offered  => join(', ', @{ $arguments{subprotocols} // [] }),
        version  => $version,
        draft    => $draft,
        patience => $arguments{patience},
        received => '',
        reader   => Protocol::WebSocket::Frame->new(version => $draft, max_payload_size => 0, max_fragments_amount => 1000),
    }, $class;
    $self->shake_hands($arguments{subprotocol}, $arguments{spoil});
    return $self;
}

sub shake_hands ($self, $subprotocol, $spoil) {
    my $handshake = Protocol::WebSocket::Handshake::Server->new;
    my $challenge = $self->{version} eq 'draft-76' ? 8 : 0;
    my $received = '';
    until ($received =~ /\r\n\r\n.{$challenge}/s) {
        $received .= $self->read_some // die "hung up within its request: '$received'\n";
    }
    my ($head, $rest) = $received =~ /^(.*?\r\n\r\n)(.*)$/s;
    die 'bytes behind the request: ' . unpack('H*', $rest) . "\n" if length $rest != $challenge;
    $self->{request} = $received;
    $self->check_request($head);

    # The library answers draft-76's head before it has the eight bytes behind it, so the client must be
    # content with an answer in two parts.
    $handshake->parse($head) or die 'the library refused the request: ' . $handshake->error . "\n";
    $handshake->res->subprotocol($subprotocol) if defined $subprotocol;
    my $answer = $handshake->to_string;
    my $digest = '';
    if ($challenge) {
        $handshake->parse($rest) or die 'the library refused the challenge: ' . $handshake->error . "\n";
        $digest = $handshake->to_string;
        Client::same('length of the digest', length $digest, 16);
    }
    $handshake->is_done or die "the library waits for more of the request\n";
    Client::same('version as the library sees it', $handshake->version, $self->{draft});
    # Its answer to draft-75 has the status line of draft-76, which no client of draft-75 takes.
    $answer =~ s/^HTTP\S+ 101 \KWebSocket/Web Socket/ if $self->{version} eq 'draft-75';
    return $self->spoil($answer, $digest, $spoil) if $spoil;
    $self->write($answer);
    # Byte by byte: the client must wait for the last of them.
    $self->write($digest, 1);
    $self->{received} = '';
    return;
}

# An answer that the client must not take: it may be gone before it has seen all of it.
sub spoil ($self, $answer, $digest, $spoil) {
    ($answer, $digest) = $spoil->($answer, $digest);
    $self->write($answer);
    eval { $self->write($digest); 1 } or $@ =~ /^write: / or die $@;
    $self->{received} = '';
    return;
}

# Draft-75's request is what the draft prints. The others are held against their own rules here: the
# library reads what it needs, and believes it.
sub check_request ($self, $head) {
    my ($version, $host) = @$self{qw(version host)};
    if ($version eq 'draft-75') {
        my @lines = ("GET $self->{resource} HTTP/1.1", 'Upgrade: WebSocket', 'Connection: Upgrade', "Host: $host",
            "Origin: http://$host", ("WebSocket-Protocol: $self->{offered}") x !!length $self->{offered});
        return Client::same('request', $head, join("\r\n", @lines) . "\r\n\r\n");
    }
    my ($line, @lines) = split /\r\n/, $head;
    Client::same('request line', $line, "GET $self->{resource} HTTP/1.1");
    my (%field, @order);
    for (@lines) {
        my ($name, $value) = /^([!-9;-~]+): (.*)$/ or die "no field: '$_'\n";
        die "$name is there twice\n" if exists $field{ lc $name };
        $field{ lc $name } = $value;
        push @order, lc $name;
    }
    $self->{order} = join ' ', @order;
    Client::same('Host', $field{host}, $host);
    Client::same('Connection', $field{connection}, 'Upgrade');
    Client::same('subprotocols', $field{'sec-websocket-protocol'} // '', $self->{offered});
    if ($version eq 'draft-76') {
        my $protocol = length $self->{offered} ? 'sec-websocket-protocol ' : '';
        Client::same('fields', join(' ', sort keys %field),
            "connection host origin sec-websocket-key1 sec-websocket-key2 ${protocol}upgrade");
        Client::same('Upgrade', $field{upgrade}, 'WebSocket');
        Client::same('origin', $field{origin}, "http://$host");
        check_key($field{"sec-websocket-$_"}) for 'key1', 'key2';
    } else {
        Client::same('Upgrade', lc $field{upgrade}, 'websocket');
        Client::same('version', $field{'sec-websocket-version'}, $NUMBER{$version});
        my $key = $field{'sec-websocket-key'} // die "no key\n";
        die "key '$key' is not sixteen bytes\n" if $key !~ m{^[A-Za-z0-9+/]{22}==$} || length decode_base64($key) != 16;
    }
    return;
}

# Draft-76 section 4.1, steps 16 to 26.
sub check_key ($key) {
    my $shown  = "key '$key'";
    my $spaces = ($key // die "a key is missing\n") =~ tr/ //;
    my $others = $key =~ tr/\x21-\x2f\x3a-\x7e//;
    my $number = $key =~ s/\D//gr;
    die "$shown: $spaces spaces\n"           if $spaces < 1 || $spaces > 12;
    die "$shown: $others other characters\n" if $others < 1 || $others > 12;
    die "$shown: a space at an end\n"        if $key =~ /^ | $/;
    die "$shown: a leading zero\n"           if $number !~ /^(?:0|[1-9]\d{0,9})$/;
    die "$shown: $number is no multiple\n"   if $number % $spaces;
    die "$shown: $number is too large\n"     if $number > 4294967295;
    return;
}

sub frame ($self, $payload, %how) { return $self->SUPER::frame($payload, masked => 0, %how) }

sub read_some ($self, @patience) {
    my $bytes = $self->SUPER::read_some(@patience);
    $self->{received} .= $bytes // '';
    return $bytes;
}

sub next_frame ($self, @patience) {
    my $frame = $self->SUPER::next_frame(@patience) // return undef;
    Client::same('mask bit', $self->{reader}->masked, 1) unless $self->is_hixie;
    return $frame;
}

# Everything the client has sent since this was asked last.
sub received ($self) {
    my $received = $self->{received};
    $self->{received} = '';
    return $received;
}

# Says goodbye in the version's own way and checks the client's; then, as a server, hangs up.
sub close ($self, $code = 1000, $reason = '') {
    if ($self->{version} eq 'draft-75') {
        shutdown $self->{socket}, 1;
        Client::same('goodbye', $self->next_goodbye, undef);
    } elsif ($self->{version} eq 'draft-76') {
        $self->write($self->frame('', type => 'close'));
        Client::same('goodbye', $self->next_goodbye, '');
    } else {
        my $body = defined $code ? pack('n', $code) . Encode::encode('UTF-8', $reason) : '';
        $self->write($self->frame($body, type => 'close'));
        my $goodbye = $self->next_goodbye // die "hung up without a close frame\n";
        Client::same('close code', scalar unpack('n', $goodbye), $code);
    }
    $self->hang_up;
    return;
}

# The client's goodbye, which must come next, answered; before that the server still says `@texts`.
sub answer_goodbye ($self, @texts) {
    my $goodbye = $self->next_frame;
    if ($self->{version} eq 'draft-75') {
        Client::same('goodbye', $goodbye, undef);
    } else {
        $goodbye // die "hung up without a goodbye\n";
        Client::same('opcode of the goodbye', $goodbye->[0], 8);
        Client::same('close code', scalar unpack('n', $goodbye->[1]), $self->is_hixie ? undef : 1000);
        $self->write(join '', (map { $self->text_frame($_) } @texts), $self->frame($goodbye->[1], type => 'close'));
    }
    $self->hang_up;
    return;
}

# The client has said goodbye: nothing may follow it, and it leaves hanging up to the server.
sub hang_up ($self) {
    die 'bytes behind the goodbye: ' . unpack('H*', $self->{reader}{buffer}) . "\n" if length $self->{reader}{buffer};
    CORE::close($self->{socket});
    return;
}

1;
