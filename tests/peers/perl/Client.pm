# A WebSocket client of the old days: Protocol::WebSocket speaks the protocol, this module owns
# the socket. The library's own Client.pm is not used: it never tells its handshake which version
# it was asked for, and it stops reading at the first empty message.
package Client;

use v5.36;
use Carp 'croak';
use Encode qw(decode encode);
use IO::Select;
use IO::Socket::IP;
use MIME::Base64 'encode_base64';
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;
use Protocol::WebSocket::Response;
use Protocol::WebSocket::URL;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes 'time';

# Our names for the versions, and the library's. It knows no version 7, whose wire format is that
# of version 8 but for the number in the request: that one number is rewritten on its way out.
our %DRAFT = (
    'draft-75'  => 'draft-hixie-75',
    'draft-76'  => 'draft-ietf-hybi-00',
    'version 7' => 'draft-ietf-hybi-10',
    'version 8' => 'draft-ietf-hybi-10',
    'RFC 6455'  => 'draft-ietf-hybi-17',
);

# The first line each version's clients expect. Draft-75's compared it byte for byte, with its
# space in "Web Socket"; the library's answer to draft-75 lacks that space, and its client looks
# no further than the 101, so the line is checked here.
my %FIRST_LINE = (
    'draft-75'  => 'HTTP/1.1 101 Web Socket Protocol Handshake',
    'draft-76'  => 'HTTP/1.1 101 WebSocket Protocol Handshake',
    'version 7' => 'HTTP/1.1 101 Switching Protocols',
    'version 8' => 'HTTP/1.1 101 Switching Protocols',
    'RFC 6455'  => 'HTTP/1.1 101 Switching Protocols',
);

# Connects, shakes hands and checks the answer; dies with the reason if anything is amiss.
# Arguments: url, version (one of ours), patience (seconds that any one wait may take).
sub connect ($class, %arguments) {
    my $version = $arguments{version};
    my $draft = $DRAFT{$version} or croak "no such version: $version";
    my $url = Protocol::WebSocket::URL->new->parse($arguments{url}) or croak "no WebSocket URL: $arguments{url}";
    my $socket = IO::Socket::IP->new(PeerHost => $url->host, PeerPort => $url->port, Timeout => $arguments{patience})
        or croak "cannot connect to $arguments{url}: $@";
    # Every write is a segment of its own, so a message sent byte by byte travels byte by byte.
    $socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    local $SIG{PIPE} = 'IGNORE';

    my $self = bless {
        socket   => $socket,
        url      => $arguments{url},
        version  => $version,
        draft    => $draft,
        patience => $arguments{patience},
        # 0 lifts the library's limit of 64 KiB.
        reader   => Protocol::WebSocket::Frame->new(version => $draft, max_payload_size => 0),
    }, $class;
    $self->shake_hands;
    return $self;
}

sub is_hixie ($self) { return $self->{version} =~ /^draft/ }

sub shake_hands ($self) {
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => $self->{url}, version => $self->{draft});
    # The library makes up a key but does not keep it, so it could never check the answer to it.
    my $key = encode_base64(join('', map { chr int rand 256 } 1 .. 16), '');
    $handshake->req->key($key) unless $self->is_hixie;
    my $request = $handshake->to_string;
    if ($self->{version} eq 'version 7') {
        $request =~ s/^Sec-WebSocket-Version: 8\r$/Sec-WebSocket-Version: 7\r/m or die "no version field to rewrite\n";
    }
    $self->write($request);

    my $head = '';
    until ($handshake->is_done) {
        defined(my $bytes = $self->read_some) or die "hung up during the handshake, after '$head'\n";
        $head .= $bytes;
        # What follows the answer, `parse` leaves in its argument: the first frames.
        $handshake->parse($bytes) or die 'handshake: ' . $handshake->error . "\n";
        $self->{reader}->append($bytes) if $handshake->is_done;
    }

    # Draft-76's sixteen bytes were compared by `parse`. The rest the library reads but never compares.
    my $answer = $handshake->res;
    my ($first_line) = $head =~ /^(.*?)\r\n/;
    same('first line', $first_line, $FIRST_LINE{ $self->{version} });
    # A proxy writes it in its own way.
    same('Connection', lc $answer->field('Connection'), 'upgrade');
    same('subprotocol', $answer->subprotocol, undef);
    same('extensions', $answer->field('Sec-WebSocket-Extensions'), undef);
    if ($self->is_hixie) {
        same('Upgrade', $answer->field('Upgrade'), 'WebSocket');
        same('version answered', $answer->version, $self->{draft});
        same('location', $answer->location, $self->{url});
        same('origin', $answer->origin, 'http://' . $handshake->req->host);
    } else {
        same('Upgrade', lc $answer->field('Upgrade'), 'websocket');
        # The library's server knows the rule that its client does not apply.
        my %right = @{ Protocol::WebSocket::Response->new(version => $self->{draft}, key => $key)->headers };
        same('Sec-WebSocket-Accept', $answer->field('Sec-WebSocket-Accept'), $right{'Sec-WebSocket-Accept'});
    }
    return;
}

