#!/bin/sh
# What the DHCP client has learnt, put to use.
case $1 in
bound | renew)
  ifconfig "$interface" "$ip" netmask "$subnet"
  for gateway in $router; do route add default gw "$gateway" dev "$interface"; done
  for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
  ;;
deconfig) ifconfig "$interface" 0.0.0.0 ;;
esac
