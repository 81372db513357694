# Runs in the virtual machine, after unit.sh: see package.rs.

exe() { sha256sum "/proc/$1/exe" | cut -d' ' -f1; }
packaged() { dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/bin/$2" | sha256sum | cut -d' ' -f1; }
active() { systemctl --quiet is-active lithos; }
export DEBIAN_FRONTEND=noninteractive
first=/lithos/lithos_0.1.0-1_amd64.deb second=/lithos/lithos_0.2.0-1_amd64.deb

step "install, which starts it"
dpkg -i "$first" || fail install
await active
await loaded 1
systemctl --quiet is-enabled lithos || fail "it is not enabled"
[ "$(property StatusText)" = "supervising 0 containers" ] || fail "status: $(property StatusText)"
complaints=$(systemd-analyze verify lithos.service 2>&1) || fail "verify: $complaints"
[ -z "$complaints" ] || fail "verify: $complaints"
[ "$(stat -c %a:%U /etc/lithos/keys)" = 700:root ] || fail "keys: $(stat -c %a:%U /etc/lithos/keys)"
for program in check clean cmd crypt ctl knot ps switch tree; do
  "lithos_$program" --version | grep -q "^lithos_$program " || fail "lithos_$program does not run"
done

step "run containers"
lay
lithos_check || fail check
systemctl reload lithos
await are_two
await loaded 2
tree=$(main) two=$(probes) knots=$(pgrep -x lithos_knot | sort | tr '\n' ' ') inode=$(socket) old=$(exe "$(main)")
[ "$old" = "$(packaged "$first" lithos_tree)" ] || fail "it is not the packaged program that runs"
echo '# mine' >>/etc/lithos/master.yaml
python3 /lithos/client.py &
client=$!

step "upgrade, which reloads"
dpkg -i "$second" || fail upgrade
await loaded 3
same_main "$tree" upgrade
same_probes "$two" upgrade
[ "$(pgrep -x lithos_knot | sort | tr '\n' ' ')" = "$knots" ] || fail "the knots are others"
new=$(exe "$tree")
[ "$new" != "$old" ] && [ "$new" = "$(packaged "$second" lithos_tree)" ] || fail "the new program does not run"
[ "$(socket)" = "$inode" ] || fail "the socket is another"
grep -q '^# mine$' /etc/lithos/master.yaml || fail "the master config was overwritten"

step "a container ends, and the new supervisor starts it with the new knot"
kill -9 "${two%% *}"
anew() { are_two && [ "$(probes)" != "$two" ]; }
await anew
for knot in $(pgrep -x lithos_knot); do
  case " $knots" in *" $knot "*) continue ;; esac
  [ "$(exe "$knot")" = "$(packaged "$second" lithos_knot)" ] || fail "it is not the new knot"
  seen=1
done
[ "${seen:-}" = 1 ] || fail "there is no new knot"

step "downgrade, which reloads, too"
now=$(probes)
dpkg -i "$first" || fail downgrade
await loaded 4
same_main "$tree" downgrade
same_probes "$now" downgrade
[ "$(exe "$tree")" = "$old" ] || fail "the old program does not run"

step "an upgrade while the configs are broken"
sed -i 's/allow-users/alow-users/' /etc/lithos/sandboxes/shop.yaml
dpkg -i "$second" || fail "upgrade with a broken config"
upgraded() { [ "$(exe "$tree")" = "$new" ]; }
await upgraded
await loaded 5
same_main "$tree" "upgrade with a broken config"
same_probes "$now" "upgrade with a broken config"
sed -i 's/alow-users/allow-users/' /etc/lithos/sandboxes/shop.yaml
touch /tmp/stop
wait "$client"
[ ! -e /tmp/refused ] || fail "a client was refused"
[ "$(cat /tmp/clients)" -gt 100 ] || fail "only $(cat /tmp/clients) connections"
echo "$(cat /tmp/clients) connections, none refused"

step "remove, which stops everything"
dpkg -r lithos || fail remove
[ -z "$(pgrep -l 'lithos|probe')" ] || fail "left: $(pgrep -l 'lithos|probe')"
[ ! -e /run/lithos ] || fail "left: $(find /run/lithos)"
! grep lithos /proc/mounts || fail "mounts are left"
[ -z "$(socket)" ] || fail "the port is still open"
[ ! -e /usr/bin/lithos_tree ] || fail "the program is still there"
[ -e /etc/lithos/sandboxes/shop.yaml ] && grep -q '^# mine$' /etc/lithos/master.yaml || fail "configs are gone"

step "install again, which starts what there is"
dpkg -i "$second" || fail "second installation"
await active
await are_two

step purge
dpkg --purge lithos || fail purge
[ -z "$(pgrep -l 'lithos|probe')" ] || fail "left: $(pgrep -l 'lithos|probe')"
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /lithos -o -path /var/log/journal \) -prune -o -name '*lithos*' -print | sort | tr '\n' ' ')
[ "$left" = "/etc/lithos /var/lib/lithos " ] || fail "left: $left"
[ -e /etc/lithos/sandboxes/shop.yaml ] && [ -x "$image/bin/probe" ] || fail "what is not the package's is gone"
[ ! -e /etc/lithos/master.yaml ] || fail "the package's own config is left"
step done
