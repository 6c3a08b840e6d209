# Fetches a file with Net::TFTP: get.pl HOST PORT NAME OUT MODE v4|v6 BLKSIZE (0: does not say)
use strict;
use warnings;
use Net::TFTP;

my ($host, $port, $name, $out, $mode, $ip, $blksize) = @ARGV;
my $tftp = Net::TFTP->new($host, Port => $port, Mode => $mode, IpMode => $ip, BlockSize => $blksize);
unlink $out;
$tftp->get($name, $out) or die "it says: " . ($tftp->error // "nothing") . "\n";
die "it says: " . $tftp->error . "\n" if $tftp->error;
