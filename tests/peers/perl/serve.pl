#!/usr/bin/perl
# Protocol::WebSocket as a server for Stentor's clients: serve.pl DIRECTORY
# wants the examples `echo_client`, `client` and `scripted` in that directory, and runs them against itself:
# all five versions, the same exchange for each, then what must be refused. `--only "draft-76"` runs one.
use v5.36;
use utf8;
use FindBin '$RealBin';
use lib $RealBin;
use Encode qw(decode encode);
use Getopt::Long 'GetOptions';
use JSON::PP;
use POSIX ();
use Server;

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;
GetOptions('only=s' => \my $only) && @ARGV == 1 or die "usage: serve.pl [--only VERSION] DIRECTORY\n";
my ($programs) = @ARGV;
my ($passed, $failed) = (0, 0);

my $PATIENCE = 10;             # seconds any one wait may take
my $RESOURCE = '/peers?of=old';
# What `--as` calls the versions.
my %AS = ('draft-75' => 'draft-75', 'draft-76' => 'draft-76', %Server::NUMBER);
# The codes that changed over the versions: for text that is not UTF-8.
my %BAD_TEXT = ('version 7' => 1003, 'version 8' => 1007, 'RFC 6455' => 1007);

my $listener = Server->listen;
my %running;
END { kill 'KILL', keys %running }

sub check ($name, $claim) {
    if (eval { $claim->(); 1 }) {
        $passed++;
        say "ok    $name";
    } else {
        $failed++;
        print "FAIL  $name: ", $@ || "unknown\n";
    }
    # Whatever a failed claim has left behind must not be there for the next one.
    for my $pid (keys %running) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
        delete $running{$pid};
    }
    return;
}

# ---------------------------------------------------------------------------- Stentor's side

# Starts an example with all of its input.
sub start ($name, $version, $input = '') {
    return run($name, $input, '--as', $AS{$version}, url());
}

# Starts `scripted`, asking for these subprotocols, to do nothing but to wait for the end.
sub start_scripted ($version, @subprotocols) {
    my @script = ({ url => url(), version => $version, subprotocols => \@subprotocols }, { wait => 1 });
    return run('scripted', join '', map { encode_json($_) . "\n" } @script);
}

sub url () { return 'ws://127.0.0.1:' . $listener->sockport . $RESOURCE }

sub run ($name, $input, @arguments) {
    my %program = (name => $name);
    open my $stdin, '+>', undef or die "temporary file: $!\n";
    syswrite $stdin, encode('UTF-8', $input);
    sysseek $stdin, 0, 0;
    open $program{output}, '+>', undef or die "temporary file: $!\n";
    open $program{errors}, '+>', undef or die "temporary file: $!\n";
    $program{pid} = fork // die "fork: $!\n";
    if (!$program{pid}) {
        open STDIN,  '<&', $stdin           or POSIX::_exit(126);
        open STDOUT, '>&', $program{output} or POSIX::_exit(126);
        open STDERR, '>&', $program{errors} or POSIX::_exit(126);
        exec { "$programs/$name" } $name, @arguments or POSIX::_exit(127);
    }
    $running{ $program{pid} } = 1;
    return \%program;
}