sub same ($what, $seen, $right) {
    return if ($seen // "\0none") eq ($right // "\0none");
    die sprintf "%s: %s instead of %s\n", $what, map { defined ? "'$_'" : 'nothing' } $seen, $right;
}

# One frame as bytes. The library encodes only strings that Perl happens to keep as UTF-8
# internally and would send "é" as Latin-1: so it is given bytes, never characters.
sub frame ($self, $payload, %how) {
    return Protocol::WebSocket::Frame->new(
        version => $self->{draft}, masked => 1, max_payload_size => 0, buffer => $payload, %how,
    )->to_bytes;
}

sub text_frame ($self, $characters) { return $self->frame(encode('UTF-8', $characters)) }

sub send_text ($self, $characters) { $self->write($self->text_frame($characters)); return }

# Writes all the bytes, with one system call for every piece of `$piece` bytes.
sub write ($self, $bytes, $piece = length $bytes) {
    local $SIG{PIPE} = 'IGNORE';
    while (length $bytes) {
        my $written = syswrite($self->{socket}, $bytes, $piece) // die "write: $!\n";
        substr $bytes, 0, $written, '';
    }
    return;
}

# What arrived, or undef once the server has hung up.
sub read_some ($self, $patience = $self->{patience}) {
    IO::Select->new($self->{socket})->can_read($patience) or die "nothing arrived within $patience s\n";
    my $count = sysread($self->{socket}, my $bytes, 65536) // die "read: $!\n";
    return $count ? $bytes : undef;
}

# The next frame as [opcode, payload bytes], or undef once the server has hung up.
sub next_frame ($self, $patience = $self->{patience}) {
    my $deadline = time + $patience;
    while (1) {
        my $payload = $self->{reader}->next_bytes;
        # Hixie's text counts as opcode 1 here, and its `FF 00` as opcode 8.
        return [ $self->{reader}->opcode, $payload ] if defined $payload;
        my $left = $deadline - time;
        my $bytes = $self->read_some($left > 0 ? $left : 0);
        return undef unless defined $bytes;
        $self->{reader}->append($bytes);
    }
}

# The next text as characters; pings are answered on the way. Undef: the server closed.
sub recv_text ($self, $patience = $self->{patience}) {
    my $deadline = time + $patience;
    while (1) {
        my $frame = $self->next_frame($deadline - time) // return undef;
        my ($opcode, $payload) = @$frame;
        return decode('UTF-8', $payload, Encode::FB_CROAK) if $opcode == 1;
        return undef if $opcode == 8;
        $self->write($self->frame($payload, type => 'pong')) if $opcode == 9;
    }
}

# Says goodbye in the version's own way and checks the server's goodbye; dies if it is not right.
# The server hangs up first, but for draft-75, where hanging up is all the goodbye there is.
sub close ($self, $code = 1000, $reason = '') {
    if ($self->{version} eq 'draft-75') {
        # The library would write draft-76's `FF 00` here.
        shutdown $self->{socket}, 1;
        same('goodbye', $self->next_goodbye, undef);
    } elsif ($self->{version} eq 'draft-76') {
        $self->write($self->frame('', type => 'close'));
        same('goodbye', $self->next_goodbye, '');
    } else {
        my $body = defined $code ? pack('n', $code) . encode('UTF-8', $reason) : '';
        $self->write($self->frame($body, type => 'close'));
        my $goodbye = $self->next_goodbye // die "hung up without a close frame\n";
        same('close code', scalar unpack('n', $goodbye), $code);
    }
    my $rest = $self->{reader}{buffer} . ($self->read_some // '');
    die 'bytes behind the goodbye: ' . unpack('H*', $rest) . "\n" if length $rest;
    CORE::close($self->{socket});
    return;
}

# The body of the server's close frame, or undef if it hung up. What it had on its way comes first.
sub next_goodbye ($self) {
    while (my $frame = $self->next_frame) {
        my ($opcode, $payload) = @$frame;
        return $payload if $opcode == 8;
    }
    return undef;
}

1;
