export HOME=/root PATH=/bin TERM="${TERM:-linux}" USER=root
PS1='tabvisor:\w\$ '
