# What the guests with systemd have in common: see service.rs and package.rs.
set -eu
export TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 SYSTEMD_PAGER=

step() { echo "== $* ($(cut -d' ' -f1 /proc/uptime) s)"; }
fail() {
  echo "FAILED: $*"
  systemctl status lithos --no-pager --full || true
  journalctl --no-pager -b -u lithos -t lithos -t lithos-shop | tail -60
  cat /tmp/refused 2>/dev/null || true
  exit 1
}
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

image=/var/lib/lithos/containers/probe
container() {
  echo "executable: /bin/probe
arguments: [serve=3]
environ: { GENERATION: \"$1\" }
memory-limit: 100M
restart-timeout: 0.1
tcp-ports: { 8080: { fd: 3, host: 127.0.0.1 } }" >"$image/config/web.yaml"
}
# A sandbox with two containers that share a port, and the image they run.
lay() {
  for directory in bin config dev etc proc sys tmp; do mkdir -p "$image/$directory"; done
  install -m 755 /lithos/probe "$image/bin/probe"
  : >"$image/etc/hosts"
  : >"$image/etc/resolv.conf"
  mkdir -p /etc/lithos/sandboxes /etc/lithos/processes
  echo 'syslog-facility: daemon
log-level: info' >/etc/lithos/master.yaml
  echo 'allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
allow-tcp-ports: [8080]
log-level: info' >/etc/lithos/sandboxes/shop.yaml
  echo 'web: { image: probe, config: /config/web.yaml, instances: 2 }' >/etc/lithos/processes/shop.yaml
  container 1
}
