#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ct(alg=ftp) and ct(alg=tftp) with real programs: data connections come through a firewall that lets only control
# connections begin, active and passive, where the client's address is translated and where the server's is.
. "$(dirname "$0")/../lib.sh"
command -v curl >/dev/null || skip "curl is not installed"
command -v vsftpd >/dev/null || skip "vsftpd is not installed"
command -v in.tftpd >/dev/null || skip "tftpd-hpa is not installed"

start_switch
add_bridge br0
add_guest client 10.0.0.1/24 br0 && vsctl set interface v-client ofport_request=1
add_guest server 10.0.0.2/24 br0 && vsctl set interface v-server ofport_request=2
mac_of() { ns "$1" cat /sys/class/net/eth0/address; }
# The addresses that translation shows are not asked for by ARP.
ns server ip neigh replace 10.0.0.199 lladdr "$(mac_of client)" dev eth0
ns client ip neigh replace 10.0.0.188 lladdr "$(mac_of server)" dev eth0

mkdir -p "$T/ftp/pub" "$T/empty" && head -c 300000 /dev/urandom >"$T/ftp/pub/data" && chmod a+x "$T" && chmod -R a+rX "$T/ftp"
cat >"$T/vsftpd.conf" <<END
listen=YES
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root=$T/ftp
secure_chroot_dir=$T/empty
port_enable=YES
pasv_promiscuous=YES
port_promiscuous=YES
connect_from_port_20=NO
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
ftp_username=ftp
END
ns server vsftpd "$T/vsftpd.conf" >"$T/vsftpd.log" 2>&1 &
at_exit "kill $! 2>/dev/null"
ns server in.tftpd --listen --foreground --address 10.0.0.2:69 --user "$(id -un)" --secure "$T/ftp" >"$T/tftpd.log" 2>&1 &
at_exit "kill $! 2>/dev/null"

# What may begin: control connections, with $1 as translation; what else comes must be expected.
firewall() {
    cat <<END
table=0,priority=20,arp,actions=NORMAL
table=0,priority=10,ip,actions=ct(zone=3,nat,table=1)
table=1,priority=30,ct_state=+trk+est,in_port=1,ip,actions=output:2
table=1,priority=30,ct_state=+trk+est,in_port=2,ip,actions=output:1
table=1,priority=20,ct_state=+trk+new+rel,in_port=1,ip,actions=ct(commit,zone=3,nat),output:2
table=1,priority=20,ct_state=+trk+new+rel,in_port=2,ip,actions=ct(commit,zone=3,nat),output:1
table=1,priority=10,ct_state=+trk+new-rel,in_port=1,tcp,tp_dst=21,actions=ct(commit,zone=3,alg=ftp$1),output:2
table=1,priority=10,ct_state=+trk+new-rel,in_port=1,udp,tp_dst=69,actions=ct(commit,zone=3,alg=tftp$1),output:2
table=1,priority=0,actions=drop
END
}
load() {
    firewall "$1" >"$T/flows"
    ofctl del-flows br0 && ofctl add-flows br0 "$T/flows" && appctl dpctl/flush-conntrack
}
fetches() { # URL CURL-OPTION...
    rm -f "$T/got"
    ns client curl -s --max-time 20 -o "$T/got" "$@" && cmp -s "$T/got" "$T/ftp/pub/data"
}
refuses() { ! ns client curl -s --max-time 2 -o /dev/null "$@"; }

for kind in "untranslated||10.0.0.2" "the client's address translated|,nat(src=10.0.0.199)|10.0.0.2" \
    "the server's address translated|,nat(dst=10.0.0.2)|10.0.0.188"; do
    IFS='|' read -r what nat host <<<"$kind"
    say "$what"
    check "the flows load" load "$nat"
    wait_for 20 "the FTP server answers" fetches "ftp://$host/pub/data"
    check "EPSV" fetches "ftp://$host/pub/data"
    check "PASV" fetches "ftp://$host/pub/data" --disable-epsv --ftp-skip-pasv-ip
    check "PASV, by the address that the server names" fetches "ftp://$host/pub/data" --disable-epsv --no-ftp-skip-pasv-ip
    check "EPRT" fetches "ftp://$host/pub/data" -P -
    check "PORT" fetches "ftp://$host/pub/data" -P - --disable-eprt
    check "two transfers on one control connection" ns client curl -s --max-time 20 -o /dev/null "ftp://$host/pub/data" -P - --disable-eprt \
        -o "$T/got" "ftp://$host/pub/data"
    check "TFTP" fetches "tftp://$host/pub/data" --tftp-blksize 1024
    expect_match "the data connections are marked as such, and gone or going" 'dport=(21|69)' "$(appctl dpctl/dump-conntrack)"
done

say "without alg"
firewall "" | sed 's/,alg=t*ftp//' >"$T/flows"
ofctl del-flows br0 && ofctl add-flows br0 "$T/flows" && appctl dpctl/flush-conntrack
check "no data connection gets through" refuses "ftp://10.0.0.2/pub/data" -P -
check "no TFTP either" refuses "tftp://10.0.0.2/pub/data"