# Waits for its end, and returns its exit status and what it has printed.
sub finish ($program) {
    my $late = "$program->{name} still runs after $PATIENCE s\n";
    eval {
        local $SIG{ALRM} = sub { die $late };
        alarm $PATIENCE;
        waitpid $program->{pid}, 0;
        alarm 0;
        1;
    } or die $@;
    delete $running{ $program->{pid} };
    my $status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
    my @printed = map { sysseek $_, 0, 0; my $all = do { local $/; readline $_ } // ''; decode('UTF-8', $all) } @$program{qw(output errors)};
    return ($status, @printed);
}

sub expect_success ($program) {
    my ($status, $output, $errors) = finish($program);
    die "exit status $status: $errors\n" if $status ne '0';
    return $output;
}

sub accept_as ($version, %how) {
    return Server->accept(listener => $listener, version => $version, resource => $RESOURCE, patience => $PATIENCE, %how);
}

# ---------------------------------------------------------------------------- what is checked

sub expect_text ($connection, $right) {
    my $frame = $connection->next_frame // die "hung up instead of answering\n";
    Client::same('opcode', $frame->[0], 1);
    my $seen = decode('UTF-8', $frame->[1], Encode::FB_CROAK);
    return if $seen eq $right;
    die sprintf "%d characters back instead of %d: '%.60s'\n", length $seen, length $right, $seen;
}

sub expect_frame ($connection, $opcode, $payload) {
    my $frame = $connection->next_frame // die "hung up instead of answering\n";
    Client::same('opcode',  $frame->[0], $opcode);
    Client::same('payload', $frame->[1], $payload);
    return;
}

# One connection of `echo_client`, opened, given to `$exchange`, closed by the server.
sub echoed ($version, $exchange) {
    my $program    = start('echo_client', $version);
    my $connection = accept_as($version);
    $exchange->($connection);
    $connection->close;
    expect_success($program);
    return;
}

# The client must not take this answer: it says why, prints nothing, and hangs up without another byte.
# It is the first to do so, unless the answer is cut short and only the server's hanging up shows that.
sub expect_refused_answer ($version, $because, $spoil, $cut_short) {
    my $program = start('client', $version, "never to be sent\n");
    my $connection = accept_as($version, spoil => $spoil);
    shutdown $connection->{socket}, 1 if $cut_short;
    my $sent = eval { $connection->read_some };
    $@ eq '' || $@ =~ /^read: Connection reset/ or die $@;    # it did not care to read the rest
    die 'it goes on: ' . unpack('H*', $sent) . "\n" if defined $sent;
    my ($status, $output, $errors) = finish($program);
    Client::same('exit status', $status, 1);
    Client::same('output', $output, '');
    die "it does not say why: $errors\n" if $errors !~ $because;
    return;
}

# The client must not take this frame: it closes with that code.
sub expect_refused_frame ($version, $offence, $code) {
    my $program    = start('echo_client', $version);
    my $connection = accept_as($version);
    $connection->write($offence->($connection));
    my $frame = $connection->next_frame // die "hung up without a close frame\n";
    Client::same('closing frame', $frame->[0], 8);
    Client::same('close code', scalar unpack('n', $frame->[1]), $code);
    $connection->write($connection->frame($frame->[1], type => 'close'));
    $connection->hang_up;
    my ($status) = finish($program);
    die "exit status $status\n" if $status =~ /signal/ || $status eq '101';
    return;
}

my @texts = (
    [ 'ASCII'               => 'Stentor, whose voice was as loud as fifty' ],
    [ 'two to four bytes'   => 'é Στέντωρ 漢字 𝄞 ÿ 🗣' ],
    [ 'empty'               => '' ],
    [ 'a NUL and a newline' => "a\0b\r\n" ],
    [ '64 KiB'              => 'x' x 65536 ],
    [ '1 MiB'               => 'ὣς φάτο. ' x (1 << 16) ],
);

# How an answer goes wrong: each changes one thing, the head in $_ or the digest.
sub changed ($edit) {
    return sub ($head, $digest) {
        local $_ = $head;
        $edit->() or die "nothing to change in the answer\n";
        return ($_, $digest);
    };
}
my @hixie_answers = (
    [ 'another origin'          => qr/Origin/,   changed(sub { s/(Origin: http:\/\/)/$1x/ }) ],
    [ 'another location'        => qr/Location/, changed(sub { s/(Location: \S+)/$1x/ }) ],
    [ 'no location'             => qr/Location/, changed(sub { s/\S+Location: \S+\r\n// }) ],
    [ 'a subprotocol not asked' => qr/Protocol/, changed(sub { s/(\S*WebSocket-)Origin/${1}Protocol: x\r\n${1}Origin/ }) ],
);
my @hybi_answers = (
    [ 'another Accept'          => qr/Accept/,     changed(sub { s/(Accept: )(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e }) ],
    [ 'no Accept'               => qr/Accept/,     changed(sub { s/Sec-WebSocket-Accept: .*\r\n// }) ],
    [ 'no Upgrade'              => qr/Upgrade/,    changed(sub { s/Upgrade: WebSocket\r\n//i }) ],
    [ 'another Connection'      => qr/Connection/, changed(sub { s/Connection: Upgrade/Connection: close/ }) ],
    [ 'a subprotocol not asked' => qr/Protocol/,   changed(sub { s/\r\n\r\n/\r\nSec-WebSocket-Protocol: x\r\n\r\n/ }) ],
    [ 'an extension not asked'  => qr/Extensions/, changed(sub { s/\r\n\r\n/\r\nSec-WebSocket-Extensions: x\r\n\r\n/ }) ],
);
my %answers = (
    'draft-75' => [ @hixie_answers,
        [ "draft-76's first line" => qr/Web ?Socket Protocol/, changed(sub { s/Web Socket/WebSocket/ }) ] ],
    'draft-76' => [ @hixie_answers,
        [ 'one bit of the digest' => qr/proof/, sub ($head, $digest) { ($head, $digest ^. ("\0" x 15 . "\1")) } ],
        [ 'fifteen bytes of digest' => qr/closed the connection in the handshake/, sub ($head, $digest) { ($head, substr $digest, 0, 15) }, 1 ] ],
    map { $_ => \@hybi_answers } keys %Server::NUMBER,
);

for my $version (grep { !defined $only || $_ eq $only } 'draft-75', 'draft-76', 'version 7', 'version 8', 'RFC 6455') {
    my $hixie = $version =~ /^draft/;
    my ($program, $connection);
    check "$version: handshake", sub {
        $program    = start('echo_client', $version);
        $connection = accept_as($version);
        delete $running{ $program->{pid} };    # it is to outlive this claim
    };
    next unless $connection;
    my @requests = $connection;

    for my $case (@texts) {
        my ($name, $text) = @$case;
        check "$version: text, $name", sub { $connection->send_text($text); expect_text($connection, $text) };
    }
    check "$version: a message byte by byte", sub {
        $connection->write($connection->text_frame('ἄγε δή 漢'), 1);
        expect_text($connection, 'ἄγε δή 漢');
    };
    check "$version: a message in pieces of 1000 bytes", sub {
        $connection->write($connection->text_frame('ἄνδρα ' x 2000), 1000);
        expect_text($connection, 'ἄνδρα ' x 2000);
    };
    check "$version: a hundred messages, and an empty one, in one write", sub {
        my @said = ((map { "message $_" } 1 .. 50), '', (map { "message $_" } 51 .. 100));
        $connection->received;
        $connection->write(join '', map { $connection->text_frame($_) } @said);
        expect_text($connection, $_) for @said;
        my $bytes = $connection->received;
        if ($hixie) {
            Client::same('bytes', $bytes, join '', map { "\0$_\xff" } @said);
        } else {
            # A mask that is always the same, or zero, protects nobody.
            my %masks;
            for my $said (@said) {
                substr($bytes, 0, 2) eq pack 'CC', 0x81, 0x80 | length $said or die "another frame than expected\n";
                $masks{ substr $bytes, 2, 4 } = 1;
                substr $bytes, 0, 6 + length $said, '';
            }
            die scalar(keys %masks), " masks in a hundred frames\n" if keys %masks < 99 || $masks{"\0\0\0\0"};
        }
    };

    unless ($hixie) {
        check "$version: binary", sub {
            my $bytes = pack 'C*', 0 .. 255;
            $connection->write($connection->frame($bytes, type => 'binary'));
            expect_frame($connection, 2, $bytes);
        };
        check "$version: ping", sub {
            $connection->write($connection->frame('are you there', type => 'ping'));
            expect_frame($connection, 10, 'are you there');
        };
        check "$version: fragments that cut a character, a ping between them", sub {
            my $bytes = encode('UTF-8', 'Στέντωρ');
            $connection->write($connection->frame(substr($bytes, 0, 3), fin => 0));
            $connection->write($connection->frame('', type => 'ping'));
            $connection->write($connection->frame(substr($bytes, 3, 4), type => 'continuation', fin => 0));
            $connection->write($connection->frame(substr($bytes, 7), type => 'continuation'));
            expect_frame($connection, 10, '');
            expect_text($connection, 'Στέντωρ');
        };
    }
    check "$version: the server says goodbye", sub {
        $running{ $program->{pid} } = 1;
        $connection->close;
        expect_success($program);
    };
    unless ($hixie) {
        for my $code (1001, 3000, 4999) {
            check "$version: the server says goodbye with $code and a reason", sub {
                my $program = start('echo_client', $version);
                push @requests, my $connection = accept_as($version);
                $connection->close($code, 'ἔρρωσο');
                expect_success($program);
            };
        }
        check "$version: the server says goodbye without a code", sub {
            my $program = start('echo_client', $version);
            push @requests, my $connection = accept_as($version);
            $connection->close(undef);
            expect_success($program);
        };
    }

    # A burst of lines from a file: the client must not leave before the answers to them have come, which
    # it prints. What the server says between the client's goodbye and its own is not heard, and no harm.
    check "$version: a thousand lines, answered and printed before the client leaves", sub {
        my @lines = map { "γραμμή $_" } 1 .. 1000;
        my $program = start('client', $version, join '', map { "$_\n" } @lines);
        push @requests, my $connection = accept_as($version);
        for my $line (@lines) {
            expect_text($connection, $line);
            $connection->send_text($line);
        }
        $connection->answer_goodbye('ἔρρωσο');
        Client::same('output', expect_success($program), join '', map { "$_\n" } @lines);
    };

    # Draft-75 and draft-76 know one subprotocol and no list: asked for, it must be answered.
    my @offered = $hixie ? 'chat' : ('soap', 'chat');
    my $field = $version eq 'draft-75' ? 'WebSocket-Protocol' : 'Sec-WebSocket-Protocol';
    check "$version: a subprotocol is asked for and agreed on", sub {
        my $program = start_scripted($version, @offered);
        my $connection = accept_as($version, subprotocols => \@offered, subprotocol => 'chat');
        $connection->close;
        my ($opened) = split /\n/, expect_success($program);
        Client::same('subprotocol', decode_json(encode('UTF-8', $opened))->{open}{subprotocol}, 'chat');
    };
    for my $answered ($hixie ? (undef, 'soap', '') : ('sip', 'soap, chat', '')) {
        my $shown = defined $answered ? "the subprotocol '$answered'" : 'no subprotocol';
        check "$version: an answer with $shown is refused, '@offered' being asked for", sub {
            my $program = start_scripted($version, @offered);
            my $connection = accept_as($version, subprotocols => \@offered, subprotocol => $answered,
                spoil => sub (@answer) { @answer });
            my ($told) = split /\n/, expect_success($program);
            my $failed = decode_json(encode('UTF-8', $told))->{failed} // die "taken: $told\n";
            die "it does not say why: $failed\n" if $failed !~ /$field/;
        };
    }

    if ($hixie) {
        check "$version: what is no UTF-8 comes back as U+FFFD" => sub {
            echoed($version, sub ($connection) {
                $connection->write("\0a\xc3(\xe6b\xfe\xff");
                expect_text($connection, "a\x{fffd}(\x{fffd}b\x{fffd}");
            });
        };
        check "$version: frames of unknown types are passed over" => sub {
            echoed($version, sub ($connection) {
                $connection->write("\x01unknown\xff" . "\x80\x03\x00x\xff" . "\x80\x81\x00" . "\0" x 128);
                $connection->send_text('behind them');
                expect_text($connection, 'behind them');
            });
        };
    } else {
        check "$version: a masked frame is closed with 1002", sub {
            expect_refused_frame($version, sub ($connection) { $connection->frame('hello', masked => 1) }, 1002);
        };
        check "$version: a reserved bit is closed with 1002", sub {
            expect_refused_frame($version, sub ($connection) { "\xc1\x05hello" }, 1002);
        };
        check "$version: text that is not UTF-8 is closed with $BAD_TEXT{$version}", sub {
            expect_refused_frame($version, sub ($connection) { $connection->frame("\xff") }, $BAD_TEXT{$version});
        };
    }

    for my $case (@{ $answers{$version} }) {
        my ($name, $because, $spoil, $cut_short) = @$case;
        check "$version: an answer with $name is refused", sub {
            expect_refused_answer($version, $because, $spoil, $cut_short);
        };
    }

    check "$version: no two requests alike", sub {
        if ($version eq 'draft-76') {
            # The draft wants the fields in random order: six of them, and this many requests.
            for (1 .. 6) {
                my $program = start('client', $version, '');
                push @requests, my $connection = accept_as($version);
                $connection->answer_goodbye;
                expect_success($program);
            }
            my %orders = map { $_->{order} => 1 } @requests;
            die "one order of fields in @{[scalar @requests]} requests\n" if keys %orders < 2;
        }
        my %challenges = map { $_->{request} => 1 } @requests;
        Client::same('different requests', scalar keys %challenges, scalar @requests);
    } if $version ne 'draft-75';
}

say "$passed passed, $failed failed";
exit($failed || !$passed ? 1 : 0);
