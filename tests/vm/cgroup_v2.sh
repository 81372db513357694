# Runs in the virtual machine, where there is only cgroup v2: see cgroup_v2.rs.
PATH=/lithos:$PATH
top=/sys/fs/cgroup/lithos.slice
log=/var/log/lithos/tree
record() { cat "/run/lithos/state/shop/$1.0/record.json"; }

fail() {
  echo "FAILED: $*"
  tail -n 30 "$log" /var/log/lithos/stderr/shop.log
  exit 1
}
expect() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }
# Until a command succeeds, for 30 s.
await() {
  local tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "in vain: $*"
    sleep 0.1
  done
}
in_log() { grep -q -e "$1" "$log"; }
not() { ! "$@"; }
supervise() { lithos_tree -C /etc/lithos/master.yaml --log-stderr --log-level debug >>"$log" 2>&1 & tree=$!; }

# name, lines of its config, what busybox's shell runs in it
container() {
  {
    echo "executable: /bin/sh"
    echo "restart-timeout: 3600"
    printf '%s\n' "$2"
    echo "arguments:"
    echo "  - -c"
    echo "  - |"
    printf '%s\n' "$3" | sed 's/^/    /'
  } >"/var/lib/lithos/containers/box/config/$1.yaml"
  echo "$1: { image: box, config: /config/$1.yaml }" >>/etc/lithos/processes/shop.yaml
}

lay() {
  box=/var/lib/lithos/containers/box
  mkdir -p /etc/lithos/sandboxes /etc/lithos/processes /var/log/lithos "$box/config"
  for directory in bin dev etc proc sys tmp; do mkdir -p "$box/$directory"; done
  cp /lithos/busybox "$box/bin/busybox"
  for applet in sh cat grep sleep echo; do ln -s busybox "$box/bin/$applet"; done
  touch "$box/etc/hosts" "$box/etc/resolv.conf" /etc/lithos/master.yaml
  echo '{ allow-users: [1000], allow-groups: [1000], default-user: 1000, default-group: 1000,' \
    'limits: { memory: 256Mi, pids: 100, cpu: 2 } }' >/etc/lithos/sandboxes/shop.yaml
  : >/etc/lithos/processes/shop.yaml
  container see 'memory-limit: 64Mi
memory-high: 48Mi
cpu-shares: 512
cpu-limit: 1.5
pids-limit: 20' 'cd /sys/fs/cgroup
for file in memory.max memory.swap.max memory.high memory.oom.group cpu.weight cpu.max pids.max; do
  echo "inside: $file $(cat $file)"; (echo 7 >$file) 2>&1
done
echo "inside: member $(cat /proc/self/cgroup)"
echo "inside: mount $(grep -c " /sys/fs/cgroup ro," /proc/self/mountinfo) $(ls -d lithos* shop* 2>/dev/null)"
exec sleep 600'
  container none '' 'exec sleep 600'
  container bomb 'pids-limit: 20' '(while :; do sleep 600 & done); exec sleep 600'
  container spin 'cpu-limit: 0.1' 'while :; do :; done'
  container big 'memory-limit: 32Mi' 'sleep 600 & x=0123456789abcdef; while :; do x=$x$x; done'
  container high 'memory-high: 4Mi' 'x=0123456789abcdef
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do x=$x$x; done
exec sleep 600'
  container deaf '' 'trap "" TERM; while :; do sleep 1; done'
  echo 'kill-timeout: 1' >>"$box/config/deaf.yaml"
}

limits_are_set() {
  see=$top/shop:see.0
  await grep -q 'inside: mount' /var/log/lithos/stderr/shop.log
  while read -r file value; do
    expect "$file" "$(cat "$see/$file")" "$value"
    # Others write to the same log: a line of theirs may be begun before ours.
    grep -qE "inside: $file $value\$" /var/log/lithos/stderr/shop.log || fail "not seen inside: $file $value"
  done <<END
memory.max 67108864
memory.swap.max 0
memory.high 50331648
memory.oom.group 1
cpu.weight 50
cpu.max 150000 100000
pids.max 20
END
  none=$top/shop:none.0
  expect "the ceiling of memory" "$(cat "$none/memory.max")" 268435456
  expect "the ceiling of tasks" "$(cat "$none/pids.max")" 100
  expect "the ceiling of time" "$(cat "$none/cpu.max")" "200000 100000"
  expect "no memory.high" "$(cat "$none/memory.high")" max
  expect "the usual weight" "$(cat "$none/cpu.weight")" 100
}

