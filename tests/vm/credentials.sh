# Part of service.sh: the private key as a credential of systemd's, and what a hash that
# was delivered is good for.
vault() { cat /var/log/lithos/stderr/vault.log 2>/dev/null || true; }
# How often the container has said that it was given the secret.
given() { vault | grep -c '"PASSWORD":"a secret"' || true; }
given_again() { [ "$(given)" -gt "$1" ]; }
again() { pkill -f '^/bin/probe report' || true; }
# The key is given to the unit like this, and the container is started anew.
expect_delivery() {
  before=$(given)
  printf '[Service]\n%s\n' "$1" >/etc/systemd/system/lithos.service.d/key.conf
  systemctl daemon-reload
  systemctl restart lithos || fail "restart with $1"
  again
  await given_again "$before"
  found=$(stat -c '%U %a' /run/credentials/lithos.service/main.key)
  [ "$found" = "root 400" ] || fail "the credential is $found"
}

step LoadCredential
install -m 600 /lithos/main.key /root/main.key
rm /lithos/main.key
echo 'allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
limits: { memory: 100M }
secrets-private-key: $CREDENTIALS_DIRECTORY/main.key' >/etc/lithos/sandboxes/vault.yaml
echo 'web: { image: probe, config: /config/vault.yaml }' >/etc/lithos/processes/vault.yaml
token=$(cat /lithos/token)
echo "executable: /bin/probe
arguments: [report, sleep]
memory-limit: 50M
restart-timeout: 0.1
secret-environ:
  PASSWORD: $token
  HASH: { value: $token, transform: yescrypt }" >"$image/config/vault.yaml"
expect_delivery LoadCredential=main.key:/root/main.key

step "LoadCredentialEncrypted, by the key of the host"
systemd-creds encrypt --with-key=host --name=main.key /root/main.key /root/main.key.cred
expect_delivery LoadCredentialEncrypted=main.key:/root/main.key.cred

step "LoadCredentialEncrypted, by the TPM"
systemd-creds encrypt --with-key=tpm2 --name=main.key /root/main.key /root/main.key.cred ||
  fail "no TPM: $(ls /sys/class/tpm 2>&1), $(systemd-creds has-tpm2 2>&1 | tr '\n' ' ')"
line=$(sed -n 2p /root/main.key)
rm /root/main.key
expect_delivery LoadCredentialEncrypted=main.key:/root/main.key.cred
left=$(grep -rlF "$line" /etc /var /root /tmp /lithos || true)
[ -z "$left" ] || fail "the key lies on the disk: $left"
# Outside of the unit, too, its credentials are found.
lithos_check || fail lithos_check

step "a reload and a kill -9 keep the key"
last=$(main) before=$(given)
systemctl reload lithos
kill -9 "$last"
await another_main "$last"
again
await given_again "$before"
delivered() { [ "$(grep -c '"secret":"PASSWORD".*"outcome":"delivered"' /var/log/lithos/audit.log)" = "$(given)" ]; }
await delivered

step "login takes the hash that was delivered"
useradd ada
useradd bob
hash=$(vault | sed -n 's/.*"HASH":"\([^"]*\)".*/\1/p' | tail -1)
echo "ada:$hash" | chpasswd --encrypted
# As somebody who has to give the password.
login() { echo "$1" | setpriv --reuid bob --regid bob --init-groups su ada -c 'id -un' 2>/dev/null || true; }
[ "$(login 'a secret')" = ada ] || fail "su refuses the password for $hash"
[ -z "$(login another)" ] || fail "su takes another password"

step "without the key"
rm /etc/lithos/sandboxes/vault.yaml /etc/lithos/processes/vault.yaml /root/main.key.cred \
  /etc/systemd/system/lithos.service.d/key.conf
systemctl daemon-reload
systemctl reload lithos
await are_two
