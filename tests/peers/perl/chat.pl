#!/usr/bin/perl
# One member of a chat room, speaking an old version:
#
#   chat.pl --version draft-75 --url ws://HOST:PORT/ROOM --name Ada --say TEXT
#           --expect TEXT [--expect TEXT ...] [--members N] --deadline SECONDS
#
# Joins, waits until N members have been in the room at once (itself included), says its text,
# and waits until somebody else has said each of the expected texts. Exits 0 if all that happened
# before the deadline, otherwise says what was missing and exits 1.
use v5.36;
use FindBin '$RealBin';
use lib $RealBin;
use Encode qw(decode encode);
use Getopt::Long 'GetOptions';
use JSON::PP;
use List::Util 'max';
use Time::HiRes 'time';
use Client;

# The number in the position of an entry; the rest of the position is the same in the whole room.
sub number_of ($position) {
    return $position =~ /-([0-9]+)\z/ ? $1 : die "no position: $position\n";
}

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;
@ARGV = map { decode('UTF-8', $_) } @ARGV;
my ($version, $url, $name, $text, $seconds, @expected);
my $wanted = 1;
my $understood = GetOptions(
    'version=s'  => \$version,
    'url=s'      => \$url,
    'name=s'     => \$name,
    'say=s'      => \$text,
    'expect=s'   => \@expected,
    'members=i'  => \$wanted,
    'deadline=f' => \$seconds,
);
die "usage: chat.pl --version V --url URL --name NAME --say TEXT --expect TEXT... [--members N] --deadline SECONDS\n"
    if !$understood || @ARGV || grep { !defined } $version, $url, $name, $text, $seconds;
exists $Client::DRAFT{$version} or die "versions: @{[ sort keys %Client::DRAFT ]}\n";

my $deadline = time + $seconds;
my $json = JSON::PP->new->canonical;    # reads and writes characters; `Client` makes them UTF-8
my %missing = map { $_ => 1 } @expected;
my (%members, $me, $at, $spoke, $heard_itself);
my $most = 0;

my $done = eval {
    my $client = Client->connect(url => $url, version => $version, patience => $seconds);
    $client->send_text($json->encode({ type => 'join', name => $name }));
    # Its own text must come back too: only then has everybody been sent it, and it may leave.
    until ($heard_itself && !%missing) {
        my $frame = $client->recv_text(max(0, $deadline - time)) // die "the server closed the connection\n";
        my $event = $json->decode($frame);
        my $type  = $event->{type};
        # The list of members is true at the position of the welcome: entries up to there do not change it.
        next if $type =~ /^(joined|left)\z/ && number_of($event->{id}) <= $at;
        if ($type eq 'welcome') {
            $me = $event->{member};
            $at = number_of($event->{at});
            Client::same('version in the welcome', $event->{version}, $version);
            Client::same('name in the welcome', $event->{name}, $name);
            $members{ $_->{member} } = $_->{name} for @{ $event->{members} };
        } elsif ($type eq 'joined') {
            $members{ $event->{member} } = $event->{name};
        } elsif ($type eq 'left') {
            delete $members{ $event->{member} };
        } elsif ($type eq 'said' && defined $me && $event->{member} eq $me) {
            Client::same('own text', $event->{text}, $text);
            $heard_itself = 1;
        } elsif ($type eq 'said') {
            delete $missing{ $event->{text} };
        } elsif ($type eq 'error') {
            die "the server says: $event->{text}\n";
        }
        $most = max($most, scalar keys %members);
        if (defined $me && !$spoke && $most >= $wanted) {
            $client->send_text($json->encode({ type => 'say', text => $text }));
            $spoke = 1;
        }
    }
    $client->close;
    1;
};
if ($done) {
    say "ok $version $name said '$text' and heard ", join ', ', map { "'$_'" } @expected;
    exit 0;
}
print "FAIL $version $name: $@";
say '  not welcomed' unless defined $me;
say sprintf '  members at most: %d of %d: %s', $most, $wanted, join ', ', sort values %members;
say '  did not speak' unless $spoke;
say '  did not hear its own text' if $spoke && !$heard_itself;
say "  did not hear '$_'" for sort keys %missing;
exit 1;
