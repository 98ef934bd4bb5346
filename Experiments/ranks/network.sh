#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Ranks across a network, on one Linux machine: four network namespaces joined by a bridge, each with its own address and a rate limit (tc);
# mpirun starts a rank in each over TCP. Needs root, iproute2 and Open MPI, and the builds of .ci/ranks.
#     Experiments/ranks/network.sh bits       # the same bits as one process, at 1 Gbit/s
#     Experiments/ranks/network.sh time       # steps with little to compute at 1 and 10 Gbit/s and without a limit, beside the model
#     Experiments/ranks/network.sh faults     # a rank killed, a link cut for 5 s and for ever; then --resume
# Network emulation makes one machine's processors serve all ranks: times show what the network adds, not what machines save.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || { echo "network namespaces need root" >&2; exit 1; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
built=$PWD/.build/mpi/release plain=$PWD/.build/release
work=$(mktemp -d) nodes=2
die() { echo "FAILED: $*" >&2; exit 1; }

down() {
    for i in 1 2 3 4; do ip netns del bcgd$i 2>/dev/null || true; done
    ip link del bcgdbr 2>/dev/null || true
}
trap 'down; rm -rf "$work"' EXIT

# up NODES RATE: a namespace for each node, and the machine itself (10.77.0.100) for mpirun; RATE as tc has it, or none
up() {
    down
    nodes=$1
    ip link add bcgdbr type bridge
    ip addr add 10.77.0.100/24 dev bcgdbr
    ip link set bcgdbr up
    for i in $(seq "$1"); do
        ip netns add bcgd$i
        ip link add bcgdv$i type veth peer name eth0 netns bcgd$i
        ip link set bcgdv$i master bcgdbr up
        ip -n bcgd$i addr add 10.77.0.$i/24 dev eth0
        ip -n bcgd$i link set eth0 up
        ip -n bcgd$i link set lo up
        if [ "$2" != none ]; then
            ip netns exec bcgd$i tc qdisc add dev eth0 root tbf rate "$2" burst 256kb latency 50ms
            tc qdisc add dev bcgdv$i root tbf rate "$2" burst 256kb latency 50ms
        fi
    done
}

# mpirun's way to a node: the namespace with its address, not ssh
cat >"$work/agent" <<'AGENT'
#!/bin/sh
host=$1
shift
exec unshare --uts sh -c 'hostname bcgd$0; exec ip netns exec bcgd$0 sh -c "$*"' "${host##*.}" "$@"
AGENT
chmod +x "$work/agent"

# over COMMAND…: a rank on each node
over() {
    local hosts
    hosts=$(seq -s, -f '10.77.0.%g:1' "$nodes")
    mpirun.openmpi -n "$nodes" --host "$hosts" --bind-to none --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca pml ob1 \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 --mca oob_tcp_keepalive_time 5 \
        --mca oob_tcp_keepalive_intvl 2 \
        --mca oob_tcp_keepalive_probes 3 -x OMPI_MCA_btl_vader_single_copy_mechanism "$@"
}

python3 Experiments/ranks/small_run.py "$work"
cell=(table3 --protocol smoke --experiments "$work/experiments" --data "$work/images" --only resnet18-1w4a-bcgd --threads 1 --shards 4)
shared() { local out=$1; shift; over "$built/reproduce" "${cell[@]}" --ranks "$nodes" --out "$out" "$@"; }
same() { "$plain/reproduce" compare-checkpoints "$1" "$2" || die "$2 is not $1 bit for bit"; }
one() { [ -d "$work/one" ] || "$plain/reproduce" "${cell[@]}" --out "$work/one" >/dev/null 2>&1 || die "one process"; }
# until_quantized OUT: as in .ci/ranks
until_quantized() {
    for _ in $(seq 2400); do [ -z "$(find "$1" -name '*1w4a*.safetensors' 2>/dev/null)" ] || return 0; sleep 0.05; done
    die "the run did not begin: $(cat "$work/log")"
}

bits() {
    one
    for n in 2 4; do
        up $n 1gbit
        shared "$work/net$n" >"$work/log" 2>&1 || die "$n nodes: $(cat "$work/log")"
        same "$work/one" "$work/net$n"
    done
}

times() {
    for n in 2 4; do
        for rate in none 10gbit 1gbit; do
            up $n $rate
            echo "$n nodes, $rate:"
            for network in "imagenet-resnet18 --side 32 --batch 8" "resnet20 --side 8 --batch 8"; do
                # shellcheck disable=SC2086
                over "$built/benchmark-step" ranks --ranks "$n" --threads 1 --steps 25 --network $network \
                    --gigabits "$(case $rate in 1gbit) echo 1 ;; 10gbit) echo 10 ;; *) echo 100 ;; esac)"
            done
        done
    done
}

# ended START STATUS WHAT: within 30 s, not well, and with a line that says why
ended() {
    local took=$((SECONDS - $1))
    echo "$3: status $2 after $took s: $(grep -E 'Error: rank|lost connection|exited on signal|ORTE|daemon' "$work/log" | head -n 1)"
    [ "$2" -ne 0 ] && [ $took -le 30 ] || die "$3: $(cat "$work/log")"
}

faults() {
    one
    up 2 1gbit
    for fault in killed cut-5s cut; do
        up 2 1gbit
        shared "$work/$fault" >"$work/log" 2>&1 & local job=$! status=0 start
        until_quantized "$work/$fault"
        start=$SECONDS
        case $fault in
        killed) kill -9 "$(ip netns pids bcgd2 | xargs ps -o pid=,args= -p | awk '$2 ~ /reproduce$/ { print $1; exit }')" ;;
        cut*) ip link set bcgdv2 down ;;
        esac
        [ $fault != cut-5s ] || { sleep 5; ip link set bcgdv2 up; }
        wait $job || status=$?
        # A short cut may pass unnoticed.
        [ $fault = cut-5s ] && [ $status -eq 0 ] && echo "cut-5s: went on" || ended $start $status $fault
        ip link set bcgdv2 up
        for i in 1 2; do ip netns pids bcgd$i | xargs -r kill -9 2>/dev/null || true; done
        [ $status -eq 0 ] || shared "$work/$fault" --resume >"$work/log" 2>&1 || die "$fault, resume: $(cat "$work/log")"
        same "$work/one" "$work/$fault"
    done
}

case ${1:-} in
bits) bits ;;
time) times ;;
faults) faults ;;
*) sed -n '3,8p' "$0" >&2; exit 64 ;;
esac
