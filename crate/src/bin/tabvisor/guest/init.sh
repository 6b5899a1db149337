#!/bin/sh
# The first process: mounts, drivers, network, shares; then busybox's init, which keeps a shell on the console.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp
echo tabvisor >/proc/sys/kernel/hostname

# Only drivers whose device is there: each costs time.
set -- /sys/bus/platform/devices/*.virtio_mmio
if [ -e "$1" ]; then
  modprobe virtio_mmio
  names=
  for device in /sys/bus/virtio/devices/*; do
    [ -e "$device/driver" ] && continue
    read -r name <"$device/modalias" && names="$names $name"
  done
  [ -z "$names" ] || modprobe -a -q $names
fi

ifconfig lo 127.0.0.1
if [ -e /sys/class/net/eth0 ]; then
  ifconfig eth0 up
  modprobe -q af_packet
  udhcpc -i eth0 -s /etc/udhcpc -q -n >/dev/null 2>&1 &
fi

for tag in /sys/bus/virtio/drivers/9pnet_virtio/virtio*/mount_tag; do
  [ -e "$tag" ] || continue
  [ -n "$shares" ] || modprobe 9p
  shares=1
  # The file may end in a NUL.
  name=$(tr -d '\0' <"$tag")
  mkdir -p "/mnt/$name"
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 "$name" "/mnt/$name" || rmdir "/mnt/$name"
done

# The console named last on the kernel's command line.
console=ttyS0
read -r words </proc/cmdline
for word in $words; do
  case $word in console=*) console=${word#console=} console=${console%%,*} ;; esac
done
[ -c "/dev/$console" ] || console=ttyS0

cat >/etc/inittab <<END
$console::respawn:-/etc/shell
::ctrlaltdel:/bin/reboot
END
exec /bin/init
