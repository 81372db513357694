# Runs in the virtual machine: see service.rs.
set -eu
export TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 SYSTEMD_PAGER=

step() { echo "== $* ($(cut -d' ' -f1 /proc/uptime) s)"; }
fail() {
  trap - EXIT
  echo "FAILED: $*"
  systemctl status lithos --no-pager --full || true
  journalctl --no-pager -b -u lithos -t lithos -t lithos-shop | tail -60
  cat /tmp/refused 2>/dev/null || true
  exit 1
}
# Whatever else goes wrong is told as fully.
trap 'status=$?; trap - EXIT; [ $status = 0 ] || fail "at the step above, with exit status $status"' EXIT
# Waits up to 60 s for a command to succeed.
await() {
  for _ in $(seq 300); do "$@" && return; sleep 0.2; done
  fail "never happened: $*"
}
property() { systemctl show --property "$1" --value lithos; }
main() { property MainPID; }
probes() { pgrep -x probe | sort | tr '\n' ' '; }
socket() { ss -Htlne 'sport = :8080' | sed 's/.* ino:\([0-9]*\) .*/\1/'; }
loads() { journalctl -b -t lithos -o cat | grep -c '^loaded; supervising' || true; }
loaded() { [ "$(loads)" -ge "$1" ]; }
are_two() { [ "$(pgrep -x probe | wc -l)" = 2 ]; }
another_main() { now=$(main); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
same_probes() { [ "$(probes)" = "$1" ] || fail "$2: the processes were $1, and are $(probes)"; }
same_main() { [ "$(main)" = "$1" ] || fail "$2: the supervisor was $1, and is $(main)"; }

# After a stop, however it came about.
nothing_left() {
  [ -z "$(pgrep -l 'lithos|probe')" ] || fail "left: $(pgrep -l 'lithos|probe')"
  [ ! -e /run/lithos ] || fail "left: $(find /run/lithos)"
  [ ! -e /sys/fs/cgroup$unit ] || fail "left: $(find /sys/fs/cgroup$unit)"
  ! grep lithos /proc/mounts || fail "mounts are left"
  [ -z "$(socket)" ] || fail "the port is still open"
  [ "$(property NFileDescriptorStore)" = 0 ] || fail "sockets are left in the store"
}
installed() { dpkg-query --show --showformat '${Version} ${db:Status-Abbrev}' lithos; }

step "install the package"
# Not half a minute, which would be long here; all else is as the unit has it. But not so
# short that the emulator's own pauses look like a hung supervisor.
mkdir /etc/systemd/system/lithos.service.d
printf '[Service]\nWatchdogSec=20s\n' >/etc/systemd/system/lithos.service.d/test.conf
dpkg --install /lithos/lithos_0.1.0-1_*.deb </dev/null || fail "dpkg --install"
[ "$(installed)" = "0.1.0-1 ii " ] || fail "installed: $(installed)"
[ "$(property ActiveState) $(property UnitFileState)" = "active enabled" ] || fail "it was not started and enabled"
[ "$(property StatusText)" = "supervising 0 containers" ] || fail "status: $(property StatusText)"
complaints=$(systemd-analyze verify /usr/lib/systemd/system/lithos.service 2>&1) || fail "verify: $complaints"
[ -z "$complaints" ] || fail "verify: $complaints"

step configure
image=/var/lib/lithos/containers/probe
for directory in bin config dev etc proc sys tmp; do mkdir -p "$image/$directory"; done
install -m 755 /lithos/probe "$image/bin/probe"
: >"$image/etc/hosts"
: >"$image/etc/resolv.conf"
echo 'syslog-facility: daemon
log-level: info' >/etc/lithos/master.yaml
echo 'allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
allow-tcp-ports: [8080]
log-level: info' >/etc/lithos/sandboxes/shop.yaml
echo 'web: { image: probe, config: /config/web.yaml, instances: 2 }' >/etc/lithos/processes/shop.yaml
container() {
  echo "executable: /bin/probe
arguments: [serve=3]
environ: { GENERATION: \"$1\" }
memory-limit: 100M
restart-timeout: 0.1
tcp-ports: { 8080: { fd: 3, host: 127.0.0.1 } }" >"$image/config/web.yaml"
}
container 1
lithos_check
systemctl reload lithos || fail reload
await are_two
await loaded 1
first=$(main) two=$(probes) inode=$(socket)
[ "$(property StatusText)" = "supervising 2 containers" ] || fail "status: $(property StatusText)"
[ "$(property NFileDescriptorStore)" = 1 ] || fail "sockets stored: $(property NFileDescriptorStore)"
unit=/system.slice/lithos.service
grep -qx "0::$unit/supervisor" "/proc/$first/cgroup" || fail "the supervisor left its cgroup"
for pid in $two; do
  grep -q "^0::$unit/lithos.slice/" "/proc/$pid/cgroup" || fail "cgroup: $(cat /proc/"$pid"/cgroup)"
done
[ "$(cat /sys/fs/cgroup$unit/lithos.slice/*/memory.max | sort -u)" = 99999744 ] || fail "no memory limit"
python3 /lithos/client.py &
client=$!

step reload
systemctl reload lithos
await loaded 2
same_main "$first" reload
same_probes "$two" reload

step "kill -9 of the supervisor"
kill -9 "$first"
await another_main "$first"
await loaded 3
same_probes "$two" "kill -9"
[ "$(property NRestarts)" = 1 ] || fail "restarts: $(property NRestarts)"

step "systemctl restart"
second=$(main)
systemctl restart lithos || fail restart
await loaded 4
third=$(main)
[ "$third" != "$second" ] || fail "it was not restarted"
same_probes "$two" restart

step "upgrade the package"
old=$(stat -L -c %i "/proc/$third/exe")
# It asks nothing, though a file of the package was changed.
dpkg --install /lithos/lithos_0.1.1-1_*.deb </dev/null || fail "dpkg --install"
[ "$(installed)" = "0.1.1-1 ii " ] || fail "installed: $(installed)"
await loaded 5
new=$(stat -L -c %i "/proc/$third/exe")
[ "$new" != "$old" ] && [ "$new" = "$(stat -c %i /usr/bin/lithos_tree)" ] || fail "the new program does not run"
same_main "$third" upgrade
same_probes "$two" upgrade

step "a hung supervisor"
kill -STOP "$third"
await another_main "$third"
await loaded 6
same_probes "$two" watchdog
journalctl -b -u lithos -o cat | grep -qi watchdog || fail "it was not the watchdog"

step "kill -9 of the supervisor and of every knot at once"
fourth=$(main)
# shellcheck disable=SC2046
kill -9 "$fourth" $(pgrep -x lithos_knot)
await another_main "$fourth"
await loaded 7
await are_two
[ "$(socket)" = "$inode" ] || fail "the socket is not the one that was stored"
[ "$(property NFileDescriptorStore)" = 1 ] || fail "sockets stored: $(property NFileDescriptorStore)"

step "a broken config"
before=$(probes) fifth=$(main)
cp /etc/lithos/master.yaml /tmp/good.yaml
echo 'log-levle: info' >>/etc/lithos/master.yaml
systemctl reload lithos
failed() { property StatusText | grep -q 'the last reload failed'; }
await failed
cp /tmp/good.yaml /etc/lithos/master.yaml
same_main "$fifth" "broken config"
same_probes "$before" "broken config"

step "a changed container"
container 2
systemctl reload lithos
await loaded 8
others() { are_two && for pid in $(probes); do case " $before" in *" $pid "*) return 1 ;; esac; done; }
await others
touch /tmp/stop
wait "$client"
[ ! -e /tmp/refused ] || fail "a client was refused"
[ "$(cat /tmp/clients)" -gt 100 ] || fail "only $(cat /tmp/clients) connections"
echo "$(cat /tmp/clients) connections, none refused"

step "a port that nobody wants any more"
sed -i '/tcp-ports/d;s/serve=3/sleep/' "$image/config/web.yaml"
systemctl reload lithos
none_stored() { [ "$(property NFileDescriptorStore)" = 0 ] && [ -z "$(socket)" ]; }
await none_stored
container 3
systemctl reload lithos
one_stored() { [ "$(property NFileDescriptorStore)" = 1 ] && are_two; }
await one_stored

step logs
journalctl -b -t lithos-shop -o cat | grep -q '^shop/web.0: started, pid ' || fail "nothing about the sandbox in syslog"
[ "$(find /var/log/lithos -type f | sort | tr '\n' ' ')" = "/var/log/lithos/config/shop.log /var/log/lithos/stderr/shop.log " ] ||
  fail "logs: $(find /var/log/lithos -type f)"
[ "$(grep -c '^20[0-9-]*T[0-9:]*Z {"web":{.*"image":"probe"' /var/log/lithos/config/shop.log)" = 10 ] ||
  fail "config log: $(cat /var/log/lithos/config/shop.log)"

. /lithos/credentials.sh

step stop
systemctl stop lithos || fail stop
nothing_left

step "remove the package"
systemctl start lithos || fail start
await are_two
dpkg --remove lithos || fail "dpkg --remove"
nothing_left
[ -z "$(find /usr -name '*lithos*')" ] || fail "left: $(find /usr -name '*lithos*')"
cmp /etc/lithos/master.yaml /tmp/good.yaml || fail "the master config has changed"

step "purge the package"
kept() { find /etc/lithos /var/lib/lithos ! -name master.yaml | sort; }
before=$(kept)
dpkg --purge lithos || fail "dpkg --purge"
[ "$(kept)" = "$before" ] || fail "of the operator's there is only: $(kept)"
[ ! -e /etc/lithos/master.yaml ] || fail "the package's own master config is left"
left=$(find /etc /usr /var -name '*lithos*' ! -path '/etc/lithos*' ! -path '/var/lib/lithos*' \
  ! -path '/etc/systemd/system/lithos.service.d*')
[ -z "$left" ] || fail "left: $left"
step done
