# An echo server over TLS: IO::Socket::SSL, blocking, one connection at a time.
use strict;
use warnings;
use IO::Socket::SSL;

my $server = IO::Socket::SSL->new(
    LocalAddr     => '127.0.0.1',
    LocalPort     => $ENV{PORT},
    Listen        => 300,
    ReuseAddr     => 1,
    SSL_cert_file => $ENV{CERT},
    SSL_key_file  => $ENV{KEY},
) or die "cannot listen: $SSL_ERROR";
$SIG{PIPE} = 'IGNORE';
while (1) {
    my $client = $server->accept or next;
    while (my $line = <$client>) {
        print $client $line;
    }
    close $client;
}
