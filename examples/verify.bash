# What the examples' `run` scripts have in common: building, a scratch directory that
# goes at the end with the supervisor, looking at processes, and verifying. To be sourced.

failed=0

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

need_root() {
  if [ "$(id -u)" != 0 ]; then
    echo "error: cannot run containers: this is not root" >&2
    exit 1
  fi
}

# Builds lithos as it is installed, and the quickstart's programs, as static ones, since
# its image has nothing else; sets $bin and $server to where the programs are.
build() {
  step "building lithos and the quickstart's programs"
  # As root, whoever called sudo: a supervisor runs no knot that others can write.
  bin=$(SUDO_UID=0 scripts/install --build)
  RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols" \
    cargo build --quiet --release --locked --package quickstart-server --target "$(basename "$(dirname "$bin")")"
  server=$bin
}

# make_scratch NAME: sets $scratch to a new directory. It is removed at the end, once the
# supervisor, whose pid is put into $tree while it runs, has been stopped.
make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/lithos-$1.XXXXXX")
  tree=
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
clean_up() {
  trap - EXIT INT TERM
  if [ -n "$tree" ] && kill -TERM "$tree" 2>/dev/null; then
    wait "$tree" || true
  fi
  rm -rf "$scratch"
}

# expect WHAT COMMAND [ARG…]: the command succeeds.
expect() {
  local what=$1
  shift
  if "$@"; then
    echo "ok      $what"
  else
    echo "FAILED  $what"
    failed=$((failed + 1))
  fi
}

# Ends the script by what `expect` has found.
verdict() {
  if [ "$failed" != 0 ]; then
    echo "error: $failed of the above FAILED" >&2
    exit 1
  fi
  echo "all is well"
}

# Waits up to ten seconds for a command to succeed.
eventually() {
  local _
  for _ in $(seq 100); do
    if "$@" 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  return 1
}

# free_port FROM: the first port from there on where nobody listens.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

# Whether one of these files holds this text, which goes through no command line.
somewhere() { grep -qaF -f - -- "${@:2}" 2>/dev/null <<<"$1"; }
nowhere() { ! somewhere "$@"; }
# Whether no file below these directories, which are there, does.
nowhere_below() {
  local directory
  for directory in "${@:2}"; do
    if [ ! -d "$directory" ]; then return 1; fi
  done
  ! grep -rqaF -f - -- "${@:2}" 2>/dev/null <<<"$1"
}

children() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; }

# A process and all below it: their pids.
pids_of() {
  local child
  echo "$1"
  for child in $(children "$1"); do pids_of "$child"; done
}

# The same as a picture.
show_processes() {
  local pid=$1 indent=${2-} child
  printf '%8d  %s%s\n' "$pid" "$indent" "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-90)"
  for child in $(children "$pid"); do show_processes "$child" "$indent  "; done
}

no_process_of() {
  local pid
  for pid in "$@"; do
    if [ -e "/proc/$pid" ]; then return 1; fi
  done
}

no_file_below() { [ -z "$(find "$1" -type f 2>/dev/null)" ]; }

no_cgroup() { [ -z "$(find /sys/fs/cgroup -type d -name "$1" 2>/dev/null)" ]; }

# The name of a cgroup parent, or null where no cgroup can be made: then there
# are no limits, but it runs.
cgroup_name() {
  local base
  for base in /sys/fs/cgroup /sys/fs/cgroup/memory; do
    if [ -w "$base/cgroup.procs" ]; then
      echo "$1"
      return
    fi
  done
  echo null
}
