# shellcheck shell=bash
# What every script starts with: the strict mode, the paths, and one way to speak.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
readonly root
readonly tools=$HOME/.cache/nephrocast/tools
export PATH=$tools/bin:$root/frontend/node_modules/.bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }

# One clear sentence, then the end.
fail() {
  say "$(basename "$0"): $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root, without ever asking for a password.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n -- "$@"; fi
}

# Prints as many free loopback ports as asked for.
free_ports() {
  node -e '
    const { createServer } = require("node:net");
    const servers = Array.from({ length: Number(process.argv[1]) }, () => createServer());
    let open = servers.length;
    for (const server of servers) server.listen(0, "127.0.0.1", () => {
      if (--open) return;
      console.log(servers.map((one) => one.address().port).join(" "));
      servers.forEach((one) => one.close());
    });' "$1"
}

# Whether something listens on a loopback port.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Whether a process lives and is no zombie.
alive() {
  local state
  state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
  [[ -n $state && $state != Z ]]
}

# Prints the status that http://127.0.0.1:<port><path> answers; nothing if there is no answer.
http_status() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$2" >&3
    read -r -t 5 _ status _ <&3
    printf '%s' "$status"
  ) 2>/dev/null || true
}

# Fails unless a folder's disk has some gigabytes free.
need_space() {
  local folder=$1 gigabytes=$2 free
  free=$(df --output=avail -k "$folder" | tail -n 1)
  ((free >= gigabytes * 1024 * 1024)) ||
    fail "the disk of $folder has $((free / 1024)) MB free and $gigabytes GB are needed: make room first"
}

# Makes a folder for a database that is only for tests, and prints it.
test_folder() {
  local folder
  mkdir -p .data
  folder=$(mktemp -d .data/test-XXXXXX)
  # PostgreSQL's user has to pass, and no more.
  chmod 711 "$folder"
  printf '%s' "$root/$folder"
}

# Whether the PostgreSQL of a folder runs still, which is said.
goes_on() {
  local data server
  data=$(realpath -m "$1/postgres/data")
  server=$(head -n 1 "$data/postmaster.pid" 2>/dev/null || true)
  # The number may be another process's by now.
  [[ $server ]] && alive "$server" && tr '\0' ' ' <"/proc/$server/cmdline" | grep -qF "$data" || return 1
  say "PostgreSQL (process $server) did not stop; its data stay in $data."
}

# Removes the folder of a database that was only for tests, wherever its data are; but nothing is taken
# from under a server that runs.
throw_away() {
  local data
  if goes_on "$1"; then return 1; fi
  data=$(realpath -m "$1/postgres/data")
  case $data in
    "$root"/.data/test-* | /var/lib/nephrocast/* | /dev/shm/nephrocast-*) rm -rf "$data" ;;
  esac
  rm -rf "$root/.data/${1##*/}"
}

# install_tool <program> <version> <why> [cargo install's options]
install_tool() {
  local name=$1 version=$2 why=$3 program=${1%-cli}
  [[ $("$program" --version 2>/dev/null || true) == *" $version"* ]] && return 0
  say "Missing: $name $version ($why); compiling it, once per machine."
  local build=$HOME/.cache/nephrocast/build
  # From a folder without a toolchain file or lock of its own; warnings are other people's.
  # Without debugging information they compile in half the time.
  RUSTFLAGS="--cap-lints allow" CARGO_TARGET_DIR=$build CARGO_PROFILE_DEV_DEBUG=0 \
    cargo install --quiet --debug --root "$tools" --version "$version" "${@:4}" "$name" ||
    fail "$name could not be compiled; the reason is above"
}
