#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Linux guest in QEMU with two vhost-user ports, routing between two namespaces: boots, pings, carries TCP with
# segmentation offload, survives kill -9 of the switch with no action in the guest; the switch survives kill -9 of QEMU.
. "$(dirname "$0")/../lib.sh"

sluice_only "guests without hugepages" || exit 0
qemu=$(command -v qemu-system-x86_64) || skip "qemu-system-x86_64 is not installed: run ./run setup"
command -v busybox cpio >/dev/null || skip "busybox or cpio is not installed: run ./run setup"
kernel=$(find /boot -name "vmlinuz-*-cloud-amd64" 2>/dev/null | sort -V | tail -n 1)
[ -n "$kernel" ] || skip "no kernel for the guest (linux-image-cloud-amd64): run ./run setup"
modules=/lib/modules/${kernel#/boot/vmlinuz-}/kernel

make_initrd() {
    local root=$T/root name
    mkdir -p "$root"/{bin,proc,sys,dev,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in net/core/failover drivers/net/net_failover drivers/virtio/virtio_ring drivers/virtio/virtio \
        drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/net/virtio_net; do
        cp "$modules/$name.ko" "$root/modules/" || skip "the guest's kernel lacks $name"
    done
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in failover net_failover virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_net; do
    insmod /modules/$m.ko
done
echo 1 >/proc/sys/net/ipv4/ip_forward
ip addr add 10.0.0.9/24 dev eth0
ip addr add 10.0.1.9/24 dev eth1
ip link set eth0 up
ip link set eth1 up
echo "queues $(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)"
echo READY
while true; do nc -l -p 7 -e cat; done
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$T/initrd"
}

# vectors=0: QEMU 7.2 without KVM dies over the message interrupts of a vhost device.
qemu_pid=
start_vm() {
    timeout 600 "$qemu" -accel tcg -cpu max -smp 2 -m 192 -nodefaults -display none -no-reboot -serial "file:$T/console.log" \
        -object memory-backend-memfd,id=mem,size=192M,share=on -machine q35,memory-backend=mem \
        -kernel "$kernel" -initrd "$T/initrd" -append "console=ttyS0 panic=-1 quiet no_timer_check" \
        -chardev "socket,id=c0,path=$T/vm0.sock,server=on,wait=off" -netdev vhost-user,id=n0,chardev=c0,queues=2 \
        -device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:10,mq=on,vectors=0 \
        -chardev "socket,id=c1,path=$T/vm1.sock,server=on,wait=off" -netdev vhost-user,id=n1,chardev=c1 \
        -device virtio-net-pci,netdev=n1,mac=52:54:00:00:00:11,packed=on,vectors=0 >"$T/qemu.log" 2>&1 &
    qemu_pid=$!
}
booted() { grep -q READY "$T/console.log"; }
# Bytes through the guest's echo server, compared; large writes, so that both sides use segmentation offload.
echoes() {
    ns h1 "$PYTHON" - <<'PY'
import os, socket, threading
data = os.urandom(1 << 16) * 24
peer = socket.create_connection(("10.0.0.9", 7), timeout=60)
def send():
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
got = bytearray()
while True:
    part = peer.recv(1 << 16)
    if not part:
        break
    got += part
assert got == data, (len(got), len(data))
PY
}

make_initrd
start_switch
add_bridge br0
add_bridge br1
add_guest h1 10.0.0.1/24 br0
add_guest h2 10.0.1.2/24 br1
ns h1 ip route add default via 10.0.0.9
ns h2 ip route add default via 10.0.1.9
vsctl add-port br0 vm0 -- set interface vm0 type=dpdkvhostuserclient "options:vhost-server-path=$T/vm0.sock" \
    -- add-port br1 vm1 -- set interface vm1 type=dpdkvhostuserclient "options:vhost-server-path=$T/vm1.sock"
start_vm
wait_for 240 "the guest boots" booted
expect_match "it has two queues" '^queues 2' "$(cat "$T/console.log")"
wait_eq 10 "the link is up" up vsctl get interface vm0 link_state
wait_for 30 "h1 pings the guest" pings h1 10.0.0.9
wait_for 30 "h2 pings the guest's other port" pings h2 10.0.1.9
wait_for 30 "h1 pings h2 through the guest" pings h1 10.0.1.2
check "TCP through the guest's echo server" echoes
wait_eq 10 "packed rings where the device offers them" packed vsctl get interface vm1 status:ring_layout
wait_eq 10 "split rings where not" split vsctl get interface vm0 status:ring_layout
expect_match "segmentation is left to the guest" enabled "$(vsctl get interface vm0 status:userspace-tso)"

for round in 1 2; do
    kill_switch
    start_switch
    wait_for 60 "round $round: after kill -9 of the switch h1 reaches the guest" pings h1 10.0.0.9
    check "round $round: the guest ran on" kill -0 "$qemu_pid"
done
check "TCP again" echoes

for round in 1 2; do
    ns h1 ping -q -f -w 3 10.0.0.9 >/dev/null 2>&1 &
    kill -9 "$(pgrep -P "$qemu_pid")"
    wait "$qemu_pid" 2>/dev/null
    wait_eq 10 "round $round: kill -9 of QEMU takes the link down" down vsctl get interface vm0 link_state
    check "round $round: the switch runs on" switch_alive
    : >"$T/console.log"
    start_vm
    wait_for 240 "round $round: the guest boots again" booted
    wait_for 60 "round $round: and is reached" pings h1 10.0.0.9
done
check "received + copied + injected = sent + punted + dropped" appctl sluice/conservation
kill -9 "$(pgrep -P "$qemu_pid")"
