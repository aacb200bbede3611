#!/usr/bin/perl
# A client of any version, for programs in other languages:
#
#   pipe.pl --version draft-75 --url ws://HOST:PORT/PATH --seconds SECONDS
#
# Each line of the input is sent as a message, and each message is a line of the output. Ends with status 0 when the
# server closes the connection, and with 1 for any fault, and if there is no message for so many seconds.
use v5.36;
use FindBin '$RealBin';
use lib $RealBin;
use Encode qw(decode encode);
use Getopt::Long 'GetOptions';
use Client;

$| = 1;
my ($version, $url, $seconds);
GetOptions('version=s' => \$version, 'url=s' => \$url, 'seconds=f' => \$seconds) && defined $seconds
    or die "usage: pipe.pl --version V --url URL --seconds SECONDS\n";
my $client = Client->connect(url => $url, version => $version, patience => $seconds);
my $sender = fork // die "fork: $!\n";
if (!$sender) {
    while (my $line = <STDIN>) {
        chomp $line;
        $client->send_text(decode('UTF-8', $line));
    }
    exit 0;
}
my $ended = eval {
    while (defined(my $text = $client->recv_text)) {
        say encode('UTF-8', $text);
    }
    1;
};
my $reason = $@;
kill 'TERM', $sender;
waitpid $sender, 0;
# A server that is killed resets the connection.
die $reason unless $ended || $reason =~ /^read: Connection reset/;
