ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 address 02:00:00:00:00:01; ip link set v1 address 02:00:00:00:00:02
ip link set v0 up; ip -o link show v0 | sed 's/@.*: </: </; s/qdisc [a-z]* //; s/qlen [0-9]*//'
ip addr add 10.1.0.1/24 brd + dev v0; ip addr add 10.1.0.1/24 dev v0; echo "again $?"
ip addr add 192.168.5.5 peer 192.168.5.6 dev v0
ip -o -4 addr show
ip route
ip route add 10.9.0.0/16 via 10.1.0.7; ip route add 10.9.0.0/16 via 10.1.0.8; echo "exists $?"
ip route add default via 10.1.0.254 metric 50; ip route add unreachable 10.66.0.0/16; ip route add 10.77.0.0/16 dev v0 src 10.1.0.1
ip route add 1.2.3.4 via 99.9.9.9; echo "no way $?"
ip route | sort
ip route get 10.9.1.1 | head -1; ip route get 10.66.1.1; ip route get 127.0.0.1 | head -1; ip route get 10.1.0.1 | head -1
cat /proc/net/route | sort
ip neigh add 10.1.0.50 lladdr 02:aa:bb:cc:dd:ee dev v0; ip neigh add 10.1.0.50 lladdr 02:aa:bb:cc:dd:ee dev v0; echo "again $?"; ip neigh show | sort; cat /proc/net/arp; ip neigh del 10.1.0.50 dev v0; ip neigh show nud permanent
ip route del 10.9.0.0/16; ip route del 10.9.0.0/16; echo "gone $?"
ip link set v0 mtu 1400; ip -o link show v0 | grep -o 'mtu [0-9]*'; ip link set v0 mtu 10; echo "small $?"
ip link set v0 down; ip route | sort; ip link set v0 up; ip route | sort
ip addr del 10.1.0.1/24 dev v0; ip -o -4 addr show dev v0; ip addr del 10.1.0.1/24 dev v0; echo "gone $?"
ip link add v0 type veth peer name v7; echo "name $?"; ip link del lo; echo "lo $?"; ip link show nowhere; echo $?
ifconfig v0 10.2.0.1 netmask 255.255.0.0 up 2>&1 | head -1; ip -o -4 addr show dev v0
ip link del v1; ip -o link | wc -l
ip rule 2>&1
