#!/usr/bin/perl
# Protocol::WebSocket against an echo server: echo.pl ws://HOST:PORT/PATH
# All five versions, the same exchange for each, then what only the newer ones have.
# `--only "draft-76"` runs one version.
use v5.36;
use utf8;
use FindBin '$RealBin';
use lib $RealBin;
use Getopt::Long 'GetOptions';
use Client;

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;
GetOptions('only=s' => \my $only) && @ARGV == 1 or die "usage: echo.pl [--only VERSION] URL\n";
my ($url) = @ARGV;
my ($passed, $failed) = (0, 0);

sub check ($name, $claim) {
    if (eval { $claim->(); 1 }) {
        $passed++;
        say "ok    $name";
    } else {
        $failed++;
        print "FAIL  $name: ", $@ || "unknown\n";
    }
    return;
}

sub connect_as ($version) { return Client->connect(url => $url, version => $version, patience => 10) }

sub expect_text ($client, $right) {
    my $seen = $client->recv_text // die "closed instead of answering\n";
    return if $seen eq $right;
    die sprintf "%d characters back instead of %d: '%.60s'\n", length $seen, length $right, $seen;
}

sub expect_frame ($client, $opcode, $payload) {
    my $frame = $client->next_frame // die "closed instead of answering\n";
    Client::same('opcode',  $frame->[0], $opcode);
    Client::same('payload', $frame->[1], $payload);
    return;
}

# Sends what the server must refuse; it closes with that code and hangs up.
sub expect_refusal ($version, $offence, $code) {
    my $client = connect_as($version);
    $client->write($offence->($client));
    my $frame = $client->next_frame // die "hung up without a close frame\n";
    Client::same('closing frame', $frame->[0], 8);
    Client::same('close code', scalar unpack('n', $frame->[1]), $code);
    $client->write($client->frame($frame->[1], type => 'close'));
    die "still open\n" if defined $client->read_some;
    return;
}

# The codes that changed over the versions: for text that is not UTF-8, and for a message too large.
my %CODES = ('version 7' => [ 1003, 1004 ], 'version 8' => [ 1007, 1004 ], 'RFC 6455' => [ 1007, 1009 ]);

my @texts = (
    [ 'ASCII'                => 'Stentor, whose voice was as loud as fifty' ],
    [ 'two to four bytes'    => 'é Στέντωρ 漢字 𝄞 ÿ' ],
    [ 'empty'                => '' ],
    [ 'a NUL and a newline'  => "a\0b\r\n" ],
    [ '8 KiB'                => 'ὣς φάτο. ' x 600 ],
    [ 'as large as an int16' => 'x' x 40_000 ],
);

for my $version (grep { !defined $only || $_ eq $only } 'draft-75', 'draft-76', 'version 7', 'version 8', 'RFC 6455') {
    my $client;
    check "$version: handshake", sub { $client = connect_as($version) };
    next unless $client;

    for my $case (@texts) {
        my ($name, $text) = @$case;
        check "$version: text, $name", sub { $client->send_text($text); expect_text($client, $text) };
    }
    check "$version: a message byte by byte", sub {
        $client->write($client->text_frame('ἄγε δή 漢'), 1);
        expect_text($client, 'ἄγε δή 漢');
    };
    check "$version: a message in pieces of 1000 bytes", sub {
        $client->write($client->text_frame('ἄνδρα ' x 2000), 1000);
        expect_text($client, 'ἄνδρα ' x 2000);
    };
    check "$version: two messages in one write", sub {
        $client->write($client->text_frame('one') . $client->text_frame('two'));
        expect_text($client, $_) for 'one', 'two';
    };
    check "$version: a hundred messages, and an empty one, in one write", sub {
        my @said = ((map { "message $_" } 1 .. 50), '', (map { "message $_" } 51 .. 100));
        $client->write(join '', map { $client->text_frame($_) } @said);
        expect_text($client, $_) for @said;
    };

    unless ($client->is_hixie) {
        check "$version: binary", sub {
            my $bytes = pack 'C*', 0 .. 255;
            $client->write($client->frame($bytes, type => 'binary'));
            expect_frame($client, 2, $bytes);
        };
        check "$version: ping", sub {
            $client->write($client->frame('are you there', type => 'ping'));
            expect_frame($client, 10, 'are you there');
        };
        check "$version: fragments that cut a character, a ping between them", sub {
            my $bytes = Encode::encode('UTF-8', 'Στέντωρ');
            $client->write($client->frame(substr($bytes, 0, 3), fin => 0));
            $client->write($client->frame('', type => 'ping'));
            $client->write($client->frame(substr($bytes, 3, 4), type => 'continuation', fin => 0));
            $client->write($client->frame(substr($bytes, 7), type => 'continuation'));
            expect_frame($client, 10, '');
            expect_text($client, 'Στέντωρ');
        };
    }
    check "$version: goodbye", sub { $client->close };

    unless ($client->is_hixie) {
        check "$version: goodbye with 4999 and a reason", sub { connect_as($version)->close(4999, 'ἔρρωσο') };
        check "$version: goodbye without a code",         sub { connect_as($version)->close(undef) };

        my ($bad_text, $too_large) = @{ $CODES{$version} };
        check "$version: an unmasked frame is closed with 1002", sub {
            expect_refusal($version, sub ($client) { $client->frame('hello', masked => 0) }, 1002);
        };
        check "$version: text that is not UTF-8 is closed with $bad_text", sub {
            expect_refusal($version, sub ($client) { $client->frame("\xff") }, $bad_text);
        };
        check "$version: a message declared as 65 MiB is closed with $too_large", sub {
            # The library sends no frame that is not whole: the head is made by hand, and is all there is.
            expect_refusal($version, sub ($client) { pack 'CCQ>N', 0x81, 0xff, 65 << 20, 0x12345678 }, $too_large);
        };
    }
}

say "$passed passed, $failed failed";
exit($failed || !$passed ? 1 : 0);
