#!/bin/busybox sh
# The first process of the test guest: reads the NoCloud seed, keeps a boot counter on its disk,
# says that it is ready on the serial console and offers a login there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
while read -r module; do insmod "/modules/$module.ko" 2>/dev/null; done </modules/order

mount -t iso9660 -o ro /dev/vdb /seed 2>/dev/null
value() { sed -n "s/^[ -]*$1: *//p" "$2" 2>/dev/null | head -n 1 | tr -d "\"'"; }
name=$(value local-hostname /seed/meta-data)
hostname "${name:-unnamed}"
hash=$(value password /seed/vendor-data)
echo "root:${hash:-*}:19000:0:99999:7:::" >/etc/shadow
sed -n '/^public-keys:/,/^[a-z]/s/^ *- *//p' /seed/meta-data >/root/.ssh/authorized_keys 2>/dev/null
keys=$(wc -l </root/.ssh/authorized_keys)

if ! mount -t ext4 /dev/vda /data 2>/dev/null; then
    mke2fs -F -i 65536 -L data /dev/vda >/dev/null 2>&1 && mount -t ext4 /dev/vda /data
fi
boots=$(($(cat /data/boots 2>/dev/null || echo 0) + 1))
echo "$boots" >/data/boots
sync

ip link set lo up
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
echo "tandem-guest ready hostname=$(hostname) boots=$boots keys=$keys" >/dev/ttyS0
exec /bin/init
