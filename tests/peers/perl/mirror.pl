#!/usr/bin/perl
# Protocol::WebSocket as a program that sends each message back: mirror.pl [VERSION URL]
#
# Without a URL it is a server of all versions on a free port, which it prints. With one it is a client of
# VERSION: 75, 76, 7, 8 or 13. The library has no socket, and leaves control frames to the program.
use v5.36;
use IO::Socket::IP;
use Protocol::WebSocket::Handshake::Client;
use Protocol::WebSocket::Handshake::Server;

# The library knows no version 7, which differs from 8 on the wire by its number alone.
my %DRAFT = (
    75 => 'draft-hixie-75',
    76 => 'draft-ietf-hybi-00',
    7  => 'draft-ietf-hybi-10',
    8  => 'draft-ietf-hybi-10',
    13 => 'draft-ietf-hybi-17',
);

# Sends back each message that follows the handshake, until the close. `$bytes` came behind the handshake.
sub mirror ($socket, $handshake, $draft, $bytes) {
    my @how      = (max_payload_size => 0, version => $draft);
    my $frames   = $handshake->build_frame(@how);
    my %response = (1 => 'text', 2 => 'binary', 8 => 'close', 9 => 'pong');
    do {
        $frames->append($bytes);
        while (defined(my $payload = $frames->next_bytes)) {
            my $type = $response{ $frames->opcode } // next;
            print $socket $handshake->build_frame(@how, buffer => $payload, type => $type)->to_bytes;
            return if $frames->is_close;
        }
    } while sysread $socket, $bytes, 65536;
    return;
}

# Reads until the handshake is complete, and calls `$respond` after each read. Returns the bytes behind it.
sub shake_hands ($socket, $handshake, $respond) {
    until ($handshake->is_done) {
        sysread($socket, my $bytes, 65536) || return;
        $handshake->parse($bytes) or die $handshake->error, "\n";
        $respond->();
        return $bytes if $handshake->is_done;
    }
}

sub serve ($socket) {
    my ($handshake, $responded) = Protocol::WebSocket::Handshake::Server->new;
    my $respond = sub {
        # Draft-76's header block goes out before the eight bytes behind the request have come.
        return if !$handshake->is_done && (!$handshake->is_body || $responded);
        print $socket $handshake->to_string;
        $responded = 1;
    };
    my $bytes = eval { shake_hands($socket, $handshake, $respond) };
    if ($@) {
        print $socket "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" if !$responded;
    } elsif (defined $bytes) {
        mirror($socket, $handshake, $handshake->version, $bytes);
    }
    return shutdown $socket, 1;
}

sub run_client ($version, $url) {
    my ($host, $port) = $url =~ m{^ws://([^/:]+):(\d+)} or die "no URL: $url\n";
    my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port) or die "cannot connect: $@\n";
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $DRAFT{$version});
    print $socket $handshake->to_string =~ s/^(Sec-WebSocket-Version: )8/$version == 7 ? "${1}7" : $&/emr;
    my $bytes = shake_hands($socket, $handshake, sub { }) // die "no response\n";
    mirror($socket, $handshake, $DRAFT{$version}, $bytes);
    return $socket;
}

# The peer has the last word: a socket that is closed with bytes unread is reset.
sub wait_for_end ($socket) {
    1 while sysread $socket, my $ignored, 65536;
    return;
}

$SIG{PIPE} = $SIG{CHLD} = 'IGNORE';
$| = 1;
if (@ARGV) {
    wait_for_end(run_client(@ARGV));
    exit;
}
my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 0, Listen => 64) or die "cannot listen: $@\n";
say $listener->sockport;
while (my $socket = $listener->accept) {
    next if fork;
    serve($socket);
    wait_for_end($socket);
    exit;
}