own_cgroup_is_shown_read_only() {
  await grep -q 'inside: mount' /var/log/lithos/stderr/shop.log
  grep -qE 'inside: member 0::/$' /var/log/lithos/stderr/shop.log || fail "another cgroup is seen"
  grep -qE 'inside: mount [1-9] *$' /var/log/lithos/stderr/shop.log || fail "no such mount"
  expect "writing it" "$(grep -o 'Read-only file system' /var/log/lithos/stderr/shop.log | grep -c .)" 7
}

knot_is_not_charged() {
  await test -e "$top/shop:see.0"
  knot=$(pgrep -o -f 'lithos_knot --name shop/see.0')
  expect "the knot's cgroup" "$(cat "/proc/$knot/cgroup")" "$(cat /proc/self/cgroup)"
  grep -qx "$knot" "$top/shop:see.0/cgroup.procs" && fail "the knot is in it"
  test -n "$(cat "$top/shop:see.0/cgroup.procs")" || fail "nobody is in it"
}

fork_bomb_stops_at_its_limit() {
  bomb=$top/shop:bomb.0
  await grep -q 'max [1-9]' "$bomb/pids.events"
  expect "the most tasks" "$(cat "$bomb/pids.peak")" 20
  test "$(cat "$bomb/pids.current")" -ge 15 || fail "it does not run any more"
}

memory_is_taken_back_above_high() {
  await grep -q 'high [1-9]' "$top/shop:high.0/memory.events"
}

processor_time_is_limited() {
  await grep -q 'nr_throttled [1-9]' "$top/shop:spin.0/cpu.stat"
}

out_of_memory_is_told() {
  await in_log 'shop/big.0: was killed for memory: limit 32 MiB, peak 3[12].* (cgroup lithos.slice/shop:big.0), after .* s, 0 restarts'
  record big | grep -q '"out-of-memory":{"cgroup":"lithos.slice/shop:big.0","limit":33554432,"peak":3[0-9]*}' ||
    fail "$(record big)"
  await not test -e "$top/shop:big.0"
}

stop_leaves_nothing() {
  # One of the host's, which only cgroup.kill can reach.
  setsid sleep 600 & foreign=$!
  echo $foreign >"$top/shop:see.0/cgroup.procs"
  kill -TERM "$tree"
  await not kill -0 "$tree"
  wait "$tree"; expect "status" $? 0
  kill -0 $foreign 2>/dev/null && fail "what was in a cgroup still runs"
  test ! -e "$top" || fail "left: $(find "$top")"
  in_log 'shop/deaf.0: .*told to end, after' || fail "no own stop"
  pgrep -f lithos_knot && fail "a knot is left"
  :
}

delegated_subtree_is_not_left() {
  unit=/sys/fs/cgroup/unit
  mkdir -p $unit/supervisor
  echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
  python3 -c 'import os; os.setxattr("/sys/fs/cgroup/unit", "trusted.delegate", b"1")'
  sh -c 'echo $$ >/sys/fs/cgroup/unit/supervisor/cgroup.procs
    exec lithos_tree -C /etc/lithos/master.yaml --log-stderr --log-level debug' >>"$log" 2>&1 &
  tree=$!
  await grep -q . "$unit/lithos.slice/shop:see.0/cgroup.procs"
  test ! -e "$top" || fail "there is $top"
  expect "the limit" "$(cat "$unit/lithos.slice/shop:see.0/pids.max")" 20
  knot=$(pgrep -o -f 'lithos_knot --name shop/see.0')
  expect "the knot's cgroup" "$(cat "/proc/$knot/cgroup")" 0::/unit/supervisor
  kill -TERM $tree
  await not kill -0 $tree
  expect "what is left" "$(echo $unit/*/)" "$unit/supervisor/"
}

failed=0
check() {
  # Not as a condition, where `set -e` would not count.
  (set -e; "$1")
  if [ $? = 0 ]; then echo "PASSED $1"; else failed=1; fi
}
# What the firmware leaves on the line, and messages of the kernel, would tear
# the lines of the console.
echo; dmesg -n 1
lay
supervise
for name in limits_are_set own_cgroup_is_shown_read_only knot_is_not_charged \
  fork_bomb_stops_at_its_limit memory_is_taken_back_above_high processor_time_is_limited out_of_memory_is_told; do
  check $name
done
stop_leaves_nothing && echo "PASSED stop_leaves_nothing"
check delegated_subtree_is_not_left
exit $failed
